import { createPublicKey, type KeyObject } from 'node:crypto'
import { derOid, derSequence } from '../../encoding/der.ts'

/** id-RSAES-OAEP (RFC 4055 section 4.1): how some makers name the key of an RSA EK, which OpenSSL does not read. */
const RSAES_OAEP = '1.2.840.113549.1.1.7'
/** AlgorithmIdentifier of rsaEncryption (RFC 3279 section 2.3.1). */
const RSA_ENCRYPTION = Buffer.from('300d06092a864886f70d0101010500', 'hex')

/**
 * A public key from its SubjectPublicKeyInfo. An RSA key that is marked as one for OAEP is the same numbers as any other; that it may not
 * sign is what its certificate's key usage says.
 *
 * @throws whatever OpenSSL has against it; EncodingError
 */
export function readSpki(der: Uint8Array): KeyObject {
  const [algorithm, key] = derSequence(der)
  const oid = algorithm === undefined ? '' : derOid(derSequence(algorithm.bytes)[0])
  if (oid !== RSAES_OAEP || key === undefined) {
    return createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' })
  }
  const content = Buffer.concat([RSA_ENCRYPTION, key.bytes])
  const head = Buffer.from([0x30, 0x82, 0, 0])
  head.writeUInt16BE(content.length, 2)
  return createPublicKey({ key: Buffer.concat([head, content]), format: 'der', type: 'spki' })
}
