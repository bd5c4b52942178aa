import type { KeyObject } from 'node:crypto'
import { WritError } from '../../encoding/error.ts'
import {
  type ClockInfo,
  type HashAlgorithm,
  hasAttributes,
  type PcrSelection,
  type PublicArea,
  parsePublicArea,
  parseQuoteAttest,
  parseSignature,
  publicAreaKey,
  publicAreaName,
  type QuoteAttest,
  SIGNATURE_SCHEME_ID,
  sameSelection,
  type TpmSignature,
  verifySignature,
} from '../tpm2/structures/index.ts'
import { QuoteError } from './error.ts'

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

/** What a verified quote says. Its PCR values are a digest until {@link matchesPcrDigest} found the values for it. */
export interface VerifiedQuote {
  readonly pcrSelection: readonly PcrSelection[]
  readonly pcrDigest: Buffer
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
  const attest = parse('attest', () => parseQuoteAttest(quote.attest))
  const signature = parse('signature', () => parseSignature(quote.signature))
  const key = verifySigner(expected.ak, signature)
  verifySignedBytes(key, quote.attest, signature)
  verifyExtraData(attest, expected.extraData)
  verifySelection(attest, expected.pcrSelection)
  return {
    pcrSelection: attest.pcrSelection,
    pcrDigest: attest.pcrDigest,
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

interface ReadKey {
  readonly area: PublicArea
  readonly name: Buffer
  readonly key: KeyObject
}
/** Keys read before, by their bytes: the attestor verifies by one key for as long as it lives. */
const readKeys = new WeakMap<Uint8Array, ReadKey & { readonly bytes: Buffer }>()

function readKey(publicArea: Uint8Array): ReadKey {
  const known = readKeys.get(publicArea)
  if (known?.bytes.equals(publicArea)) return known
  const area = parsePublicArea(publicArea)
  const read = { area, name: publicAreaName(publicArea), key: publicAreaKey(area) }
  readKeys.set(publicArea, { ...read, bytes: Buffer.from(publicArea) })
  return read
}

/** The key is the enrolled one by Name, can sign nothing that its TPM did not make, and signs in its own scheme. */
function verifySigner(ak: EnrolledAk, signature: TpmSignature): KeyObject {
  const { area, name, key } = parse('ak', () => readKey(ak.publicArea))
  if (!name.equals(ak.name)) {
    throw new QuoteError(
      'QUOTE_SIGNER_MISMATCH',
      `the key's Name is ${name.toString('hex')}, enrolled is ${Buffer.from(ak.name).toString('hex')}`,
      { at: 'ak' },
    )
  }
  // An unrestricted key signs bytes that merely look like a TPMS_ATTEST (Part 1, section 23.2.2).
  if (
    !hasAttributes(
      area,
      ['fixedTPM', 'fixedParent', 'sensitiveDataOrigin', 'restricted', 'sign'],
      ['decrypt'],
    )
  ) {
    throw new QuoteError('QUOTE_KEY_UNFIT', 'the key is not a restricted signing key that stays in its TPM', {
      at: 'ak',
    })
  }
  if (
    area.scheme?.algorithm !== SIGNATURE_SCHEME_ID[signature.scheme] ||
    area.scheme.hash !== signature.hash
  ) {
    throw new QuoteError(
      'QUOTE_SIGNATURE_INVALID',
      `a signature by ${signature.scheme} with ${signature.hash}, which is not the key's scheme`,
      { at: 'signature' },
    )
  }
  return key
}

function verifySignedBytes(key: KeyObject, attest: Uint8Array, signature: TpmSignature): void {
  if (!verifySignature(key, attest, signature)) {
    throw new QuoteError(
      'QUOTE_SIGNATURE_INVALID',
      'the signature is not by the enrolled key over this quote',
      {
        at: 'signature',
      },
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
    throw new QuoteError('QUOTE_PCR_SELECTION_MISMATCH', 'the quote covers other PCRs than were asked for', {
      at: 'pcrSelect',
    })
  }
}
