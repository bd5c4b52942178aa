import { constants, type KeyObject, publicDecrypt } from 'node:crypto'
import { type Curve, curveNamed } from './curves.ts'
import { DER, derElements, derSequence, derUnsigned } from './der.ts'
import { inverse, isOnCurve, sumX, type Table, tableOf } from './points.ts'

/** Checks signatures over digests: a list has the digest of a file, never the file. */
export interface DigestVerifier {
  /**
   * @param algorithm the kernel's name of the hash
   * @returns whether the signature is this key's over the digest
   */
  verify(digest: Buffer, algorithm: string, signature: Buffer): boolean
}

/** Most bits of an RSA modulus; the kernel's keys have at most 4,096. */
const MAX_RSA_BITS = 8192

/** What this key verifies with, or null for a kind of key that no file signature has. */
export function digestVerifier(key: KeyObject): DigestVerifier | null {
  if (key.asymmetricKeyType === 'rsa') return rsaVerifier(key)
  const curve = curveOf(key)
  return curve === null ? null : ecVerifier(key, curve)
}

/** Object identifier of the curve SM2 (GB/T 33560), as an element of DER. */
const SM2_CURVE = '06082a811ccf5501822d'

/** The name of a key's curve. Node.js has no name for the kind of key that OpenSSL makes of one for SM2. */
function curveOf(key: KeyObject): string | null {
  if (key.asymmetricKeyType === 'ec') return key.asymmetricKeyDetails?.namedCurve ?? null
  if (key.asymmetricKeyType !== undefined) return null
  const algorithm = derSequence(key.export({ type: 'spki', format: 'der' }))?.[0]
  const parameters = algorithm && derElements(algorithm.content)?.[1]
  return parameters?.whole.toString('hex') === SM2_CURVE ? 'SM2' : null
}

/** What stands before the digest in an RSASSA-PKCS1-v1_5 signature (RFC 8017 section 9.2, note 1; crypto/rsassa-pkcs1.c). */
const DIGEST_INFO: Readonly<Record<string, string>> = {
  md5: '3020300c06082a864886f70d020505000410',
  sha1: '3021300906052b0e03021a05000414',
  rmd160: '3021300906052b2403020105000414',
  sha224: '302d300d06096086480165030402040500041c',
  sha256: '3031300d060960864801650304020105000420',
  sha384: '3041300d060960864801650304020205000430',
  sha512: '3051300d060960864801650304020305000440',
  'sha3-256': '3031300d060960864801650304020805000420',
  'sha3-384': '3041300d060960864801650304020905000430',
  'sha3-512': '3051300d060960864801650304020a05000440',
}

function rsaVerifier(key: KeyObject): DigestVerifier | null {
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
  if (bits === 0 || bits > MAX_RSA_BITS) return null
  return {
    verify(digest, algorithm, signature) {
      const prefix = Object.hasOwn(DIGEST_INFO, algorithm) ? DIGEST_INFO[algorithm] : undefined
      if (prefix === undefined || signature.length !== Math.ceil(bits / 8)) return false
      const expected = Buffer.concat([Buffer.from(prefix, 'hex'), digest])
      try {
        return publicDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, signature).equals(expected)
      } catch {
        // OpenSSL says that the padding is not there: not a signature of this key.
        return false
      }
    },
  }
}

const generators = new Map<Curve, Table>()
function generatorTable(curve: Curve): Table {
  const made = generators.get(curve) ?? tableOf(curve.x, curve.y, curve)
  generators.set(curve, made)
  return made
}

function ecVerifier(key: KeyObject, name: string): DigestVerifier | null {
  const curve = curveNamed(name)
  const point = curve && publicPoint(key)
  if (curve === undefined || point === undefined || point === null || !isOnCurve(point.x, point.y, curve))
    return null
  let table: Table | null = null
  const check = name === 'SM2' ? isSm2Signature : isEcdsaSignature
  return {
    verify(digest, _, signature) {
      const numbers = signatureNumbers(signature)
      if (numbers === null || numbers.some(number => number < 1n || number >= curve.n)) return false
      table ??= tableOf(point.x, point.y, curve)
      return check(leftmostBits(digest, curve.n), numbers, table, curve)
    },
  }
}

/** ECDSA (FIPS 186-5 section 6.4.2). */
function isEcdsaSignature(e: bigint, [r, s]: readonly [bigint, bigint], key: Table, curve: Curve): boolean {
  const { n } = curve
  const w = inverse(s, n)
  const terms = [
    { scalar: (e * w) % n, table: generatorTable(curve) },
    { scalar: (r * w) % n, table: key },
  ]
  const x = sumX(terms, curve)
  return x !== null && x % n === r
}

/** SM2 (GB/T 32918.2 section 7.1), over the digest as it is: a file's has no identity in front (evmctl signs so). */
function isSm2Signature(e: bigint, [r, s]: readonly [bigint, bigint], key: Table, curve: Curve): boolean {
  const { n } = curve
  const t = (r + s) % n
  if (t === 0n) return false
  const x = sumX(
    [
      { scalar: s, table: generatorTable(curve) },
      { scalar: t, table: key },
    ],
    curve,
  )
  return x !== null && (e + x) % n === r
}

/** As many bits of the digest as the order has (FIPS 186-5 section 6.4.2, step 2). */
function leftmostBits(digest: Buffer, n: bigint): bigint {
  const excess = digest.length * 8 - n.toString(2).length
  const value = BigInt(`0x0${digest.toString('hex')}`)
  return excess > 0 ? value >> BigInt(excess) : value
}

/** ECDSA-Sig-Value (RFC 3279 section 2.2.3), in DER. */
function signatureNumbers(signature: Buffer): readonly [bigint, bigint] | null {
  const [r, s, ...more] = derSequence(signature) ?? []
  if (r === undefined || s === undefined || more.length > 0) return null
  const [first, second] = [derUnsigned(r), derUnsigned(s)]
  return first === null || second === null ? null : [first, second]
}

/** The content of a key's BIT STRING (RFC 5280 section 4.1), which the key identifier is a hash of; null when there is none. */
export function publicKeyBits(key: KeyObject): Buffer | null {
  const spki = derSequence(key.export({ type: 'spki', format: 'der' }))
  const bits = spki?.[1]
  return bits?.tag === DER.bitString && bits.content[0] === 0 ? bits.content.subarray(1) : null
}

/** An uncompressed point (SEC 1 section 2.3.3). */
function publicPoint(key: KeyObject): { x: bigint; y: bigint } | null {
  const bits = publicKeyBits(key)
  if (bits === null || bits[0] !== 0x04 || bits.length % 2 !== 1) return null
  const half = (bits.length - 1) / 2
  const number = (bytes: Buffer): bigint => BigInt(`0x${bytes.toString('hex')}`)
  return { x: number(bits.subarray(1, 1 + half)), y: number(bits.subarray(1 + half)) }
}
