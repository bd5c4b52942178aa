import { describe, expect, it } from 'vitest'
import {
  bindExtraData,
  encodeReport,
  parseReport,
  REPORT_DOMAIN,
  type Report,
  type ReportTrust,
  verifyReport,
} from '../../attestation/index.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { generateKey } from '../../signing/key.ts'
import { AT, forgeEkChain } from './identity/certificate-forge.ts'
import { ReportingHost } from './made-up-report.ts'
import { fixture } from './recorded-host.ts'
import { parts, SyntheticHost } from './synthetic-host.ts'

const made = await ReportingHost.make()
const { host } = made
const report = made.report()
const { binding } = report
const trust = made.trust()

function verify(
  changed: Partial<Report> = {},
  over: Partial<ReportTrust> = {},
): Record<string, string> & { tier: string } {
  const { properties, tier } = verifyReport({ ...report, ...changed }, { ...trust, ...over })
  return { ...Object.fromEntries(properties.map(({ name, status }) => [name, status])), tier }
}

const ALL = {
  freshness: 'VERIFIED',
  host: 'VERIFIED',
  quote: 'VERIFIED',
  'AK certificate': 'VERIFIED',
  'EK certificate': 'VERIFIED',
  clock: 'NOT CHECKED',
  logs: 'VERIFIED',
  'reference values': 'VERIFIED',
  executions: 'VERIFIED',
  'lineage checkpoint': 'NOT CHECKED',
  'lineage growth': 'NOT CHECKED',
}

describe('verifyReport', () => {
  it('verifies every property, also from the file', () => {
    expect(verify()).toEqual({ ...ALL, tier: 'hardware' })
    expect(verify(parseReport(encodeReport(report)))).toEqual({ ...ALL, tier: 'hardware' })
  })

  it('checks nothing by what the report brings along', () => {
    const nothing = { nonce: null, hostId: null, operatorKey: null, ekRoots: null, reference: null }
    const result = verify({ claimedTier: 'hardware' }, nothing)
    expect(result).toEqual({
      freshness: 'NOT CHECKED',
      host: 'NOT CHECKED',
      quote: 'VERIFIED',
      'AK certificate': 'NOT CHECKED',
      'EK certificate': 'NOT CHECKED',
      clock: 'NOT CHECKED',
      logs: 'VERIFIED',
      'reference values': 'NOT CHECKED',
      executions: 'VERIFIED',
      'lineage checkpoint': 'NOT CHECKED',
      'lineage growth': 'NOT CHECKED',
      tier: 'unknown',
    })
  })

  it('fails freshness on another nonce, and the quote when only the field was changed', () => {
    expect(verify({}, { nonce: Buffer.alloc(32, 8) }).freshness).toBe('FAILED')
    const replayed = verify(
      { binding: { ...binding, nonce: Buffer.alloc(32, 8) } },
      { nonce: Buffer.alloc(32, 8) },
    )
    expect(replayed).toMatchObject({
      freshness: 'VERIFIED',
      quote: 'FAILED',
      logs: 'FAILED',
      'reference values': 'FAILED',
    })
  })

  it.each([
    'treeSize',
    'lineageRoot',
    'sessionKeySpkiDigest',
    'referenceValuesDigest',
    'executionsDigest',
  ] as const)('binds %s', field => {
    const other = { ...binding, [field]: field === 'treeSize' ? 6n : Buffer.alloc(32, 9) }
    expect(verify({ binding: other }).quote).toBe('FAILED')
  })

  it('takes no quote of the cycle for a report', () => {
    const extraData = bindExtraData({ ...binding, domain: 'writ/v1/cycle' })
    expect(verify({ evidence: host.evidence(parts(), { extraData }) }).quote).toBe('FAILED')
  })

  it('fails for another host, and for a key that is no attestation key', () => {
    expect(verify({}, { hostId: '000b'.padEnd(68, '0') }).host).toBe('FAILED')
    const garbage = verify({ akPublicArea: Buffer.from('x') })
    expect(garbage).toMatchObject({
      host: 'FAILED',
      quote: 'FAILED',
      'AK certificate': 'FAILED',
      logs: 'FAILED',
    })
  })

  it('fails when a forger signs it with a key of his own', () => {
    const forger = new SyntheticHost()
    const extraData = bindExtraData({ ...binding, domain: REPORT_DOMAIN })
    const evidence = forger.evidence(parts(), { extraData })
    const result = verify({ evidence, akPublicArea: forger.key.ak.publicArea })
    expect(result).toMatchObject({
      quote: 'VERIFIED',
      host: 'FAILED',
      'AK certificate': 'FAILED',
      tier: 'unknown',
    })
  })

  it("fails under another operator's key, or a certificate that is too old", () => {
    expect(verify({}, { operatorKey: generateKey('ed25519').public })['AK certificate']).toBe('FAILED')
    expect(verify({}, { at: new Date(AT.getTime() + 3 * 3600 * 1000) })['AK certificate']).toBe('FAILED')
    expect(verify({ akCertificate: null })['AK certificate']).toBe('NOT CHECKED')
  })

  it("does not take a stranger's EK certificate for the key's", async () => {
    const other = await forgeEkChain({})
    const roots = { hardware: [other.root.der], other: [] }
    const stranger = { ekCertificate: other.ek.der, ekIntermediates: [other.issuing.der] }
    expect(verify(stranger, { ekRoots: roots })).toMatchObject({
      'EK certificate': 'FAILED',
      tier: 'unknown',
    })
    const unlinked = verify({ ...stranger, akCertificate: null }, { ekRoots: roots })
    expect(unlinked).toMatchObject({ 'EK certificate': 'NOT CHECKED', tier: 'unknown' })
    expect(verify({}, { ekRoots: roots })['EK certificate']).toBe('FAILED')
    expect(verify({ ekCertificate: null })['EK certificate']).toBe('NOT CHECKED')
  })

  it('calls a simulated TPM simulated, even under a root given as hardware', () => {
    const ca = ['ca/swtpm-localca-rootca-cert.pem', 'ca/issuercert.pem'].map(path => {
      const [dir = '', file = ''] = path.split('/')
      const base64 = fixture(dir, file)
        .toString()
        .replace(/-----[^-]+-----|\s/g, '')
      return Buffer.from(base64, 'base64')
    })
    const [root = Buffer.alloc(0), issuer = Buffer.alloc(0)] = ca
    const result = verify(
      {
        ekCertificate: fixture('debian13-uki', 'ek-ecc.der'),
        ekIntermediates: [issuer],
        akCertificate: null,
      },
      { ekRoots: { hardware: [root], other: [] }, at: new Date('2026-12-01T00:00:00Z') },
    )
    expect(result.tier).toBe('simulated')
  })

  it('fails the logs when they do not explain the quote', () => {
    const evidence = { ...report.evidence, userspaceLog: null }
    expect(verify({ evidence })).toMatchObject({
      quote: 'VERIFIED',
      logs: 'FAILED',
      'reference values': 'FAILED',
    })
  })

  it('fails reference values that the host does not judge itself by, or that it does not meet', () => {
    const other = host.reference(document => {
      document.name = 'other'
    })
    expect(verify({}, { reference: other })).toMatchObject({ logs: 'VERIFIED', 'reference values': 'FAILED' })
    const extraData = bindExtraData({ ...binding, domain: REPORT_DOMAIN })
    const program = { path: 'memfd:writ-subject', digest: sha256Hex(Buffer.from('program')) }
    const evidence = host.evidence({ ...parts(), ima: [...parts().ima, program] }, { extraData })
    expect(verify({ evidence })['reference values']).toBe('FAILED')
    const writd = { path: '/usr/lib/writ/writd', digest: sha256Hex(Buffer.from('changed')) }
    const fleet = host.reference(document => {
      const digests = [`sha256:${sha256Hex(Buffer.from('good'))}`]
      document.components = [{ name: 'writd', path: writd.path, digests }]
    })
    const bound = { ...binding, referenceValuesDigest: Buffer.from(fleet.digest, 'hex') }
    const running = host.evidence(
      { ...parts(), ima: [...parts().ima, writd] },
      { extraData: bindExtraData({ ...bound, domain: REPORT_DOMAIN }) },
    )
    const { properties } = verifyReport(
      { ...report, binding: bound, evidence: running },
      { ...trust, reference: fleet },
    )
    expect(properties.find(({ name }) => name === 'reference values')).toMatchObject({
      status: 'FAILED',
      detail: expect.stringContaining('COMPONENT_CHANGED'),
    })
    const governedDigests = new Set([program.digest])
    expect(verify({ evidence }, { governedDigests })['reference values']).toBe('VERIFIED')
  })
})
