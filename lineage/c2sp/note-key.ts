import { sha256 } from '../../encoding/digest.ts'
import { base64ToBytes } from '../../encoding/text.ts'
import { type PublicKey, readPublicKey, verifyBytes } from '../../signing/key.ts'
import { readOtherKey } from '../../signing/other-key.ts'
import { LineageError } from '../error.ts'
import {
  type CosignatureVerifier,
  cosignatureVerifier,
  ED25519_COSIGNATURE,
  ML_DSA_44_COSIGNATURE,
  mlDsaCosignatureVerifier,
} from './cosignature.ts'
import { isKeyName, type NoteVerifier, noteKeyId } from './note.ts'

/** Signature type bytes (C2SP signed-note, "Signature types"). */
const ED25519 = 0x01
const ECDSA = 0x02

/** DER of an Ed25519 SubjectPublicKeyInfo up to its 32 key bytes (RFC 8410 section 4). */
const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex')
const ED25519_BYTES = 32

/** The 32 bytes of an Ed25519 key (RFC 8032 section 5.1.5). */
export function rawEd25519(key: PublicKey): Buffer {
  if (key.algorithm !== 'ed25519') throw new TypeError('not an Ed25519 key')
  return key.spki.subarray(-32)
}

/** Verifies plain Ed25519 lines of `name`. */
export function ed25519Verifier(name: string, key: PublicKey): NoteVerifier {
  return {
    name,
    keyId: noteKeyId(name, Buffer.of(ED25519), rawEd25519(key)),
    verify: (text, signature) => signature.length === 64 && verifyBytes(key, text, signature),
  }
}

/** Verifies ECDSA lines of `name`, whose key id is that of the DER SubjectPublicKeyInfo (C2SP signed-note, "Signature types", 0x02). */
function ecdsaVerifier(name: string, spki: Uint8Array): NoteVerifier & { material: string } {
  const key = readOtherKey(spki)
  return {
    name,
    // A point has more than one spelling; its thumbprint has one.
    material: key.id,
    keyId: sha256(spki).subarray(0, 4),
    verify: (text, signature) => key.verify(text, signature),
  }
}

/** A key in the text form that verifiers share: `name+hex(key id)+base64(type ‖ key)`. */
export function formatNoteKey(name: string, key: PublicKey): string {
  const raw = rawEd25519(key)
  const id = noteKeyId(name, Buffer.of(ED25519), raw)
  return `${name}+${id.toString('hex')}+${Buffer.concat([Buffer.of(ED25519), raw]).toString('base64')}`
}

/** A key from its text form: a log's, or a witness's. */
export type NoteKey = LogNoteKey | WitnessNoteKey

/** The key of a log, or of whoever else signs the text itself. */
export interface LogNoteKey extends NoteVerifier {
  readonly kind: 'log'
  /** The key's own bytes in hexadecimal: two text forms with one of them are one key, whatever their names. */
  readonly material: string
  /** Of an Ed25519 key, which is what a log of this project has. */
  readonly ed25519?: PublicKey
}

/** The key of a witness, which cosigns. */
export interface WitnessNoteKey extends CosignatureVerifier {
  readonly kind: 'witness'
  readonly material: string
}

/**
 * Reads a key in its text form: Ed25519 (0x01) or ECDSA (0x02) of a log, Ed25519 (0x04) or ML-DSA-44 (0x06) of a witness.
 *
 * @throws LineageError `NOTE_MALFORMED`, also for another type
 */
export function parseNoteKey(text: string): NoteKey {
  const match = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text)
  const [, name = '', id, encoded = ''] = match ?? []
  try {
    if (!match || !isKeyName(name)) throw new Error('not name+id+key')
    const bytes = base64ToBytes(encoded, 'key')
    const key = readKey(name, bytes[0], bytes.subarray(1))
    if (key.keyId.toString('hex') !== id) throw new Error('the id is not that of the key')
    return key
  } catch (cause) {
    throw new LineageError('NOTE_MALFORMED', 'not the key of a note signer', { cause })
  }
}

function readKey(name: string, type: number | undefined, key: Buffer): NoteKey {
  const material = key.toString('hex')
  switch (type) {
    case ED25519: {
      if (key.length !== ED25519_BYTES) throw new RangeError(`an Ed25519 key of ${key.length} bytes`)
      const ed25519 = readPublicKey(Buffer.concat([ED25519_SPKI, key]))
      return { kind: 'log', material, ed25519, ...ed25519Verifier(name, ed25519) }
    }
    case ECDSA:
      return { kind: 'log', ...ecdsaVerifier(name, key) }
    case ED25519_COSIGNATURE:
      return { kind: 'witness', material, ...cosignatureVerifier(name, key) }
    case ML_DSA_44_COSIGNATURE:
      return { kind: 'witness', material, ...mlDsaCosignatureVerifier(name, key) }
    default:
      throw new RangeError('unknown type of key')
  }
}
