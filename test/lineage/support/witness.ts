import { generateKeyPairSync, sign } from 'node:crypto'
import {
  cosignatureVerifier,
  cosignedMessage,
  mlDsaCosignatureVerifier,
} from '../../../lineage/c2sp/cosignature.ts'
import { formatNote, type NoteSignature, noteKeyId, parseNote } from '../../../lineage/c2sp/note.ts'
import { ed25519Verifier, formatNoteKey, rawEd25519 } from '../../../lineage/c2sp/note-key.ts'
import { generateKey, type PrivateKey, signBytes } from '../../../signing/key.ts'

/** Somebody who cosigns. */
export interface TestWitness {
  readonly name: string
  readonly vkey: string
  /** A line over a note's text at an instant, in seconds. */
  cosign(note: Buffer, time?: bigint): NoteSignature
}

const big = (value: bigint) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(value)
  return bytes
}

const textForm = (name: string, type: number, key: Buffer) => {
  const id = noteKeyId(name, Buffer.of(type), key).toString('hex')
  return `${name}+${id}+${Buffer.concat([Buffer.of(type), key]).toString('base64')}`
}

/** Cosigns with Ed25519 (type 0x04). */
export function testWitness(name: string, key: PrivateKey = generateKey('ed25519')): TestWitness {
  const raw = rawEd25519(key.public)
  const { keyId } = cosignatureVerifier(name, raw)
  return {
    name,
    vkey: textForm(name, 4, raw),
    cosign(note, time = 1_700_000_000n) {
      const message = Buffer.concat([Buffer.from(`cosignature/v1\ntime ${time}\n`), parseNote(note).text])
      return { name, keyId, signature: Buffer.concat([big(time), signBytes(key, message)]) }
    },
  }
}

/** Cosigns with ML-DSA-44 (type 0x06). */
export function mlDsaWitness(name: string): TestWitness {
  const { publicKey, privateKey } = generateKeyPairSync('ml-dsa-44')
  const raw = publicKey.export({ type: 'spki', format: 'der' }).subarray(-1312)
  const { keyId } = mlDsaCosignatureVerifier(name, raw)
  return {
    name,
    vkey: textForm(name, 6, raw),
    cosign(note, time = 1_700_000_000n) {
      const message = cosignedMessage(name, time, parseNote(note).text)
      return { name, keyId, signature: Buffer.concat([big(time), sign(null, message, privateKey)]) }
    },
  }
}

/** A log of another make: one Ed25519 line. */
export function testLog(origin: string, key: PrivateKey = generateKey('ed25519')) {
  return {
    origin,
    key,
    vkey: formatNoteKey(origin, key.public),
    checkpoint(size: number, root: Buffer, name = origin): Buffer {
      const text = Buffer.from(`${origin}\n${size}\n${root.toString('base64')}\n`)
      const { keyId } = ed25519Verifier(name, key.public)
      return formatNote({ text, signatures: [{ name, keyId, signature: signBytes(key, text) }] })
    },
  }
}

/** The note with more lines behind its own. */
export function withLines(note: Buffer, ...lines: readonly NoteSignature[]): Buffer {
  const { text, signatures } = parseNote(note)
  return formatNote({ text, signatures: [...signatures, ...lines] })
}
