import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sha256Hex } from '../../encoding/digest.ts'
import { type ImaFields, imaEntry, templateHash } from '../attestation/ima-log.ts'
import { exportAndVerify } from './audit.ts'
import { enroll } from './enroll.ts'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'

const writd = (version: string): ImaFields & { digest: string } => ({
  path: '/usr/lib/writ/writd',
  digest: sha256Hex(Buffer.from(version)),
})

/** In the kernel's order: first the list, then the PCR. */
async function measure(host: GovernedHost, ...entries: ImaFields[]): Promise<void> {
  const tpm = host.tpm.connect()
  try {
    for (const entry of entries) {
      appendFileSync(host.path('ima.bin'), imaEntry(entry))
      await tpm.pcrExtend(10, [{ bank: 'sha256', digest: templateHash(entry) }])
    }
  } finally {
    await tpm.close()
  }
}

/** Puts values in force that name the daemon, on a host where it was measured. */
async function nameDaemon(host: GovernedHost): Promise<void> {
  const document = JSON.parse(readFileSync(host.path('captured.json'), 'utf8'))
  document.components = [
    { name: 'writd', path: writd('1.0').path, digests: [`sha256:${writd('1.0').digest}`] },
  ]
  writeFileSync(host.path('named.json'), JSON.stringify(document))
  rmSync(host.path('reference.json'))
  const signed = ['--key', host.path('operator.key'), '--out', host.path('reference.json')]
  await host.ok('reference', 'sign', host.path('named.json'), ...signed)
  await measure(host, writd('1.0'))
}

// The tests follow each other, as events on one host do.
describe.skipIf(NEEDS_ROOT !== null)('what IMA measures while the daemon runs', () => {
  let host: GovernedHost
  const lastAppraisal = async (): Promise<{
    index: number
    verdict: string
    reasons: { code: string }[]
  }> => {
    const lines = (await host.ok('lineage', 'tail', '--from', '0', '--json')).trim().split('\n')
    const entries = lines.map(line => JSON.parse(line))
    const { event, index } = entries.findLast(({ event: { type } }) => type === 'appraisal')
    return { ...event, index: Number(index) }
  }
  /** An appraisal by a quote that was asked for after this. */
  const nextAppraisal = async () => {
    const before = (await lastAppraisal()).index
    await expect.poll(async () => (await lastAppraisal()).index, { timeout: 15_000 }).toBeGreaterThan(before)
    const between = (await lastAppraisal()).index
    await expect.poll(async () => (await lastAppraisal()).index, { timeout: 15_000 }).toBeGreaterThan(between)
    return lastAppraisal()
  }

  beforeAll(async () => {
    host = await GovernedHost.start({ beforeStart: nameDaemon })
    await enroll(host)
  }, 120_000)
  afterAll(() => host?.close())

  test('a governed program passes by its START, from a memfd and from a copy', async () => {
    const artifact = await host.issue('true', ['/bin/true'])
    expect((await host.writ(['run', '--artifact', artifact, '--', '/bin/true'])).code).toBe(0)
    const digest = sha256Hex(readFileSync('/bin/true'))
    await measure(host, { path: 'memfd:writ-subject', digest }, { path: '/opt/anywhere/true', digest })
    expect(await nextAppraisal()).toMatchObject({ verdict: 'pass', reasons: [] })
    await host.attested()
  })

  test('a changed daemon fails the host, and whoever verifies its lineage comes to the same', async () => {
    await measure(host, writd('1.0, changed'))
    await host.until('FAILED')
    const { verdict, reasons } = await lastAppraisal()
    expect(verdict).toBe('fail')
    expect(reasons.map(({ code }) => code)).toEqual(['COMPONENT_CHANGED'])
    const artifact = await host.issue('after', ['/bin/true'])
    const denied = await host.writ(['run', '--artifact', artifact, '--', '/bin/true'])
    expect(denied.code).toBe(1)
    expect(denied.stderr).toContain('ATTESTATION_FAILED')
    const verified = await exportAndVerify(host, 'bundle')
    expect(verified).toMatch(/^VERIFIED +evidence appraised again: \d+ pass, \d+ fail$/m)
    expect(verified).toMatch(/^verified: /m)
  })
})
