import {
  checkpointExtraData,
  type EnrolledAk,
  parseQuoteAttest,
  QUOTED_SELECTION,
  type Quote,
  type QuoteAttest,
  type VerifiedQuote,
  verifyQuote,
} from '../attestation/index.ts'
import { ByteReader } from '../encoding/byte-reader.ts'
import { sha256 } from '../encoding/digest.ts'
import { type PrivateKey, type PublicKey, signBytes } from '../signing/key.ts'
import {
  type CheckpointText,
  formatCheckpointText,
  parseCheckpointText,
  type TreeHead,
} from './c2sp/checkpoint-text.ts'
import { formatNote, isKeyName, type Note, noteKeyId, parseNote } from './c2sp/note.ts'
import { ed25519Verifier } from './c2sp/note-key.ts'
import { LineageError } from './error.ts'
import { HASH_SIZE } from './tree/merkle.ts'

export {
  type CheckpointText,
  formatCheckpointText,
  parseCheckpointText,
  type TreeHead,
} from './c2sp/checkpoint-text.ts'

/** Type byte for signatures without an assigned one, and the longer identifier that follows it (C2SP signed-note, "Signature types"). */
const TPM2_QUOTE_TYPE = Buffer.from('\xffwrit.dev/tpm2-quote/v1', 'latin1')
const TPM2_QUOTE_VERSION = 1

/** The log's own lines: Ed25519, then tpm2-quote. */
const OWN_LINES = 2
/** Witnesses' lines behind them. A verifier has to take 16 signatures (C2SP signed-note, "Format") and a policy 32 witnesses (tlog-policy). */
export const MAX_COSIGNATURES = 32

/** The TPM's line: key id over the AK's Name, so that the line says which key to look for. */
function tpmKeyId(origin: string, akName: Uint8Array): Buffer {
  return noteKeyId(origin, TPM2_QUOTE_TYPE, akName)
}

/** version ‖ u16 length ‖ TPMS_ATTEST ‖ u16 length ‖ TPMT_SIGNATURE, big-endian. */
export function encodeTpmSignature({ attest, signature }: Quote): Buffer {
  const sized = (bytes: Uint8Array) =>
    Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 0xff), bytes])
  return Buffer.concat([Buffer.of(TPM2_QUOTE_VERSION), sized(attest), sized(signature)])
}

/** The inverse. @throws LineageError `CHECKPOINT_MALFORMED` */
export function decodeTpmSignature(bytes: Uint8Array): Quote {
  const reader = new ByteReader(bytes, 'tpm2-quote signature')
  try {
    const version = reader.u8('version')
    if (version !== TPM2_QUOTE_VERSION) throw new Error(`version ${version}`)
    const quote = { attest: reader.sized16be('attest'), signature: reader.sized16be('signature') }
    reader.end()
    return quote
  } catch (cause) {
    throw new LineageError('CHECKPOINT_MALFORMED', 'the tpm2-quote signature cannot be read', { cause })
  }
}

/** Signs checkpoints: the log's Ed25519 key, and the TPM's attestation key by a quote. */
export interface CheckpointSigner {
  readonly logKey: PrivateKey
  readonly ak: EnrolledAk
  /** TPM2_Quote over the usual PCR selection with these 32 bytes as qualifyingData. */
  quote(extraData: Buffer): Promise<Quote>
  /**
   * The values of the quoted PCRs as they are now, one after the other in selection order; null if they cannot be had. Without it the values are
   * not kept.
   */
  readPcrs?(): Promise<Buffer | null>
}

/** A signed checkpoint. */
export interface SignedCheckpoint extends TreeHead {
  readonly origin: string
  /** The note's bytes, as in the file `checkpoint`. */
  readonly note: Buffer
}

/** A checkpoint that was just signed. */
export interface FreshCheckpoint extends SignedCheckpoint {
  /**
   * The PCR values that its quote is over, joined in selection order. Their SHA-256 *is* the quote's pcrDigest (the AK signs with SHA-256), so a
   * blob of them is found in the evidence store by what the TPM signed, and cannot be another's. Null if a PCR moved before they could be read.
   */
  readonly pcrs: Buffer | null
}

/** On a live host IMA extends PCR 10 now and then, and hardly ever between a quote and the reading right after it. */
const MAX_QUOTES = 3

/** Signs a tree head with both keys and checks both signatures before giving it out. @throws LineageError `SIGNATURE_INVALID` */
export async function signCheckpoint(
  signer: CheckpointSigner,
  origin: string,
  head: TreeHead,
): Promise<FreshCheckpoint> {
  const text = formatCheckpointText({ origin, ...head })
  const { quote, pcrs } = await quoteWithPcrs(signer, checkpointExtraData(text))
  const note = formatNote({
    text,
    signatures: [
      {
        name: origin,
        keyId: ed25519Verifier(origin, signer.logKey.public).keyId,
        signature: signBytes(signer.logKey, text),
      },
      { name: origin, keyId: tpmKeyId(origin, signer.ak.name), signature: encodeTpmSignature(quote) },
    ],
  })
  const checkpoint = parseCheckpoint(note)
  verifyLogSignature(checkpoint, signer.logKey.public)
  verifyTpmSignature(checkpoint, signer.ak)
  return { origin, ...head, note, pcrs }
}

/** Quotes, then reads the PCRs. If one moved in between, the same is quoted again: values that were read before are gone for good. */
async function quoteWithPcrs(
  signer: CheckpointSigner,
  extraData: Buffer,
): Promise<{ quote: Quote; pcrs: Buffer | null }> {
  for (let quotes = 1; ; quotes++) {
    const quote = await signer.quote(extraData)
    const pcrs = (await signer.readPcrs?.()) ?? null
    if (pcrs === null) return { quote, pcrs }
    if (sha256(pcrs).equals(quotedDigest(quote))) return { quote, pcrs }
    if (quotes === MAX_QUOTES) return { quote, pcrs: null }
  }
}

function quotedDigest({ attest }: Quote): Buffer {
  try {
    return parseQuoteAttest(attest).pcrDigest
  } catch (cause) {
    throw new LineageError('SIGNATURE_INVALID', 'the TPM gave what is no quote', { cause })
  }
}

/** A checkpoint of this project's form, taken apart; nothing is verified. */
export interface Checkpoint extends CheckpointText {
  readonly note: Note
}

/**
 * Takes a checkpoint apart: no extension lines; two signature lines by the log, both under the origin's name, Ed25519 first; then up to
 * {@link MAX_COSIGNATURES} lines by others, which nothing here looks into (C2SP signed-note has verifiers ignore what they do not know).
 *
 * @param bytes controlled by whoever sent them
 * @throws LineageError `NOTE_MALFORMED`, `CHECKPOINT_MALFORMED`
 */
export function parseCheckpoint(bytes: Buffer): Checkpoint {
  const note = parseNote(bytes)
  const text = parseCheckpointText(note.text)
  const fail = (what: string) => new LineageError('CHECKPOINT_MALFORMED', `checkpoint: ${what}`)
  if (text.extensions.length > 0) throw fail('extension lines')
  if (!isKeyName(text.origin)) throw fail('the origin is not a key name')
  const own = note.signatures.slice(0, OWN_LINES)
  const others = note.signatures.slice(OWN_LINES)
  if (own.length !== OWN_LINES) throw fail(`${own.length} signature lines, at least ${OWN_LINES}`)
  if (own.some(({ name }) => name !== text.origin)) throw fail('a signature by another name')
  if (others.length > MAX_COSIGNATURES)
    throw fail(`${others.length} lines by others, at most ${MAX_COSIGNATURES}`)
  // The log signs twice and no more: a third line of its own would be one that no check looks at.
  if (others.some(({ name }) => name === text.origin)) throw fail("a third signature by the log's name")
  return { ...text, note }
}

/** The quote in the second line, as it says of itself: nothing is verified. @throws LineageError `CHECKPOINT_MALFORMED` */
export function readQuoteLine({ note }: Checkpoint): QuoteAttest {
  const { attest } = decodeTpmSignature(note.signatures[1]?.signature ?? Buffer.alloc(0))
  try {
    return parseQuoteAttest(attest)
  } catch (cause) {
    throw new LineageError('CHECKPOINT_MALFORMED', 'the tpm2-quote line holds no quote', { cause })
  }
}

/** Where the evidence store has the PCR values that a checkpoint's quote is over, if they were kept; null for one whose digest names no blob. */
export function pcrsBlob(checkpoint: Checkpoint): string | null {
  try {
    const { pcrDigest } = readQuoteLine(checkpoint)
    return pcrDigest.length === HASH_SIZE ? pcrDigest.toString('hex') : null
  } catch (error) {
    if (error instanceof LineageError) return null
    throw error
  }
}

/** @throws LineageError `SIGNATURE_INVALID` unless the first line is by the log's key */
export function verifyLogSignature({ origin, note }: Checkpoint, key: PublicKey): void {
  const verifier = ed25519Verifier(origin, key)
  const line = note.signatures[0]
  if (!line?.keyId.equals(verifier.keyId) || !verifier.verify(note.text, line.signature)) {
    throw new LineageError('SIGNATURE_INVALID', "the Ed25519 line is not by the log's key")
  }
}

/** @throws LineageError `SIGNATURE_INVALID` unless the second line is a quote of this text by the enrolled AK */
export function verifyTpmSignature({ origin, note }: Checkpoint, ak: EnrolledAk): VerifiedQuote {
  const line = note.signatures[1]
  if (!line?.keyId.equals(tpmKeyId(origin, ak.name))) {
    throw new LineageError('SIGNATURE_INVALID', 'the tpm2-quote line is by another attestation key')
  }
  try {
    return verifyQuote(decodeTpmSignature(line.signature), {
      ak,
      extraData: checkpointExtraData(note.text),
      pcrSelection: QUOTED_SELECTION,
    })
  } catch (cause) {
    throw new LineageError('SIGNATURE_INVALID', `the tpm2-quote line does not hold: ${String(cause)}`, {
      cause,
    })
  }
}
