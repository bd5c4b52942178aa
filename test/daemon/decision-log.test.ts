import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Decision, decideAfterOpen, decideBeforeOpen } from '../../authorization/index.ts'
import { DecisionLog } from '../../daemon/decision-log.ts'
import { DecisionLinks } from '../../daemon/history/decision-links.ts'
import { Recorder } from '../../daemon/recorder.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { inlineBlob, parseEvent, readBlob } from '../../lineage/index.ts'
import { artifact, caller, EXECUTION, input, observed } from '../authorization/scenario.ts'
import { openLog, temporaryDirectory } from '../lineage/support/log.ts'
import { materialise, powerLossIo } from '../lineage/support/power-loss.ts'
import { eventsOf, ofType, peer, workload, world } from './support/world.ts'

const sent = artifact()
const permit = decideAfterOpen(input({ artifact: sent }), observed())
const denial = ((): Decision => {
  const before = decideBeforeOpen(input({ artifact: null }))
  return 'denied' in before ? before.denied : expect.fail()
})()

async function setup() {
  const dir = temporaryDirectory()
  const lineage = await openLog(dir)
  onTestFinished(() => lineage.close().catch(() => undefined))
  const errors: unknown[] = []
  const logger = { warn: () => undefined, error: ({ err }: { err: unknown }) => errors.push(err) }
  const recorder = new Recorder(
    lineage,
    () => 1n,
    () => Date.now(),
  )
  return { dir, lineage, errors, log: new DecisionLog(lineage, recorder, new DecisionLinks(), logger) }
}

const total = (events: { count: number }[]) => events.reduce((sum, { count }) => sum + count, 0)

/** All files below a directory, and their bytes. */
function files(dir: string): { count: number; bytes: number } {
  const all = existsSync(dir) ? readdirSync(dir, { recursive: true, withFileTypes: true }) : []
  const plain = all.filter(entry => entry.isFile())
  const bytes = plain.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0)
  return { count: plain.length, bytes }
}

test('what an entry refers to would survive a loss of power when the entry is written', async () => {
  const io = powerLossIo()
  const images: ReturnType<typeof io.image>[] = []
  const { write } = io
  io.write = (fd, bytes, position) => {
    if (Buffer.from(bytes).includes('"type":"decision"')) images.push(io.image())
    write(fd, bytes, position)
  }
  const w = await world({ io })
  await w.decider.decide(peer(), 'execute', sent, workload())
  await w.decider.decide(peer(), 'execute', sent, workload()).catch(() => undefined)
  const decisions = ofType(await w.events(), 'decision')
  expect([decisions.length, images.length]).toEqual([2, 2])
  for (const [i, event] of decisions.entries()) {
    const { record, inputs } = event
    const survived = temporaryDirectory()
    materialise(images[i] ?? expect.fail(), w.dir, survived)
    expect(inputs.length).toBeGreaterThanOrEqual(4)
    for (const digest of [record, ...inputs]) {
      expect(inlineBlob(event, digest) ?? (await readBlob(survived, digest))).toBeDefined()
    }
    // The artifact is in the first entry, and is not in the second, so it was stored before that.
    expect(Object.keys(event.inline)).toEqual(i === 0 ? [sha256Hex(sent), record].sort() : [record])
  }
})

test('a permit has an entry of its own, however many denials there were', async () => {
  const { log, lineage } = await setup()
  for (let i = 0; i < 60; i++) await log.write(denial, caller(), EXECUTION, null)
  expect(await log.write(permit, caller(), EXECUTION, sent)).toBe(lineage.size - 1n)
  const entry = parseEvent(await lineage.entry(lineage.size - 1n))
  expect(inlineBlob(entry, sha256Hex(permit.record))).toEqual(permit.record)
  expect(inlineBlob(entry, permit.references[0] ?? '')).toEqual(sent)
})

describe('a flood', () => {
  test('of 100,000 denials of one uid is a few entries, and every one of them is counted', async () => {
    const { log, lineage, dir } = await setup()
    setFlagsFromString('--expose-gc')
    const gc = runInNewContext('gc') as () => void
    await log.write(denial, caller(), EXECUTION, null)
    gc()
    const heap = process.memoryUsage().heapUsed
    const began = Date.now()
    for (let i = 1; i < 100_000; i++) await log.write(denial, caller(), EXECUTION, null)
    // Another uid has its own share, in the middle of it.
    expect(await log.write(denial, caller({ uid: 1001 }), EXECUTION, null)).not.toBeNull()
    gc()
    expect(process.memoryUsage().heapUsed - heap).toBeLessThan(8 << 20)
    await log.flush()
    const seconds = (Date.now() - began) / 1000
    const events = await eventsOf(lineage)
    const mine = ofType(events, 'decision').filter(event => event.caller.uid === 1000)
    const counted = ofType(events, 'denials-counted')
    expect(mine.length + total(counted)).toBe(100_000)
    expect(total(counted.map(({ reasonCounts }) => ({ count: reasonCounts.ARTIFACT_MISSING ?? 0 })))).toBe(
      total(counted),
    )
    expect(mine.length).toBeLessThanOrEqual(50 + Math.ceil(seconds) * 5)
    expect(counted.length).toBeLessThanOrEqual(1 + Math.ceil(seconds / 5))
    expect(files(join(dir, 'evidence')).count).toBe(0)
  })

  test('that changes its artifact each time does not fill the disk either', async () => {
    const { log, dir } = await setup()
    const began = Date.now()
    for (let i = 0; i < 400; i++) {
      const junk = Buffer.concat([sent, Buffer.from(`${i}`)])
      const before = decideBeforeOpen(input({ artifact: junk }))
      await log.write('denied' in before ? before.denied : expect.fail(), caller(), EXECUTION, junk)
    }
    const most = 50 + Math.ceil((Date.now() - began) / 1000) * 5
    expect(files(join(dir, 'evidence')).count).toBeLessThanOrEqual(2 * most)
  })

  test('of uids is bounded too', async () => {
    const { log, lineage } = await setup()
    for (let uid = 0; uid < 20_000; uid++) log.count(uid, ['CAPACITY'])
    await log.flush()
    expect(ofType(await eventsOf(lineage), 'denials-counted').length).toBeLessThanOrEqual(4096)
  })

  test('that could not be written is not forgotten', async () => {
    const { log, lineage, errors } = await setup()
    for (let i = 0; i < 10; i++) log.count(7, ['CAPACITY'])
    const { append } = lineage
    Object.assign(lineage, { append: () => Promise.reject(new Error('no space')) })
    await log.flush()
    expect(errors).toHaveLength(1)
    Object.assign(lineage, { append })
    for (let i = 0; i < 5; i++) log.count(7, ['CAPACITY', 'INTERNAL'])
    await log.flush()
    await log.flush()
    expect(ofType(await eventsOf(lineage), 'denials-counted')).toMatchObject([
      { uid: 7, count: 15, reasonCounts: { CAPACITY: 15, INTERNAL: 5 } },
    ])
  })
})

test('a denial with as many and as long reasons as a caller can make is recorded', async () => {
  const { log, lineage } = await setup()
  const reasons = Array.from({ length: 300 }, (_, i) => ({
    code: 'SUBJECT_MISMATCH' as const,
    message: `${'字'.repeat(511)}😀${i}`,
    at: '\u0001'.repeat(200),
  }))
  const index = await log.write({ ...denial, reasons }, caller(), EXECUTION, null)
  expect(parseEvent(await lineage.entry(index ?? -1n))).toMatchObject({ outcome: 'deny' })
  const few = Array.from({ length: 70 }, () => ({ code: 'INTERNAL' as const, message: 'short' }))
  const next = await log.write({ ...denial, reasons: few }, caller(), EXECUTION, null)
  const [event] = ofType([parseEvent(await lineage.entry(next ?? -1n))], 'decision')
  expect(event?.reasons).toHaveLength(64)
})
