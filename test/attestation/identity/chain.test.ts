import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  readCertificateFile,
  trimCertificatePadding,
  verifyChain,
  verifyEkChain,
} from '../../../attestation/identity/index.ts'
import { Extension } from '../../../attestation/identity/x509.ts'
import { RECORDED_EVIDENCE } from '../../support/recorded-evidence.ts'
import { AT, type Forge, type Forged, forge, forgeEkChain, TPM_SAN } from './certificate-forge.ts'

const code = (value: string) => expect.objectContaining({ name: 'IdentityError', code: value })

async function verifyForged(over: Parameters<typeof forgeEkChain>[0], at = AT) {
  const { root, issuing, ek } = await forgeEkChain(over)
  return verifyEkChain(ek.der, {
    hardwareRoots: [root.der],
    otherRoots: [],
    intermediates: [issuing.der],
    at,
  })
}

describe('verifyEkChain', () => {
  it('takes a good chain and says what the certificate says', async () => {
    const ek = await verifyForged({})
    expect(ek.path).toHaveLength(3)
    expect(ek.rootKind).toBe('hardware')
    expect(ek.tpm).toEqual({ manufacturer: '53544D20', model: 'ST33', version: '00490004' })
  })

  const unknownCritical = [new Extension('1.3.6.1.4.1.99999.1', true, Buffer.from('0500', 'hex'))]
  const nameConstraints = [new Extension('2.5.29.30', true, Buffer.from('3000', 'hex'))]
  const directoryAttributes = [new Extension('2.5.29.9', true, Buffer.from('3000', 'hex'))]
  const policies = [new Extension('2.5.29.32', true, Buffer.from('300630040602' + '2a03', 'hex'))]
  const past: Forge = { notAfter: new Date('2026-01-01T00:00:00Z') }
  const future: Forge = { notBefore: new Date('2027-01-01T00:00:00Z') }
  it.each<[string, string, Parameters<typeof forgeEkChain>[0]]>([
    ['CERTIFICATE_EXPIRED', 'the EK', { ek: past }],
    ['CERTIFICATE_EXPIRED', 'the issuer', { issuing: past }],
    ['CERTIFICATE_EXPIRED', 'the root', { root: past }],
    ['CERTIFICATE_NOT_YET_VALID', 'the EK', { ek: future }],
    ['CERTIFICATE_NOT_YET_VALID', 'the root', { root: future }],
    ['NOT_A_CA', 'the issuer', { issuing: { ca: false, keyUsage: 32 } }],
    ['NOT_A_CA', 'the root', { root: { ca: false, keyUsage: 32 } }],
    ['KEY_USAGE', 'an issuer that may not sign certificates', { issuing: { keyUsage: 1 } }],
    ['KEY_USAGE', 'an issuer for another purpose', { issuing: { purposes: ['1.3.6.1.5.5.7.3.1'] } }],
    ['KEY_USAGE', 'a certificate for another purpose', { ek: { purposes: ['2.23.133.8.3'] } }],
    ['KEY_USAGE', 'a certificate for any purpose', { ek: { purposes: ['2.5.29.37.0'] } }],
    ['KEY_USAGE', 'a certificate without a purpose', { ek: { purposes: null } }],
    ['KEY_USAGE', 'an EK that signs', { ek: { keyUsage: 1 } }],
    ['KEY_USAGE', 'an EK that signs and receives', { ek: { keyUsage: 17 } }],
    ['KEY_USAGE', 'an ECC EK with the usage of an RSA one', { ek: { keyUsage: 4 } }],
    ['KEY_USAGE', 'an RSA EK with the usage of an ECC one', { ek: { key: 'rsa', keyUsage: 16 } }],
    ['KEY_USAGE', 'an EK without key usage', { ek: { keyUsage: null } }],
    ['KEY_USAGE', 'an EK that is a CA', { ek: { ca: true, keyUsage: 16 } }],
    ['PATH_LENGTH', 'a root that allows no intermediate', { root: { pathLength: 0 } }],
    ['EXTENSION_UNKNOWN', 'in the EK', { ek: { extra: unknownCritical } }],
    ['EXTENSION_UNKNOWN', 'in the issuer', { issuing: { extra: unknownCritical } }],
    ['EXTENSION_UNKNOWN', 'in the root', { root: { extra: unknownCritical } }],
    ['EXTENSION_UNKNOWN', 'name constraints', { issuing: { extra: nameConstraints } }],
    ['CERTIFICATE_MALFORMED', 'an extension twice', { ek: { extra: [...policies, ...policies] } }],
    ['CERTIFICATE_MALFORMED', 'two manufacturers', { ek: { tpm: [...TPM_SAN, ...TPM_SAN.slice(0, 1)] } }],
    ['CERTIFICATE_MALFORMED', 'no model', { ek: { tpm: TPM_SAN.filter((_, i) => i !== 1) } }],
    ['CERTIFICATE_MALFORMED', 'a manufacturer of another form', { ek: { tpm: [['2.23.133.2.1', 'STM']] } }],
    ['SIGNATURE_WEAK', 'SHA-1', { ek: { hash: 'SHA-1' } }],
  ])('refuses: %s, %s', async (expected, _, over) => {
    await expect(verifyForged(over)).rejects.toThrow(code(expected))
  })

  it.each<[string, Parameters<typeof forgeEkChain>[0]]>([
    ['a path length that fits', { root: { pathLength: 1 }, issuing: { pathLength: 0 } }],
    ['critical TCG extensions', { ek: { extra: directoryAttributes } }],
    ['critical policies in a CA', { issuing: { extra: policies } }],
    ['a CA for any purpose', { issuing: { purposes: ['2.5.29.37.0'] } }],
    ['an RSA chain', { root: { key: 'rsa' }, issuing: { key: 'rsa' }, ek: { key: 'rsa', keyUsage: 4 } }],
  ])('takes %s', async (_, over) => {
    expect((await verifyForged(over)).path).toHaveLength(3)
  })

  it('keeps an escaped comma inside the model', async () => {
    const tpm: [string, string][] = TPM_SAN.map(([oid, v]) => [
      oid,
      v === 'ST33' ? 'a, 2.23.133.2.1=id:00001014' : v,
    ])
    expect((await verifyForged({ ek: { tpm } })).tpm?.model).toBe('a, 2.23.133.2.1=id:00001014')
  })

  it('has no TPM attributes when the certificate has none', async () => {
    expect((await verifyForged({ ek: { tpm: null } })).tpm).toBeNull()
  })

  it('refuses a root of the same name with another key, a missing intermediate, and a self-signed EK', async () => {
    const { root, issuing, ek } = await forgeEkChain()
    const twin = await forge({ subject: 'Root', ca: true })
    const self = await forge({ subject: 'EK', purposes: ['2.23.133.8.1'], tpm: TPM_SAN })
    const verify = (leaf: Buffer, roots: Buffer[], intermediates: Buffer[]) => () =>
      verifyEkChain(leaf, { hardwareRoots: roots, otherRoots: [], intermediates, at: AT })
    expect(verify(ek.der, [twin.der], [issuing.der])).toThrow(code('SIGNATURE_INVALID'))
    expect(verify(ek.der, [root.der], [])).toThrow(code('ISSUER_NOT_FOUND'))
    expect(verify(ek.der, [], [issuing.der, root.der])).toThrow(code('ISSUER_NOT_FOUND'))
    expect(verify(self.der, [root.der], [self.der])).toThrow(code('ISSUER_NOT_FOUND'))
    expect(verify(ek.der, [twin.der, root.der], [issuing.der])()).toMatchObject({ rootKind: 'hardware' })
  })

  it('says hardware only for a root that was given as one, and refuses a root given as both', async () => {
    const { root, issuing, ek } = await forgeEkChain()
    const base = { intermediates: [issuing.der], at: AT }
    expect(verifyEkChain(ek.der, { ...base, hardwareRoots: [], otherRoots: [root.der] }).rootKind).toBe(
      'other',
    )
    expect(() =>
      verifyEkChain(ek.der, { ...base, hardwareRoots: [root.der], otherRoots: [root.der] }),
    ).toThrow(code('ROOT_AMBIGUOUS'))
  })

  it('takes long paths, and none without an end', async () => {
    const root = await forge({ subject: 'Root', ca: true })
    const between = [root]
    for (let i = 0; i < 15; i++)
      between.push(await forge({ subject: `CA ${i}`, ca: true, issuer: between[i] as Forged }))
    const verify = async (issuer: Forged | undefined) => {
      const leaf = await forge({ subject: 'Leaf', issuer: issuer as Forged })
      return verifyChain(leaf.der, {
        roots: [root.der],
        intermediates: between.map(({ der }) => der),
        at: AT,
      })
    }
    expect((await verify(between[14])).path).toHaveLength(16)
    await expect(verify(between[15])).rejects.toThrow(code('ISSUER_NOT_FOUND'))
  })

  it('ends in bounded time when intermediates sign each other in circles', async () => {
    const first = await forge({ subject: 'A', ca: true })
    // One key under many certificates: each of them is a good issuer of every other.
    const ring = await Promise.all(
      Array.from({ length: 30 }, () => forge({ subject: 'A', ca: true, issuer: first, keys: first.keys })),
    )
    const ek = await forge({ subject: '', issuer: first, purposes: ['2.23.133.8.1'] })
    const intermediates = [first, ...ring].map(c => c.der)
    const started = performance.now()
    expect(() => verifyEkChain(ek.der, { hardwareRoots: [], otherRoots: [], intermediates, at: AT })).toThrow(
      code('ISSUER_NOT_FOUND'),
    )
    expect(performance.now() - started).toBeLessThan(5000)
  })

  it('refuses more certificates than anyone needs, and an instant that is none', async () => {
    const { root, ek } = await forgeEkChain()
    const many = Array.from({ length: 65 }, () => root.der)
    const base = { hardwareRoots: [root.der], otherRoots: [], at: AT }
    expect(() => verifyEkChain(ek.der, { ...base, intermediates: many })).toThrow(
      code('CERTIFICATE_MALFORMED'),
    )
    expect(() => verifyEkChain(ek.der, { ...base, intermediates: [], at: new Date('never') })).toThrow(
      TypeError,
    )
  })
})

describe('the recorded host', () => {
  const hosts = join(import.meta.dirname, '../../fixtures/hosts')
  const file = (name: string) => readFileSync(join(hosts, name))
  it.each(['debian13-uki', 'debian13-uki-secureboot'])('%s has EK certificates of its CA', folder => {
    for (const name of ['ek-rsa.der', 'ek-ecc.der']) {
      const ek = verifyEkChain(file(`${folder}/${name}`), {
        hardwareRoots: [],
        otherRoots: readCertificateFile(file('ca/swtpm-localca-rootca-cert.pem')),
        intermediates: readCertificateFile(file('ca/issuercert.pem')),
        at: new Date('2026-12-01T00:00:00Z'),
      })
      expect(ek.tpm?.model).toBe('swtpm')
    }
  })
})

const fixtures = RECORDED_EVIDENCE
describe.skipIf(fixtures === undefined)('recorded certificates (WRIT_FIXTURES)', () => {
  interface Entry {
    path: string
    kind: string
    role: string
    expected: { verify: boolean; reason: string }
  }
  const root = fixtures || ''
  const { entries } = fixtures
    ? (JSON.parse(readFileSync(join(root, 'manifest.json'), 'utf8')) as { entries: Entry[] })
    : { entries: [] }
  const CODES: Record<string, string> = {
    expired: 'CERTIFICATE_EXPIRED',
    'issuer-not-found': 'ISSUER_NOT_FOUND',
    'signature-invalid': 'SIGNATURE_INVALID',
  }
  it.each(
    entries.filter(e => e.kind === 'certs' && e.role === 'case').map(e => [e.path, e.expected] as const),
  )('%s', (path, expected) => {
    const dir = dirname(join(root, path))
    const given = JSON.parse(readFileSync(join(root, path), 'utf8'))
    const load = (name: string): Buffer[] => {
      const bytes = readFileSync(join(dir, name))
      if (bytes.length === 0) return []
      return bytes[0] === 0x30 ? [trimCertificatePadding(bytes)] : readCertificateFile(bytes)
    }
    const verify = () =>
      verifyChain(load(given.leaf)[0] ?? Buffer.alloc(0), {
        roots: given.roots.flatMap(load),
        intermediates: (given.intermediates ?? []).flatMap(load),
        at: new Date(given.time),
      })
    if (expected.verify) expect(verify().path.length).toBeGreaterThan(1)
    else expect(verify).toThrow(code(CODES[expected.reason] ?? 'an unlisted reason'))
  })
})
