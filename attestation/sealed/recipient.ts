import { createPublicKey } from 'node:crypto'
import * as v from 'valibot'
import { canonicalJsonBytes, parseJson } from '../../encoding/json.ts'
import { base64ToBytes } from '../../encoding/text.ts'
import type { PublicKey } from '../../signing/key.ts'
import { type AttestationKey, readAttestationKey } from '../identity/ak.ts'
import { verifyAkCertificate } from '../identity/ak-certificate.ts'
import { parseCertificate } from '../identity/certificate.ts'
import { type RecipientBinding, recipientExtraData } from '../quote/binding.ts'
import { type Quote, verifyQuote } from '../quote/verify.ts'
import { publicAreaName, QUOTED_SELECTION } from '../tpm2/structures/index.ts'
import { RecipientError } from './error.ts'
import { counterName } from './policy-digest.ts'
import { endorsementKeyOf } from './sealed-object.ts'

/** What a host hands out so that secrets can be sealed for it. All of it is the host's word until it is verified. */
export interface Recipient {
  /** The AK's Name in lower-case hexadecimal. */
  readonly host: string
  /** TPMT_PUBLIC of both. */
  readonly akPublicArea: Buffer
  readonly ekPublicArea: Buffer
  /** DER SubjectPublicKeyInfo of the daemon's X25519 key. */
  readonly secretKeySpki: Buffer
  readonly counterIndex: number
  readonly counterBase: bigint
  /** By the AK, over {@link recipientExtraData} of the fields above. */
  readonly quote: Quote
  /** DER: the operator's word that this AK is in the TPM with the EK of that certificate; null on a host that is not enrolled. */
  readonly akCertificate: Buffer | null
  readonly ekCertificate: Buffer | null
}

const MAX_BYTES = 64 << 10
const base64 = v.pipe(v.string(), v.maxLength(24 << 10))
const schema = v.strictObject({
  v: v.literal(1),
  type: v.literal('secret-recipient'),
  akPublicArea: base64,
  ekPublicArea: base64,
  secretKeySpki: base64,
  counterIndex: v.pipe(v.number(), v.integer(), v.minValue(0x0100_0000), v.maxValue(0x01ff_ffff)),
  counterBase: v.pipe(v.string(), v.regex(/^(?:0|[1-9][0-9]{0,18})$/)),
  quote: v.strictObject({ attest: base64, signature: base64 }),
  akCertificate: v.nullable(base64),
  ekCertificate: v.nullable(base64),
})

/** The file's bytes: canonical JSON, binary fields in base64. */
export function encodeRecipient(recipient: Omit<Recipient, 'host'>): Buffer {
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
  const optional = (bytes: Buffer | null) => (bytes === null ? null : text(bytes))
  return canonicalJsonBytes({
    v: 1,
    type: 'secret-recipient',
    akPublicArea: text(recipient.akPublicArea),
    ekPublicArea: text(recipient.ekPublicArea),
    secretKeySpki: text(recipient.secretKeySpki),
    counterIndex: recipient.counterIndex,
    counterBase: recipient.counterBase.toString(),
    quote: { attest: text(recipient.quote.attest), signature: text(recipient.quote.signature) },
    akCertificate: optional(recipient.akCertificate),
    ekCertificate: optional(recipient.ekCertificate),
  })
}

/**
 * Reads what {@link encodeRecipient} wrote. Nothing is verified by this but that secrets can be sealed with it.
 *
 * @param bytes controlled by whoever brings the file
 * @throws RecipientError `RECIPIENT_MALFORMED`
 */
export function parseRecipient(bytes: Uint8Array): Recipient {
  try {
    const file = v.parse(schema, parseJson(bytes, { maxBytes: MAX_BYTES, maxDepth: 3 }))
    const akPublicArea = base64ToBytes(file.akPublicArea)
    const ekPublicArea = base64ToBytes(file.ekPublicArea)
    const secretKeySpki = base64ToBytes(file.secretKeySpki)
    endorsementKeyOf(ekPublicArea)
    checkDaemonKey(secretKeySpki)
    return {
      host: publicAreaName(akPublicArea).toString('hex'),
      akPublicArea,
      ekPublicArea,
      secretKeySpki,
      counterIndex: file.counterIndex,
      counterBase: BigInt(file.counterBase),
      quote: { attest: base64ToBytes(file.quote.attest), signature: base64ToBytes(file.quote.signature) },
      akCertificate: file.akCertificate === null ? null : base64ToBytes(file.akCertificate),
      ekCertificate: file.ekCertificate === null ? null : base64ToBytes(file.ekCertificate),
    }
  } catch (cause) {
    throw new RecipientError('RECIPIENT_MALFORMED', 'not what a host hands out for secrets', { cause })
  }
}

function checkDaemonKey(spki: Buffer): void {
  const { asymmetricKeyType } = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  if (asymmetricKeyType !== 'x25519') throw new TypeError('the key of a daemon is of X25519')
}

/** What the AK signs. */
export function recipientBinding(
  recipient: Pick<
    Recipient,
    'akPublicArea' | 'ekPublicArea' | 'secretKeySpki' | 'counterIndex' | 'counterBase'
  >,
): RecipientBinding {
  return {
    ekPublicArea: recipient.ekPublicArea,
    akName: publicAreaName(recipient.akPublicArea),
    secretKeySpki: recipient.secretKeySpki,
    counterName: counterName(recipient.counterIndex),
    counterBase: recipient.counterBase,
  }
}

/**
 * That one attestation key stands for all of it: its quote is bound to every other field. It says nothing about where that key is, since
 * a program can have one of the same form, and nothing about when it was made.
 *
 * @throws IdentityError | QuoteError
 */
export function verifyRecipientQuote(recipient: Recipient): AttestationKey {
  const ak = readAttestationKey(recipient.akPublicArea)
  verifyQuote(recipient.quote, {
    ak,
    extraData: recipientExtraData(recipientBinding(recipient)),
    pcrSelection: QUOTED_SELECTION,
  })
  return ak
}

/**
 * That it is a host's whom the operator has enrolled: {@link verifyRecipientQuote}; the operator's certificate of the AK, which credential
 * activation showed to be in the TPM with the EK of a certificate; that EK certificate; and that secrets would be sealed for its key.
 *
 * @throws RecipientError | IdentityError | QuoteError
 */
export function verifyEnrolledRecipient(recipient: Recipient, operator: PublicKey, at: Date): void {
  const ak = verifyRecipientQuote(recipient)
  const { akCertificate, ekCertificate, ekPublicArea } = recipient
  if (akCertificate === null || ekCertificate === null)
    throw new RecipientError('RECIPIENT_NOT_ENROLLED', 'the host has no certificate of its attestation key')
  const { ekCertificateSha256 } = verifyAkCertificate(akCertificate, operator, ak, at)
  const ek = parseCertificate(ekCertificate, 'EK certificate')
  if (ek.sha256 !== ekCertificateSha256)
    throw new RecipientError('RECIPIENT_EK_MISMATCH', 'the host was enrolled under another EK certificate')
  if (!ek.publicKey.equals(endorsementKeyOf(ekPublicArea).publicKey))
    throw new RecipientError('RECIPIENT_EK_MISMATCH', 'the endorsement key is not the one that was enrolled')
}
