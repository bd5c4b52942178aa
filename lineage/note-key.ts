import { sha256 } from '../encoding/digest.ts'
import { base64ToBytes } from '../encoding/text.ts'
import { type PublicKey, readPublicKey, verifyBytes } from '../signing/key.ts'
import { readOtherKey } from '../signing/other-key.ts'
import { LineageError } from './error.ts'
import { isKeyName, type NoteVerifier, noteKeyId } from './note.ts'

/** Signature type bytes (C2SP signed-note, "Signature types"). */
const ED25519 = 0x01
const ECDSA = 0x02
const COSIGNATURE = 0x04

/** DER of an Ed25519 SubjectPublicKeyInfo up to its 32 key bytes (RFC 8410 section 4). */
const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex')

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

/** Verifies timestamped witness cosignatures of `name` (C2SP tlog-cosignature v1): u64 seconds ‖ Ed25519. */
export function cosignatureVerifier(name: string, key: PublicKey): NoteVerifier {
  return {
    name,
    keyId: noteKeyId(name, Buffer.of(COSIGNATURE), rawEd25519(key)),
    verify(text, signature) {
      if (signature.length !== 8 + 64) return false
      const header = `cosignature/v1\ntime ${signature.readBigUInt64BE()}\n`
      return verifyBytes(key, Buffer.concat([Buffer.from(header), text]), signature.subarray(8))
    },
  }
}

/** Verifies ECDSA lines of `name`, whose key id is that of the DER SubjectPublicKeyInfo (C2SP signed-note, "Signature types", 0x02). */
function ecdsaVerifier(name: string, spki: Uint8Array): NoteVerifier {
  const key = readOtherKey(spki)
  return {
    name,
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

/**
 * Reads a key in its text form.
 *
 * @throws LineageError `NOTE_MALFORMED`, also for a type other than Ed25519, ECDSA and cosignature
 */
export function parseNoteKey(text: string): NoteVerifier {
  const match = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text)
  const [, name = '', id, encoded = ''] = match ?? []
  try {
    if (!match || !isKeyName(name)) throw new Error('not name+id+key')
    const bytes = base64ToBytes(encoded, 'key')
    const verifier = verifierOf(name, bytes[0], bytes.subarray(1))
    if (verifier.keyId.toString('hex') !== id) throw new Error('the id is not that of the key')
    return verifier
  } catch (cause) {
    throw new LineageError('NOTE_MALFORMED', 'not the key of a note signer', { cause })
  }
}

function verifierOf(name: string, type: number | undefined, key: Buffer): NoteVerifier {
  if (type === ECDSA) return ecdsaVerifier(name, key)
  if (key.length !== 32 || (type !== ED25519 && type !== COSIGNATURE)) throw new Error('unknown type of key')
  const ed25519 = readPublicKey(Buffer.concat([ED25519_SPKI, key]))
  return type === ED25519 ? ed25519Verifier(name, ed25519) : cosignatureVerifier(name, ed25519)
}
