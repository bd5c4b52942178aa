import { cpSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { exportLog, type Lineage, parseEvent, verifyLog } from '../../lineage/index.ts'
import {
  appraisal,
  decision,
  digestOf,
  ended,
  openRetention,
  policy,
  put,
  snapshot,
  started,
  stored,
} from './support/evidence-log.ts'
import { type Call, type Effect, type FaultyIo, faultyIo } from './support/faulty-io.ts'
import {
  CONFIG,
  daemonStart,
  openLog,
  type TestSigner,
  temporaryDirectory,
  testSigner,
} from './support/log.ts'

const NAMES = Array.from({ length: 12 }, (_, n) => `record ${n}`)

async function fill(directory: string, signer: TestSigner, io: FaultyIo): Promise<Lineage> {
  const log = await openLog(directory, { signer, io })
  await log.putBlob(CONFIG)
  await log.append(daemonStart(signer.logKey, Buffer.from(signer.ak.name).toString('hex')))
  for (const [n, name] of NAMES.entries()) await decision(log, n, name)
  return log
}

/** Every property of the log at its newest checkpoint; what fails. */
async function faults(directory: string, signer: TestSigner): Promise<string[]> {
  const to = join(temporaryDirectory(), 'export')
  await exportLog(directory, to)
  const { results } = await verifyLog(to, { ak: signer.ak })
  return results
    .filter(({ status }) => status === 'FAILED')
    .map(({ property, detail }) => `${property}: ${detail}`)
}

/** Every third call by default, the first to begin with. */
const STEP = process.env.WRIT_FAULTS === 'all' ? 1 : 3
const RUNS = Number(process.env.WRIT_RETENTION_RUNS ?? 25)
const EFFECTS: Effect[] = ['did not persist', 'did persist']
const CALLS: Call[] = ['open', 'write', 'writeLarge', 'fdatasync', 'fsync', 'rename', 'unlink']

describe.each(EFFECTS)('a run in which one system call fails and that %s', effect => {
  it.each(CALLS)(
    '%s: the log that is left verifies, and the next start finishes it',
    async call => {
      let failed = 0
      for (let nth = 1, happened = true; happened; nth += STEP) {
        const signer = testSigner()
        const directory = temporaryDirectory()
        const io = faultyIo()
        const log = await fill(directory, signer, io)
        await log.checkpoint()
        const retention = await openRetention(log, 6)
        io.fail(call, nth, effect)
        await retention.run().catch(() => undefined)
        happened = io.happened
        if (happened) failed++
        // As the files are when the process ends here.
        const left = temporaryDirectory()
        cpSync(directory, left, { recursive: true })
        await log.close().catch(() => undefined)
        const next = await openLog(left, { signer })
        await next.checkpoint()
        expect(await faults(left, signer), `${call} ${nth}`).toEqual([])
        const again = await openRetention(next, 6)
        const { overBound } = await again.run()
        expect(overBound).toBe(false)
        expect(next.evidence.bytes ?? expect.fail()).toBeLessThanOrEqual(6 * 4096)
        expect(stored(next, ...NAMES)).toEqual(NAMES.slice(-4))
        await next.checkpoint()
        expect(await faults(left, signer), `${call} ${nth}, finished`).toEqual([])
        await next.close()
        if (nth > 100) expect.fail('more calls than a run makes')
      }
      expect(failed).toBeGreaterThan(0)
    },
    60_000,
  )
})

/** What is done to a log, by number. */
const operation = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('decision' as const), name: fc.nat(30), input: fc.nat(6) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('appraisal' as const), name: fc.nat(20), log: fc.nat(2) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('policy' as const), name: fc.nat(6) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('snapshot' as const), name: fc.nat(3) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('permit' as const), id: fc.nat(3), input: fc.nat(6) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('end' as const), id: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('put' as const), name: fc.nat(30) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('run' as const), keep: fc.integer({ min: 1, max: 12 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), clean: fc.boolean() }) },
)
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never

/** What may never be missing, as the log's own events say it: read anew each time, with no knowledge of how it is dropped. */
async function needed(log: Lineage): Promise<Set<string>> {
  const events = []
  for (let at = 0n; at < log.size; ) {
    const entries = await log.readEntries(at, log.size)
    for (const { bytes } of entries) events.push(parseEvent(bytes))
    at += BigInt(entries.length)
  }
  const need = new Set<string>()
  const open = new Set<string>()
  for (const event of events) {
    if (event.type === 'policy') need.add(event.blob)
    if (event.type === 'daemon-start') need.add(event.configDigest)
    if (event.type === 'execution-start') open.add(event.executionId)
    if (event.type === 'execution-end') open.delete(event.executionId)
  }
  for (const event of events) {
    if (event.type === 'decision' && open.has(event.executionId ?? ''))
      for (const digest of [event.record, ...event.inputs]) need.add(digest)
  }
  const newest = events.findLast(({ type }) => type === 'appraisal')
  if (newest?.type === 'appraisal') need.add(newest.evidence.attest).add(newest.evidence.eventLog)
  for (const event of events.filter(({ type }) => type === 'snapshot').slice(-2))
    if (event.type === 'snapshot') need.add(event.digest)
  return need
}

test(
  'after anything, nothing that is needed is missing, the bound holds unless all is needed, and the log verifies',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 40 }), async operations => {
        const signer = testSigner()
        let log = await openLog(temporaryDirectory(), { signer })
        await log.putBlob(CONFIG)
        await log.append(daemonStart(signer.logKey, Buffer.from(signer.ak.name).toString('hex')))
        const openAnew = () =>
          openRetention(log, 1000, { limits: () => ({ maxBytes: keep * 4096, minAgeMs: 0 }) })
        let keep = 1000
        let retention = await openAnew()
        /** What runs, by the slot that it takes; an execution's id is its own for ever. */
        const running = new Map<number, string>()
        let minute = 0
        const apply = async (op: Operation): Promise<void> => {
          minute++
          if (op.do === 'decision')
            await decision(log, minute, `record ${op.name}`, { inputs: [`input ${op.input}`] })
          else if (op.do === 'appraisal')
            await appraisal(log, minute, `${op.name}`, { eventLog: `event log ${op.log}` })
          // The same bytes as some decision's artifact.
          else if (op.do === 'policy') await policy(log, minute, `input ${op.name}`)
          else if (op.do === 'snapshot') await snapshot(log, minute, `snapshot ${op.name}`)
          else if (op.do === 'put') await put(log, `record ${op.name}`)
          else if (op.do === 'permit' && !running.has(op.id)) {
            const execution = minute.toString(16).padStart(32, '0')
            await decision(log, minute, `permit ${op.id}`, { inputs: [`input ${op.input}`], execution })
            await started(log, minute, execution)
            running.set(op.id, execution)
          } else if (op.do === 'end' && running.has(op.id)) {
            await ended(log, minute, running.get(op.id) ?? '')
            running.delete(op.id)
          } else if (op.do === 'run') {
            keep = op.keep
            const { overBound } = await retention.run()
            const need = await needed(log)
            for (const digest of need) expect(log.holdBlob(digest), digest).toBe(true)
            log.evidence.named([...need])
            const over = (log.evidence.bytes ?? 0) > keep * 4096
            expect(overBound).toBe(over)
          } else if (op.do === 'restart') {
            keep = 1000
            await log.checkpoint()
            let { directory } = log
            if (op.clean) await retention.close()
            else {
              directory = temporaryDirectory()
              cpSync(log.directory, directory, { recursive: true, preserveTimestamps: true })
            }
            await log.close()
            log = await openLog(directory, { signer })
            retention = await openAnew()
          }
        }
        for (const op of operations) await apply(op)
        keep = 1
        const { overBound } = await retention.run()
        if (overBound) {
          // Then what is left is needed, or was put and is about to be named.
          const need = await needed(log)
          const passing = [...Array(31).keys()].flatMap(n => [`record ${n}`, `attest ${n}`])
          for (const name of stored(log, ...passing))
            expect(need.has(digestOf(name)) || log.evidence.inUse(digestOf(name)), name).toBe(true)
        }
        await log.checkpoint()
        expect(await faults(log.directory, signer)).toEqual([])
        await log.close()
      }),
      { numRuns: RUNS },
    )
  },
  120_000 + 1000 * RUNS,
)
