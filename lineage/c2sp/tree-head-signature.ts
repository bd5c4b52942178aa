import { ByteReader } from '../../encoding/byte-reader.ts'
import { sha256 } from '../../encoding/digest.ts'
import { readOtherKey } from '../../signing/other-key.ts'
import { parseCheckpointText } from '../checkpoint.ts'
import { type NoteVerifier, noteKeyId } from './note.ts'

/** Signature type of an RFC 6962 tree head in a note (C2SP static-ct-api, "Checkpoints"). */
const RFC6962 = 0x05
/** SHA-256 with RSA or ECDSA, the only ones of a CT log (RFC 5246 section 7.4.1.4.1; RFC 6962 section 2.1.4). */
const SHA256 = 4
const ALGORITHMS: readonly number[] = [1, 3]
/** `Version` v1 and `SignatureType` tree_hash (RFC 6962 sections 3.2 and 3.5). */
const TREE_HASH = Buffer.of(0, 1)

/**
 * Verifies the line of a certificate transparency log: a `TreeHeadSignature` (RFC 6962 section 3.5) over what the checkpoint says. It does not
 * cover the origin, so what it proves is that the log of this key had this tree. A checkpoint with extension lines is refused, since they would not
 * be signed.
 *
 * @param spki DER SubjectPublicKeyInfo of the log
 * @throws SigningError for a key that cannot be used
 */
export function treeHeadVerifier(name: string, spki: Uint8Array): NoteVerifier {
  const key = readOtherKey(spki)
  const logId = sha256(spki)
  return {
    name,
    keyId: noteKeyId(name, Buffer.of(RFC6962), logId),
    verify(text, signature) {
      try {
        const { origin, size, root, extensions } = parseCheckpointText(text)
        const reader = new ByteReader(signature, 'RFC6962NoteSignature')
        const timestamp = reader.u64be('timestamp')
        const hash = reader.u8('hash')
        const algorithm = reader.u8('signature algorithm')
        const signed = reader.sized16be('signature')
        reader.end()
        if (origin !== name || extensions.length > 0) return false
        if (hash !== SHA256 || !ALGORITHMS.includes(algorithm)) return false
        const numbers = Buffer.alloc(16)
        numbers.writeBigUInt64BE(timestamp)
        numbers.writeBigUInt64BE(BigInt(size), 8)
        return key.verify(Buffer.concat([TREE_HASH, numbers, root]), signed)
      } catch {
        return false
      }
    },
  }
}
