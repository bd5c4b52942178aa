import { type DerElement, derOid, derSequence, firstDerElement } from '../../encoding/der.ts'

/** A signature algorithm of X.509 that still resists collisions. */
export interface SignatureAlgorithm {
  /** Null for those that have a hash of their own (Ed25519, Ed448). */
  readonly hash: 'sha256' | 'sha384' | 'sha512' | null
  readonly isPss: boolean
}

/** RFC 4055 section 5, RFC 5758 section 3.2, RFC 8410 section 3. What is not here (MD5, SHA-1, and what nobody uses) is weak. */
const ALGORITHMS: Readonly<Record<string, SignatureAlgorithm['hash']>> = {
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
  '1.3.101.112': null,
  '1.3.101.113': null,
}
const RSASSA_PSS = '1.2.840.113549.1.1.10'
const HASHES: Readonly<Record<string, 'sha256' | 'sha384' | 'sha512'>> = {
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
}

/** Reads an AlgorithmIdentifier; null for a weak or unknown algorithm. @throws EncodingError `BAD_DER` */
export function readSignatureAlgorithm(identifier: DerElement): SignatureAlgorithm | null {
  const [type, parameters] = derSequence(identifier.bytes)
  const oid = derOid(type)
  if (oid === RSASSA_PSS) {
    const hash = pssHash(parameters)
    return hash === undefined ? null : { hash, isPss: true }
  }
  const hash = Object.hasOwn(ALGORITHMS, oid) ? ALGORITHMS[oid] : undefined
  return hash === undefined ? null : { hash, isPss: false }
}

/** RFC 4055 section 3.1: SHA-1 unless the parameters say another. */
function pssHash(parameters: DerElement | undefined): 'sha256' | 'sha384' | 'sha512' | undefined {
  const field = parameters && derSequence(parameters.bytes).find(({ tag }) => tag === 0xa0)
  return field && HASHES[derOid(derSequence(firstDerElement(field.content).bytes)[0])]
}
