import { randomBytes, webcrypto } from 'node:crypto'
import * as x509 from '../../../attestation/identity/x509.ts'

const P256 = { name: 'ECDSA', namedCurve: 'P-256' }
const RSA = { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent: Buffer.from([1, 0, 1]) }

export const AT = new Date('2026-06-01T00:00:00Z')

/** Everything about a certificate that a test may want wrong. */
export interface Forge {
  readonly subject?: string
  readonly issuer?: Forged
  readonly ca?: boolean
  readonly pathLength?: number
  readonly keyUsage?: number | null
  readonly purposes?: string[] | null
  readonly tpm?: [oid: string, value: string][] | null
  readonly extra?: x509.Extension[]
  readonly notBefore?: Date
  readonly notAfter?: Date
  readonly key?: 'ec' | 'rsa'
  readonly keys?: webcrypto.CryptoKeyPair
  readonly hash?: string
}

export interface Forged {
  readonly der: Buffer
  readonly name: string
  readonly keys: webcrypto.CryptoKeyPair
  readonly hash: string
}

export const TPM_SAN: [string, string][] = [
  ['2.23.133.2.1', 'id:53544D20'],
  ['2.23.133.2.2', 'ST33'],
  ['2.23.133.2.3', 'id:00490004'],
]

/** Makes a certificate; without an issuer it signs itself. */
export async function forge(f: Forge): Promise<Forged> {
  const { subject = 'Lab', ca = false, key = 'ec', hash = 'SHA-256' } = f
  const keys =
    f.keys ??
    ((await webcrypto.subtle.generateKey(key === 'ec' ? P256 : { ...RSA, hash }, true, [
      'sign',
      'verify',
    ])) as webcrypto.CryptoKeyPair)
  const extensions = [new x509.BasicConstraintsExtension(ca, f.pathLength, true), ...(f.extra ?? [])]
  const usage = f.keyUsage === undefined ? (ca ? 32 : 16) : f.keyUsage
  if (usage !== null) extensions.push(new x509.KeyUsagesExtension(usage, true))
  if (f.purposes) extensions.push(new x509.ExtendedKeyUsageExtension(f.purposes))
  if (f.tpm) {
    const value = f.tpm.map(([oid, text]) => `${oid}=${text.replace(/[,+\\"<>;=]/g, '\\$&')}`).join(', ')
    extensions.push(new x509.SubjectAlternativeNameExtension([{ type: 'dn', value }], true))
  }
  const name = subject === '' ? '' : `CN=${subject}`
  const signer = f.issuer?.keys ?? keys
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: `40${randomBytes(8).toString('hex')}`,
      subject: name,
      issuer: f.issuer?.name ?? name,
      notBefore: f.notBefore ?? new Date('2025-01-01T00:00:00Z'),
      notAfter: f.notAfter ?? new Date('2035-01-01T00:00:00Z'),
      publicKey: keys.publicKey,
      signingKey: signer.privateKey,
      signingAlgorithm: { name: signer.privateKey.algorithm.name, hash },
      extensions,
    },
    webcrypto as Crypto,
  )
  return { der: Buffer.from(certificate.rawData), name, keys, hash }
}

/** A root, an issuing CA and an EK certificate that is good, save for what is overridden. */
export async function forgeEkChain(over: { root?: Forge; issuing?: Forge; ek?: Forge } = {}) {
  const root = await forge({ subject: 'Root', ca: true, ...over.root })
  const issuing = await forge({ subject: 'Issuing', ca: true, issuer: root, ...over.issuing })
  const ek = await forge({
    subject: '',
    issuer: issuing,
    purposes: ['2.23.133.8.1'],
    tpm: TPM_SAN,
    ...over.ek,
  })
  return { root, issuing, ek }
}
