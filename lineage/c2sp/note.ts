import { sha256 } from '../../encoding/digest.ts'
import { base64ToBytes, utf8ToString } from '../../encoding/text.ts'
import { LineageError } from '../error.ts'

/** One signature line of a note, not verified. */
export interface NoteSignature {
  readonly name: string
  /** Four bytes that hint at the key. */
  readonly keyId: Buffer
  readonly signature: Buffer
}

/** A C2SP signed note, taken apart. Nothing is verified. */
export interface Note {
  /** What was signed: text that ends in a newline. */
  readonly text: Buffer
  readonly signatures: readonly NoteSignature[]
}

/** Checks one kind of signature by one key. */
export interface NoteVerifier {
  readonly name: string
  readonly keyId: Buffer
  verify(text: Buffer, signature: Buffer): boolean
}

/** A post-quantum signature is up to 5 kB and verifiers must take 16 of them (C2SP signed-note, "Format"). */
export const MAX_NOTE_BYTES = 256 << 10
const MAX_SIGNATURES = 100

function malformed(what: string, cause?: unknown): LineageError {
  return new LineageError('NOTE_MALFORMED', `signed note: ${what}`, { cause })
}

/** Whether a string can be a key name: not empty, no Unicode space, no plus. */
export function isKeyName(name: string): boolean {
  return /^[^\p{White_Space}\p{Cc}+]+$/u.test(name)
}

/** Key id = SHA-256(name ‖ 0x0A ‖ type ‖ key)[:4] (C2SP signed-note, "Signatures"). */
export function noteKeyId(name: string, type: Uint8Array, key: Uint8Array): Buffer {
  return sha256(Buffer.concat([Buffer.from(`${name}\n`, 'utf8'), type, key])).subarray(0, 4)
}

/**
 * Takes a note apart.
 *
 * @param bytes controlled by whoever sent them
 * @throws LineageError `NOTE_MALFORMED`
 */
export function parseNote(bytes: Buffer): Note {
  if (bytes.length > MAX_NOTE_BYTES) throw malformed(`${bytes.length} bytes, at most ${MAX_NOTE_BYTES}`)
  if (bytes.some(byte => byte < 0x20 && byte !== 0x0a)) throw malformed('a control character')
  try {
    utf8ToString(bytes, 'note')
  } catch (cause) {
    throw malformed('not UTF-8', cause)
  }
  // The text may hold empty lines: the last one separates.
  const blank = bytes.lastIndexOf('\n\n')
  if (blank < 0 || bytes.at(-1) !== 0x0a)
    throw malformed('no blank line before signatures, or no final newline')
  return { text: bytes.subarray(0, blank + 1), signatures: parseNoteSignatures(bytes.subarray(blank + 2)) }
}

/**
 * Reads signature lines without their note, as a witness answers with (C2SP tlog-witness, "add-checkpoint").
 *
 * @param bytes controlled by whoever sent them
 * @throws LineageError `NOTE_MALFORMED`
 */
export function parseNoteSignatures(bytes: Buffer): readonly NoteSignature[] {
  if (bytes.length > MAX_NOTE_BYTES) throw malformed(`${bytes.length} bytes, at most ${MAX_NOTE_BYTES}`)
  if (bytes.at(-1) !== 0x0a) throw malformed('no final newline')
  const lines = bytes.toString('utf8').split('\n')
  lines.pop()
  if (lines.length === 0 || lines.length > MAX_SIGNATURES) throw malformed(`${lines.length} signatures`)
  return lines.map(parseSignatureLine)
}

function parseSignatureLine(line: string): NoteSignature {
  // Em dash, space, name, space, base64 (C2SP signed-note, "Format").
  const [dash, name = '', encoded = '', ...more] = line.split(' ')
  if (dash !== '\u2014' || more.length > 0 || !isKeyName(name)) throw malformed('a bad signature line')
  let bytes: Buffer
  try {
    bytes = base64ToBytes(encoded, 'signature')
  } catch (cause) {
    throw malformed('a signature is not base64', cause)
  }
  if (bytes.length < 5) throw malformed('a signature of less than 5 bytes')
  return { name, keyId: bytes.subarray(0, 4), signature: bytes.subarray(4) }
}

/** The bytes of a note. The inverse of {@link parseNote}. */
export function formatNote({ text, signatures }: Note): Buffer {
  const lines = signatures.map(
    ({ name, keyId, signature }) =>
      `\u2014 ${name} ${Buffer.concat([keyId, signature]).toString('base64')}\n`,
  )
  return Buffer.concat([text, Buffer.from(`\n${lines.join('')}`, 'utf8')])
}

/**
 * The names of the known keys that signed, in the order of their lines. Lines of unknown keys are ignored; a bad signature of a known key
 * makes the whole note bad (C2SP signed-note, "Signatures").
 *
 * @throws LineageError `SIGNATURE_INVALID` also when no known key signed
 */
export function verifyNote(note: Note, verifiers: readonly NoteVerifier[]): string[] {
  const signers = new Map<NoteVerifier, string>()
  for (const { name, keyId, signature } of note.signatures) {
    const verifier = verifiers.find(known => known.name === name && known.keyId.equals(keyId))
    if (verifier === undefined || signers.has(verifier)) continue
    if (!verifier.verify(note.text, signature)) {
      throw new LineageError('SIGNATURE_INVALID', `the note's signature by ${name} is wrong`, { at: name })
    }
    signers.set(verifier, name)
  }
  if (signers.size === 0) throw new LineageError('SIGNATURE_INVALID', 'no known key signed the note')
  return [...signers.values()]
}
