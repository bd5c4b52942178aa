import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ClockWatch } from '../../authorization/index.ts'
import { checkUses } from '../../cli/verify/decisions.ts'
import { History } from '../../daemon/history/history.ts'
import { type LineageEvent, parseEvent, SnapshotCheck } from '../../lineage/index.ts'
import { governance, HOST } from '../authorization/scenario.ts'
import { MemoryLog } from './support/memory-log.ts'
import { payloadOf, Writer } from './support/random-log.ts'

const DAY = 24 * 3600_000
const RUNS = Number(process.env.WRIT_SNAPSHOT_RUNS ?? 5)
const CONFIGURATION = { governance: [governance.public], hostId: HOST, recoversByItself: false }

/** A host with artifacts that may be used once each, and somebody who wants one twice. */
class Host {
  readonly log = new MemoryLog()
  readonly w = new Writer(this.log.lineage)
  readonly used: number[] = []
  /** Day 0 is that of the first entry. Artifact n is valid from day n to day n + 1. */
  readonly #firstMs = this.w.nowMs

  /** As the stages decide it: valid now by a clock that is relied on, not used, and no use of it can be missing. */
  async tryToUse(n: number): Promise<boolean> {
    const { uses, clockFault } = await History.fold(this.log.lineage, CONFIGURATION)
    const [notBefore, notAfter] = [n, n + 1].map(day => new Date(this.#firstMs + day * DAY).toISOString())
    const now = new Date(this.w.nowMs).toISOString()
    if (clockFault !== null || notBefore === undefined || notAfter === undefined) return false
    if (now < notBefore || now > notAfter) return false
    const claim = { payload: payloadOf(n), issuer: 'ops', id: `job-${n}`, maxUses: 1 }
    const { used, uncleanSince } = uses.view(claim, notAfter)
    if (used > 0 || (uncleanSince !== null && notBefore < uncleanSince)) return false
    await this.w.permit(n, n, null, (n + 1) * 24, 1)
    this.used.push(n)
    return true
  }

  /** The wall clock is set, it is seen, and an operator says that it is right now. */
  async setClock(days: number): Promise<void> {
    this.w.setClock(days * DAY)
    await this.w.distrust()
    await this.w.clear('clock', 'governance', true)
  }

  async entries(): Promise<{ index: number; event: LineageEvent }[]> {
    const entries = await this.log.readEntries(0n, this.log.size)
    return entries.map(({ index, bytes }) => ({ index: Number(index), event: parseEvent(bytes) }))
  }
}

const step: fc.Arbitrary<(host: Host) => unknown> = fc.oneof(
  { weight: 8, arbitrary: fc.nat(6).map(n => (host: Host) => host.tryToUse(n)) },
  { weight: 5, arbitrary: fc.constant((host: Host) => host.w.snapshots.make()) },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom(0.3, 1.1, 2.5)
      .map(days => (host: Host) => host.w.pass(Math.round(days * DAY))),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(-9, -2, -1, 3, 9).map(days => (host: Host) => host.setClock(days)),
  },
  { weight: 1, arbitrary: fc.constant((host: Host) => host.w.distrust()) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('return' as const, 'tpm' as const).map(by => (host: Host) => host.w.trust(by)),
  },
  { weight: 1, arbitrary: fc.nat(1).map(boot => (host: Host) => host.w.start(boot)) },
  {
    weight: 1,
    arbitrary: fc.constant(async (host: Host) => {
      await host.w.recover()
      await host.w.clear('tail', 'governance', true)
    }),
  },
)

describe('an artifact that may be used once', () => {
  test('is used once when the clock had been ahead, its use was forgotten, and the clock is right again', async () => {
    const host = new Host()
    await host.w.start(0)
    await host.setClock(3.5)
    expect(await host.tryToUse(3)).toBe(true)
    host.w.pass(9 * DAY)
    await host.w.start(0)
    await host.w.snapshots.make()
    const { uses } = await History.fold(host.log.lineage, CONFIGURATION)
    expect(uses.size).toBe(0)
    // Back to before its validity begins, as if nothing had been.
    await host.setClock(-12.5)
    expect(await host.tryToUse(3)).toBe(false)
    host.w.pass(3.5 * DAY)
    expect(await host.tryToUse(3)).toBe(false)
    await host.w.recover()
    await host.w.clear('tail', 'governance', true)
    expect(await host.tryToUse(3)).toBe(false)
  })

  test('is used once, whatever becomes of the clock, the tail and the snapshots', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 40, maxLength: 80, size: 'max' }), async steps => {
        const host = new Host()
        await host.w.start(0)
        for (const take of steps) await take(host)
        expect(host.used.length).toBe(new Set(host.used).size)
        const entries = await host.entries()
        expect(() => checkUses(entries)).not.toThrow()
        const check = new SnapshotCheck(state => new ClockWatch(state))
        for (const { event, index } of entries) check.take(event, index)
        expect(check.result()).toMatchObject({ status: 'VERIFIED' })
      }),
      { numRuns: RUNS, endOnFailure: true },
    )
  })
})
