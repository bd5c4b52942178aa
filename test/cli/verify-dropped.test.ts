import { cpSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { keptEvidence } from '../../cli/verify/kept-evidence.ts'
import { allVerified } from '../../cli/verify/property.ts'
import { type VerifyTrust, verifyBundle } from '../../cli/verify/verify.ts'
import type { LineageEvent } from '../../lineage/index.ts'
import { eventsOf, forge } from './forge.ts'
import { IS_ROOT, NEEDS_ROOT, type QuietSite } from './site.ts'
import { find, startVerifiedSite } from './verified-site.ts'

type Dropping = LineageEvent & { type: 'evidence-dropped' }

describe.skipIf(!IS_ROOT)(`evidence that a host has dropped (${NEEDS_ROOT})`, () => {
  let site: QuietSite
  let bundle: string
  let trust: VerifyTrust

  beforeAll(async () => {
    ;({ site, bundle, trust } = await startVerifiedSite())
  }, 180_000)
  afterAll(() => site?.workspace.close(), 60_000)

  const fileOf = (at: string, digest: string) =>
    join(at, 'lineage/evidence/sha256', digest.slice(0, 2), digest.slice(2))

  /** The first appraisal, which nothing needs any more. */
  async function oldest() {
    const events = await eventsOf(bundle)
    const index = events.findIndex(({ type }) => type === 'appraisal')
    const event = events[index]
    if (event?.type !== 'appraisal') return expect.fail('no appraisal')
    return { index, digests: [event.evidence.attest, event.evidence.signature] }
  }

  /** The same history with one entry more, kept by another rule, and without the files. */
  let counter = 0
  async function dropping(
    what: { before: number; digests: readonly string[] },
    { days = 0, gone = what.digests }: { days?: number; gone?: readonly string[] } = {},
  ): Promise<string> {
    const to = await forge(
      site,
      bundle,
      site.workspace.path(`dropped-${counter++}`),
      async (events, putBlob) => {
        const start = events[0]
        if (start?.type !== 'daemon-start') return expect.fail('a log begins with a start')
        const config = JSON.parse(readFileSync(fileOf(bundle, start.configDigest), 'utf8'))
        config.lineage.evidenceMinDays = days
        const configDigest = await putBlob(Buffer.from(JSON.stringify(config)))
        const last = events.at(-1) ?? start
        const dropped: Dropping = {
          ...{ v: 1, time: last.time, bootNs: last.bootNs, type: 'evidence-dropped', bytes: 8192 },
          ...what,
        }
        return [{ ...start, configDigest }, ...events.slice(1), dropped]
      },
    )
    for (const digest of gone) {
      rmSync(fileOf(to, digest))
      // An export makes no directory that nothing is in.
      const directory = dirname(fileOf(to, digest))
      if (readdirSync(directory).length === 0) rmdirSync(directory)
    }
    return to
  }

  const statuses = async (at: string, more: Partial<VerifyTrust> = {}) => {
    const { properties } = await verifyBundle(at, { ...trust, ...more })
    const others = properties.filter(({ status, asked }) => status !== 'VERIFIED' && asked)
    return { verified: allVerified(properties), others, of: (name: string) => find(properties, name) }
  }

  test('is not missing; what needs it is NOT CHECKED, until somebody brings it or accepts that', async () => {
    const { index, digests } = await oldest()
    const at = await dropping({ before: index + 1, digests })
    const found = await statuses(at)
    expect(found.of('evidence')).toMatchObject({
      status: 'VERIFIED',
      detail: expect.stringContaining('2 more are not kept any longer'),
    })
    expect(found.of('files').status).toBe('VERIFIED')
    expect(found.of('evidence that was dropped')).toMatchObject({
      status: 'VERIFIED',
      detail: expect.stringContaining('2 blobs'),
    })
    const notChecked = {
      status: 'NOT CHECKED',
      detail: expect.stringContaining('evidence is not kept any longer'),
    }
    expect(found.of('evidence appraised again')).toMatchObject(notChecked)
    expect(found.verified).toBe(false)

    const accepted = await statuses(at, { allowDropped: true })
    expect(accepted.of('evidence appraised again')).toMatchObject({ ...notChecked, asked: false })

    const kept = await keptEvidence([bundle])
    const whole = await statuses(at, { kept })
    expect(whole.of('evidence').detail).not.toContain('not kept')
    expect(whole.of('evidence appraised again').status).toBe('VERIFIED')
    // By their digests in a plain directory, too; other bytes of that name are none.
    const flat = site.workspace.path('flat')
    mkdirSync(flat)
    for (const digest of digests) cpSync(fileOf(bundle, digest), join(flat, digest))
    expect(
      (await statuses(at, { kept: await keptEvidence([flat]) })).of('evidence appraised again').status,
    ).toBe('VERIFIED')
    writeFileSync(join(flat, digests[0] ?? ''), 'other bytes')
    const wrong = await statuses(at, { kept: await keptEvidence([flat]) })
    expect(wrong.of('evidence')).toMatchObject({
      status: 'FAILED',
      detail: expect.stringContaining('another digest'),
    })
    expect(wrong.of('evidence appraised again').status).toBe('NOT CHECKED')
  }, 60_000)

  test('sooner than configured, or while it is of the newest appraisal, is FAILED', async () => {
    const { index, digests } = await oldest()
    const young = await statuses(await dropping({ before: index + 1, digests }, { days: 7 }))
    expect(young.of('evidence that was dropped')).toMatchObject({
      status: 'FAILED',
      detail: expect.stringContaining('was to be kept for 7 days'),
    })
    const events = await eventsOf(bundle)
    const newest = events.findLast(event => event.type === 'appraisal' && event.verdict !== 'fail')
    if (newest?.type !== 'appraisal') return expect.fail('no appraisal')
    const fresh = await statuses(
      await dropping({ before: events.length, digests: [newest.evidence.attest] }, { gone: [] }),
    )
    expect(fresh.of('evidence that was dropped')).toMatchObject({
      status: 'FAILED',
      detail: expect.stringContaining('of the newest appraisal'),
    })
  }, 60_000)

  test('that no entry lists, that a later entry names again, or that is never dropped is FAILED', async () => {
    const { index, digests } = await oldest()
    const unlisted = await dropping({ before: index + 1, digests: digests.slice(1) }, { gone: digests })
    const failed = (text: string) => ({ status: 'FAILED', detail: expect.stringContaining(text) })
    expect((await statuses(unlisted)).of('evidence')).toMatchObject(failed('cannot be opened'))
    const again = await dropping({ before: index, digests })
    expect((await statuses(again)).of('evidence')).toMatchObject(failed('cannot be opened'))
    expect((await statuses(again)).of('files').status).toBe('FAILED')
    const policy = (await eventsOf(bundle)).find(({ type }) => type === 'policy')
    if (policy?.type !== 'policy') return expect.fail('no policy')
    const signed = await dropping({ before: index + 1, digests: [policy.blob] })
    expect((await statuses(signed)).of('evidence')).toMatchObject(failed('never dropped'))
  }, 60_000)
})
