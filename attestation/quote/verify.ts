import { WritError } from '../../encoding/error.ts'
import {
  type ClockInfo,
  type HashAlgorithm,
  hasAttributes,
  type PcrSelection,
  parseQuoteAttest,
  type QuoteAttest,
  SIGNATURE_SCHEME_ID,
  sameSelection,
  type TpmSignature,
  verifySignature,
} from '../tpm2/structures/index.ts'
import { QuoteError } from './error.ts'
import { type QuoteKey, tpmQuoteKey } from './key.ts'
import { bankName, selectionText } from './selection-text.ts'
import { readQuoteSignature, type SignatureFormat } from './signature.ts'

/** A quote as a TPM gives it: TPMS_ATTEST and TPMT_SIGNATURE. Controlled by whoever sends it. */
export interface Quote {
  readonly attest: Uint8Array
  readonly signature: Uint8Array
}

/**
 * The attestation key that the verifier enrolled. That it lives in a TPM is what enrolment showed (credential
 * activation); a quote by itself never shows it, since a software key can sign the magic as well.
 */
export interface EnrolledAk {
  /** TPMT_PUBLIC. */
  readonly publicArea: Uint8Array
  readonly name: Uint8Array
}

/** What the verifier asked for. */
export interface QuoteExpectation {
  readonly ak: EnrolledAk
  readonly extraData: Uint8Array
  readonly pcrSelection: readonly PcrSelection[]
}

/** What is asked of a quote by a key that need not be enrolled with Writ. */
export interface QuoteQuestion {
  readonly key: QuoteKey
  readonly signatureFormat: SignatureFormat
  /** Null: not checked, so the quote may be of any age. */
  readonly extraData: Uint8Array | null
  /** Exactly these PCRs of these banks in this order; or any selection that has at least these. */
  readonly pcrs: { readonly exactly: readonly PcrSelection[] } | { readonly atLeast: readonly PcrSelection[] }
}

/** What a verified quote says. Its PCR values are a digest until {@link matchesPcrDigest} found the values for it. */
export interface VerifiedQuote {
  readonly pcrSelection: readonly PcrSelection[]
  readonly pcrDigest: Buffer
  readonly extraData: Buffer
  readonly scheme: TpmSignature['scheme']
  /** The hash of the signature, which is also that of `pcrDigest`. */
  readonly hash: HashAlgorithm
  readonly clock: ClockInfo
  readonly firmwareVersion: bigint
}

/**
 * Verifies that the enrolled key signed a quote over our extraData and the PCRs that we asked for. Not verified here:
 * that the key lives in a TPM (enrolment), the PCR values ({@link matchesPcrDigest}), the clock against an earlier
 * quote (`judgeClock`).
 *
 * @throws QuoteError
 */
export function verifyQuote(quote: Quote, expected: QuoteExpectation): VerifiedQuote {
  const key = parse('ak', () => tpmQuoteKey(expected.ak.publicArea))
  verifyName(key, expected.ak.name)
  return checkQuote(quote, {
    key,
    signatureFormat: 'tpmt',
    extraData: expected.extraData,
    pcrs: { exactly: expected.pcrSelection },
  })
}

/**
 * {@link verifyQuote} for any key. With a bare public key (`key.area` null) its attributes cannot be checked: then a software key, or
 * one that signs whatever it is handed, cannot be told from an attestation key.
 *
 * @throws QuoteError
 */
export function checkQuote(quote: Quote, question: QuoteQuestion): VerifiedQuote {
  const { key, signatureFormat, extraData, pcrs } = question
  const attest = parse('attest', () => parseQuoteAttest(quote.attest))
  const signature = parse('signature', () => readQuoteSignature(quote.signature, signatureFormat, key))
  verifyAttributes(key)
  verifyScheme(key, signature)
  verifySignedBytes(key, quote.attest, signature)
  if (extraData !== null) verifyExtraData(attest, extraData)
  if ('exactly' in pcrs) verifySelection(attest, pcrs.exactly)
  else verifyCovers(attest, pcrs.atLeast)
  return {
    pcrSelection: attest.pcrSelection,
    pcrDigest: attest.pcrDigest,
    extraData: attest.extraData,
    scheme: signature.scheme,
    hash: signature.hash,
    clock: attest.clock,
    firmwareVersion: attest.firmwareVersion,
  }
}

function parse<T>(at: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (!(cause instanceof WritError)) throw cause
    throw new QuoteError('QUOTE_MALFORMED', `the quote cannot be read: ${cause.message}`, { at, cause })
  }
}

/** The key is the enrolled one: the Name covers its attributes and scheme as well as its bits. @throws QuoteError */
export function verifyName(key: QuoteKey, enrolled: Uint8Array): void {
  if (key.name === null || !key.name.equals(enrolled)) {
    const is = key.name?.toString('hex') ?? 'not known'
    throw new QuoteError(
      'QUOTE_SIGNER_MISMATCH',
      `the key's Name is ${is}, enrolled is ${Buffer.from(enrolled).toString('hex')}`,
      { at: 'ak' },
    )
  }
}

/** An unrestricted key signs bytes that merely look like a TPMS_ATTEST (Part 1, section 23.2.2). */
function verifyAttributes({ area }: QuoteKey): void {
  if (area === null) return
  const wanted = ['fixedTPM', 'fixedParent', 'sensitiveDataOrigin', 'restricted', 'sign'] as const
  if (!hasAttributes(area, wanted, ['decrypt'])) {
    throw new QuoteError('QUOTE_KEY_UNFIT', 'the key is not a restricted signing key that stays in its TPM', {
      at: 'ak',
    })
  }
}

/** The signature is of the one scheme and hash that the key's public area allows it. */
function verifyScheme({ area, object }: QuoteKey, signature: TpmSignature): void {
  const fits =
    area === null
      ? FITTING_TYPES[signature.scheme].includes(object.asymmetricKeyType ?? '')
      : area.scheme?.algorithm === SIGNATURE_SCHEME_ID[signature.scheme] &&
        area.scheme.hash === signature.hash
  if (!fits) {
    throw new QuoteError(
      'QUOTE_SIGNATURE_INVALID',
      `a signature by ${signature.scheme} with ${signature.hash}, which is not the key's scheme`,
      { at: 'signature' },
    )
  }
}

const FITTING_TYPES: Readonly<Record<TpmSignature['scheme'], readonly string[]>> = {
  ecdsa: ['ec'],
  rsassa: ['rsa'],
  rsapss: ['rsa', 'rsa-pss'],
}

function verifySignedBytes({ object }: QuoteKey, attest: Uint8Array, signature: TpmSignature): void {
  if (!verifySignature(object, attest, signature)) {
    throw new QuoteError(
      'QUOTE_SIGNATURE_INVALID',
      'the signature is not by the enrolled key over this quote',
      { at: 'signature' },
    )
  }
}

function verifyExtraData(attest: QuoteAttest, expected: Uint8Array): void {
  if (!attest.extraData.equals(expected)) {
    throw new QuoteError('QUOTE_EXTRA_DATA_MISMATCH', 'the quote is not bound to what was asked for', {
      at: 'extraData',
    })
  }
}

function verifySelection(attest: QuoteAttest, expected: readonly PcrSelection[]): void {
  if (!sameSelection(attest.pcrSelection, expected)) {
    throw selectionMismatch(
      `the quote covers other PCRs than were asked for: ${selectionText(attest.pcrSelection) || 'none'}, asked were ${selectionText(expected) || 'none'}`,
    )
  }
}

/** A quote over nothing proves nothing; one that leaves out a PCR says nothing of it. */
function verifyCovers(attest: QuoteAttest, required: readonly PcrSelection[]): void {
  if (attest.pcrSelection.every(({ pcrs }) => pcrs.length === 0)) {
    throw selectionMismatch('the quote covers no PCR')
  }
  const isCovered = (bank: number, pcr: number): boolean =>
    attest.pcrSelection.some(selection => selection.bank === bank && selection.pcrs.includes(pcr))
  const missing = required.flatMap(({ bank, pcrs }) =>
    pcrs.filter(pcr => !isCovered(bank, pcr)).map(pcr => `PCR ${pcr} of ${bankName(bank)}`),
  )
  if (missing.length > 0) throw selectionMismatch(`the quote does not cover ${missing.join(', ')}`)
}

function selectionMismatch(message: string): QuoteError {
  return new QuoteError('QUOTE_PCR_SELECTION_MISMATCH', message, { at: 'pcrSelect' })
}

/** RSA keys with fewer bits have less than 112 bits of strength (NIST SP 800-57 Part 1, table 2). */
const MIN_STRONG_RSA_BITS = 2048

/**
 * What of a verified quote's cryptography is weaker than is good today, in words; null when nothing is. SHA-1 no longer resists
 * collisions (and the digest over the PCRs is by the signature's hash), which a forger of a quote would still have to find within bytes that a TPM composes.
 */
export function weakness({ object }: QuoteKey, { hash }: Pick<VerifiedQuote, 'hash'>): string | null {
  const bits = object.asymmetricKeyDetails?.modulusLength ?? MIN_STRONG_RSA_BITS
  if (bits < MIN_STRONG_RSA_BITS) return `the key is an RSA key of ${bits} bits`
  return hash === 'sha1' ? 'the signature and the digest over the PCRs are by SHA-1' : null
}
