import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { readSpki } from '../../../attestation/identity/spki.ts'
import { Extension } from '../../../attestation/identity/x509.ts'
import {
  examineCertificate,
  manufacturerName,
  parseCertificate,
  parseCrl,
  Revocations,
  readDenyList,
} from '../../../attestation/index.ts'
import { AT, forge, forgeEkChain } from './certificate-forge.ts'
import { crl, der, ECDSA_SHA1, oid, seq } from './crl-forge.ts'

describe('revocation', () => {
  const chain = forgeEkChain()
  async function verify(lists: Buffer[], denied: string[] = [], at = AT) {
    const { root, issuing, ek } = await chain
    const revocations = new Revocations(
      lists.map(list => parseCrl(list)),
      readDenyList(Buffer.from(denied.join('\n'))),
      at,
    )
    const found = examineCertificate(ek.der, 'ek', {
      roots: [root.der],
      intermediates: [issuing.der],
      at,
      revocations,
    })
    return found.verified ? found.path[0]?.revocation : found.reasons[0]?.code
  }
  const serialOf = async () => parseCertificate((await chain).ek.der).serial

  it('is told by the list of the issuer', async () => {
    const { issuing } = await chain
    expect(await verify([])).toBe('unknown')
    expect(await verify([await crl(issuing)])).toBe('good')
    expect(await verify([await crl(issuing, { serials: ['01', await serialOf()] })])).toBe('REVOKED')
  })

  it('a list that is out of date says nothing good, and still what was revoked', async () => {
    const { issuing } = await chain
    expect(await verify([await crl(issuing, { until: '260201000000Z' })])).toBe('stale')
    expect(await verify([await crl(issuing, { until: null })])).toBe('stale')
    expect(await verify([await crl(issuing, { until: '260201000000Z', serials: [await serialOf()] })])).toBe(
      'REVOKED',
    )
  })

  it('a list of anybody else, or signed over SHA-1, says nothing', async () => {
    const { root, issuing } = await chain
    const serials = [await serialOf()]
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    expect(await verify([await crl(issuing, { serials, signer: stranger })])).toBe('unknown')
    expect(await verify([await crl(root, { serials })])).toBe('unknown')
    expect(await verify([await crl(issuing, { serials, algorithm: ECDSA_SHA1 })])).toBe('unknown')
  })

  it('a list that leaves certificates out says nothing good: a delta, other reasons, another scope', async () => {
    const { issuing } = await chain
    const critical = der(0x01, Buffer.of(0xff))
    const delta = seq(oid('551d1b'), critical, der(0x04, der(0x02, Buffer.of(1))))
    const scope = (tag: number, value: Buffer) =>
      seq(oid('551d1c'), critical, der(0x04, seq(der(tag, value))))
    expect(await verify([await crl(issuing, { extensions: [delta] })])).toBe('unknown')
    expect(await verify([await crl(issuing, { extensions: [scope(0x82, Buffer.of(0xff))] })])).toBe('unknown')
    expect(await verify([await crl(issuing, { extensions: [scope(0x84, Buffer.of(0xff))] })])).toBe('unknown')
    expect(await verify([await crl(issuing, { extensions: [scope(0x81, Buffer.of(0xff))] })])).toBe('good')
    expect(await verify([await crl(issuing, { extensions: [delta], serials: [await serialOf()] })])).toBe(
      'REVOKED',
    )
  })

  it('also comes from a list of the verifier, by serial number or SHA-256', async () => {
    const { ek, issuing } = await chain
    const serial = await serialOf()
    expect(await verify([], [`${serial.replace(/..(?=.)/g, '$&:').toUpperCase()} # stolen`])).toBe('REVOKED')
    expect(await verify([], [parseCertificate(ek.der).sha256])).toBe('REVOKED')
    expect(await verify([], [parseCertificate(issuing.der).sha256])).toBe('REVOKED')
    expect(await verify([], ['# nothing', '', 'ab'.repeat(20)])).toBe('unknown')
    expect(() => readDenyList(Buffer.from('x'))).toThrow(expect.objectContaining({ code: 'CRL_MALFORMED' }))
  })

  it('refuses what is no list', async () => {
    const list = await crl((await chain).issuing)
    for (const bytes of [
      list.subarray(0, -1),
      Buffer.concat([list, Buffer.of(0)]),
      Buffer.alloc(0),
      Buffer.from('3000', 'hex'),
    ])
      expect(() => parseCrl(bytes)).toThrow(expect.objectContaining({ code: 'CRL_MALFORMED' }))
    const pem = `-----BEGIN X509 CRL-----\n${list.toString('base64')}\n-----END X509 CRL-----\n`
    expect(parseCrl(Buffer.from(pem)).sha256).toBe(parseCrl(list).sha256)
  })
})

describe('name constraints', () => {
  const name = (text: string) => seq(der(0x31, seq(oid('550403'), der(0x0c, Buffer.from(text)))))
  const directory = (text: string) => seq(der(0xa4, name(text)))
  const dns = (text: string) => seq(der(0x82, Buffer.from(text)))
  const constraints = (permitted: Buffer[], excluded: Buffer[] = [], critical = true) =>
    new Extension(
      '2.5.29.30',
      critical,
      seq(
        ...(permitted.length ? [der(0xa0, ...permitted)] : []),
        ...(excluded.length ? [der(0xa1, ...excluded)] : []),
      ),
    )
  async function verify(extension: Extension, subject: string, host?: string) {
    const root = await forge({ subject: 'Root', ca: true, extra: [extension] })
    const extra =
      host === undefined ? [] : [new Extension('2.5.29.17', false, seq(der(0x82, Buffer.from(host))))]
    const leaf = await forge({ subject, issuer: root, extra })
    const found = examineCertificate(leaf.der, 'any', { roots: [root.der], intermediates: [], at: AT })
    return found.verified || found.reasons[0]?.code
  }

  it.each<[string, Extension, string, string | undefined, true | string]>([
    ['a permitted name', constraints([directory('Host')]), 'Host', undefined, true],
    ['in another spelling', constraints([directory('HOST')]), 'host', undefined, true],
    ['a name that is not permitted', constraints([directory('Host')]), 'Other', undefined, 'NAME_CONSTRAINT'],
    ['an excluded name', constraints([], [directory('Host')]), 'Host', undefined, 'NAME_CONSTRAINT'],
    [
      'not critical either',
      constraints([], [directory('Host')], false),
      'Host',
      undefined,
      'NAME_CONSTRAINT',
    ],
    ['a host below', constraints([dns('example.org')]), 'Host', 'tpm.example.org', true],
    ['a host beside', constraints([dns('example.org')]), 'Host', 'notexample.org', 'NAME_CONSTRAINT'],
    ['no host at all', constraints([dns('example.org')]), 'Host', undefined, true],
    [
      'a form that is not read',
      constraints([seq(der(0x88, Buffer.of(42)))]),
      'Host',
      undefined,
      'EXTENSION_UNKNOWN',
    ],
  ])('%s', async (_, extension, subject, host, expected) => {
    expect(await verify(extension, subject, host)).toBe(expected)
  })
})

describe('an RSA key that is marked as one for OAEP', () => {
  it('is the same key', () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const spki = publicKey.export({ type: 'spki', format: 'der' })
    const marked = Buffer.from(spki)
    // rsaEncryption is 1.2.840.113549.1.1.1, id-RSAES-OAEP 1.2.840.113549.1.1.7.
    marked.writeUInt8(7, marked.indexOf(Buffer.from('2a864886f70d010101', 'hex')) + 8)
    expect(readSpki(marked).equals(publicKey)).toBe(true)
    expect(readSpki(spki).equals(publicKey)).toBe(true)
  })
})

describe('examineCertificate', () => {
  it('takes a leaf that is itself a root, and no other self-signed one', async () => {
    const leaf = await forge({ subject: 'Pinned' })
    const other = await forge({ subject: 'Pinned' })
    const options = { intermediates: [leaf.der, other.der], at: AT }
    expect(examineCertificate(leaf.der, 'any', { ...options, roots: [leaf.der] }).verified).toBe(true)
    const strange = examineCertificate(leaf.der, 'any', { ...options, roots: [other.der] })
    expect(strange.reasons[0]?.code).toBe('SIGNATURE_INVALID')
  })

  it('knows an AK certificate by its usage, and takes no CA and no EK for one', async () => {
    const root = await forge({ subject: 'Root', ca: true })
    const verify = async (purpose: string, keyUsage: number) => {
      const leaf = await forge({ subject: 'AK', issuer: root, purposes: [purpose], keyUsage })
      const found = examineCertificate(leaf.der, 'ak', { roots: [root.der], intermediates: [], at: AT })
      return found.verified || found.reasons[0]?.code
    }
    expect(await verify('2.23.133.8.3', 1)).toBe(true)
    expect(await verify('2.23.133.8.1', 1)).toBe('KEY_USAGE')
    expect(await verify('2.23.133.8.3', 16)).toBe('KEY_USAGE')
  })

  it('refuses RSA keys below 2048 bits and signatures over SHA-1', async () => {
    const old = await forge({ subject: 'Root', ca: true, key: 'rsa', hash: 'SHA-1' })
    const leaf = await forge({ subject: 'AK', issuer: old, hash: 'SHA-1' })
    const found = examineCertificate(leaf.der, 'any', { roots: [old.der], intermediates: [], at: AT })
    expect(found.reasons[0]?.code).toBe('SIGNATURE_WEAK')
  })

  it('names the makers of TPMs', () => {
    expect(manufacturerName('53544D20')).toBe('STMicroelectronics')
    expect(manufacturerName('constructor')).toBeNull()
  })
})
