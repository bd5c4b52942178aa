import { randomBytes } from 'node:crypto'
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
    host = await GovernedHost.start({
      beforeStart: async booted => {
        await nameDaemon(booted)
        // Before the start: a daemon reads its certificate then, and shows it in reports.
        await enroll(booted)
      },
    })
  }, 120_000)
  afterAll(() => host?.close())

  test('a fleet’s verifier follows the host from report to report, by what is new', async () => {
    const { intermediateCertificate } = host.tpm.paths
    const verify = (name: string, nonce: string, ...more: string[]) =>
      host.writ([
        ...['report', 'verify', host.path(name), '--json', '--nonce', nonce, '--host', host.hostId],
        ...['--operator-key', host.path('operator.pub'), '--reference', host.path('reference.json')],
        ...['--ek-root', intermediateCertificate, ...more],
      ])
    const create = async (name: string, ...more: string[]) => {
      const nonce = randomBytes(32).toString('hex')
      await host.ok('report', 'create', '--nonce', nonce, '--out', host.path(name), ...more)
      return nonce
    }
    const history = ['--history', host.path('fleet')]
    const first = await verify('1.report', await create('1.report'), ...history)
    expect(JSON.parse(first.stdout), first.stdout).toMatchObject({ verified: true, hostId: host.hostId })
    const { known } = JSON.parse(first.stdout)

    await measure(host, writd('1.0'))
    const sleep = await host.issue('sleep', ['/bin/sleep', '100'])
    const running = host.writ(['run', '--artifact', sleep, '--', '/bin/sleep', '100'])
    const ids = async () => JSON.parse(await host.ok('executions', '--json')).executions
    await expect.poll(async () => (await ids())[0]?.state, { timeout: 10_000 }).toBe('RUNNING')
    const nonce = await create('2.report', '--known', known)
    const shown = JSON.parse(await host.ok('report', 'show', host.path('2.report'), '--json'))
    expect(shown.imaFrom).toBeGreaterThan(400)
    expect(shown.files.find((file: { name: string }) => file.name === 'ima.bin').bytes).toBe(
      imaEntry(writd('1.0')).length,
    )
    const [{ executionId }] = await ids()
    expect(shown).toMatchObject({ running: 1, executions: [{ id: executionId, state: 'RUNNING' }] })
    expect(shown.executions[0].subject).toBe(sha256Hex(readFileSync('/bin/sleep')))
    await host.ok('terminate', executionId)
    await running

    const stranger = await verify('2.report', nonce)
    expect(stranger.code).toBe(1)
    expect(stranger.stdout).toContain('nothing of the log before is known here: ask for the whole log')
    const second = await verify('2.report', nonce, ...history)
    expect(JSON.parse(second.stdout)).toMatchObject({ verified: true })
    for (const property of JSON.parse(second.stdout).properties) expect(property.status).toBe('VERIFIED')
    // The same report again is not a new one.
    const again = await verify('2.report', nonce, ...history)
    expect(again.code).toBe(1)
    expect(again.stdout).toContain('answered before')
    // Nor is one from before, whatever nonce it is asked for.
    const old = await verify('1.report', nonce, ...history)
    expect(old.code).toBe(1)
    expect(old.stdout).toContain('went back since the report before')
  }, 60_000)

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
