import { createPublicKey, verify } from 'node:crypto'
import { readPublicKey, verifyBytes } from '../../signing/key.ts'
import { parseCheckpointText } from './checkpoint-text.ts'
import { formatNote, type NoteSignature, type NoteVerifier, noteKeyId, parseNote } from './note.ts'

/** Signature type bytes of cosignatures (C2SP signed-note, "Signature types"). */
export const ED25519_COSIGNATURE = 0x04
export const ML_DSA_44_COSIGNATURE = 0x06

/** DER of an Ed25519 SubjectPublicKeyInfo up to its 32 key bytes (RFC 8410 section 4). */
const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex')
const ED25519_KEY_BYTES = 32
const ED25519_SIGNATURE_BYTES = 64
/** The same of ML-DSA-44 (RFC 9881 section 4; sizes: FIPS 204 table 2). */
const ML_DSA_44_SPKI = Buffer.from('30820532300b06096086480165030403110382052100', 'hex')
const ML_DSA_44_KEY_BYTES = 1312
const ML_DSA_44_SIGNATURE_BYTES = 2420

/** `timestamped_signature` begins with a u64 of seconds since 1970 (C2SP tlog-cosignature, "Format"). */
const TIMESTAMP_BYTES = 8
/** "It MUST NOT exceed 2^63 - 1". */
const MAX_TIMESTAMP = (1n << 63n) - 1n

/** A witness's line: when it says that this was the largest consistent tree that it had seen. */
export interface CosignatureVerifier extends NoteVerifier {
  /** Seconds since 1970 in a signature of this kind; zero of an ML-DSA-44 one makes no statement about time. */
  timestamp(signature: Buffer): bigint
}

function timestamp(signature: Buffer): bigint {
  return signature.readBigUInt64BE()
}

/** Verifies Ed25519 cosignatures of `name` (C2SP tlog-cosignature, "Ed25519 signed message"). */
export function cosignatureVerifier(name: string, raw: Uint8Array): CosignatureVerifier {
  if (raw.length !== ED25519_KEY_BYTES) throw new RangeError(`an Ed25519 key of ${raw.length} bytes`)
  const key = readPublicKey(Buffer.concat([ED25519_SPKI, raw]))
  return {
    name,
    keyId: noteKeyId(name, Buffer.of(ED25519_COSIGNATURE), raw),
    timestamp,
    verify(text, signature) {
      if (!isTimestamped(signature, ED25519_SIGNATURE_BYTES)) return false
      const header = `cosignature/v1\ntime ${timestamp(signature)}\n`
      return verifyBytes(key, Buffer.concat([Buffer.from(header), text]), signature.subarray(TIMESTAMP_BYTES))
    },
  }
}

/** Verifies ML-DSA-44 cosignatures of `name` on whole trees (C2SP tlog-cosignature, "ML-DSA-44 signed message"). */
export function mlDsaCosignatureVerifier(name: string, raw: Uint8Array): CosignatureVerifier {
  if (raw.length !== ML_DSA_44_KEY_BYTES) throw new RangeError(`an ML-DSA-44 key of ${raw.length} bytes`)
  const key = createPublicKey({ key: Buffer.concat([ML_DSA_44_SPKI, raw]), format: 'der', type: 'spki' })
  return {
    name,
    keyId: noteKeyId(name, Buffer.of(ML_DSA_44_COSIGNATURE), raw),
    timestamp,
    verify(text, signature) {
      if (!isTimestamped(signature, ML_DSA_44_SIGNATURE_BYTES)) return false
      try {
        const message = cosignedMessage(name, timestamp(signature), text)
        return verify(null, message, key, signature.subarray(TIMESTAMP_BYTES))
      } catch {
        return false
      }
    },
  }
}

function isTimestamped(signature: Buffer, bytes: number): boolean {
  return signature.length === TIMESTAMP_BYTES + bytes && timestamp(signature) <= MAX_TIMESTAMP
}

/**
 * `cosigned_message`: label, name, time, origin, start (0: the whole tree), end, root. Extension lines are not signed by it.
 *
 * @throws LineageError `CHECKPOINT_MALFORMED`; RangeError for a name or an origin of more than 255 bytes
 */
export function cosignedMessage(name: string, time: bigint, text: Buffer): Buffer {
  const { origin, size, root } = parseCheckpointText(text)
  const short = (value: string) => {
    const bytes = Buffer.from(value, 'utf8')
    if (bytes.length === 0 || bytes.length > 255) throw new RangeError(`a name of ${bytes.length} bytes`)
    return Buffer.concat([Buffer.of(bytes.length), bytes])
  }
  const number = (value: bigint) => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64BE(value)
    return bytes
  }
  return Buffer.concat([
    Buffer.from('subtree/v1\n\0', 'latin1'),
    short(name),
    number(time),
    short(origin),
    number(0n),
    number(BigInt(size)),
    root,
  ])
}

/**
 * Adds witnesses' lines to a checkpoint. A line counts if it is by a known witness and holds for this text; others are left out. A witness
 * has one line, its newest, and none under the log's own name. What was signed does not change, and the lines that are there already stay
 * where they are.
 *
 * @param note a checkpoint's bytes
 * @param lines as a witness answered; nothing about them is believed
 * @returns the note's bytes, the same object if there was nothing to add
 * @throws LineageError `NOTE_MALFORMED`, also when the result would be too large, `CHECKPOINT_MALFORMED`
 */
export function mergeCosignatures(
  note: Buffer,
  lines: readonly NoteSignature[],
  witnesses: readonly CosignatureVerifier[],
): Buffer {
  const { text, signatures } = parseNote(note)
  const { origin } = parseCheckpointText(text)
  const merged = [...signatures]
  let changed = false
  for (const line of lines) {
    const witness = witnesses.find(known => isBy(known, line))
    if (witness === undefined || witness.name === origin || !witness.verify(text, line.signature)) continue
    const at = merged.findIndex(there => isBy(witness, there))
    const there = merged[at]
    if (there === undefined) merged.push(line)
    else if (isNewer(witness, text, line, there)) merged[at] = line
    else continue
    changed = true
  }
  if (!changed) return note
  const bytes = formatNote({ text, signatures: merged })
  parseNote(bytes)
  return bytes
}

/** Whether a line claims to be by this key. */
export function isBy({ name, keyId }: NoteVerifier, line: NoteSignature): boolean {
  return line.name === name && line.keyId.equals(keyId)
}

function isNewer(
  witness: CosignatureVerifier,
  text: Buffer,
  line: NoteSignature,
  there: NoteSignature,
): boolean {
  return (
    !witness.verify(text, there.signature) ||
    witness.timestamp(line.signature) > witness.timestamp(there.signature)
  )
}
