import { cpSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, test } from 'vitest'
import { exportLog, type Lineage, parseEvent, verifyLog } from '../../lineage/index.ts'
import {
  appraisal,
  count,
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
import {
  CONFIG,
  daemonStart,
  openLog,
  type TestSigner,
  temporaryDirectory,
  testSigner,
} from './support/log.ts'

const EXECUTION = 'ab'.repeat(16)

async function newLog(signer: TestSigner = testSigner()): Promise<Lineage> {
  const log = await openLog(temporaryDirectory(), { signer })
  await log.putBlob(CONFIG)
  await log.append(daemonStart(signer.logKey, Buffer.from(signer.ak.name).toString('hex')))
  return log
}

async function listed(log: Lineage): Promise<{ before: number; digests: readonly string[] }[]> {
  const out = []
  for (const { bytes } of await log.readEntries(0n, log.size)) {
    const event = parseEvent(bytes)
    if (event.type === 'evidence-dropped') out.push({ before: event.before, digests: event.digests })
  }
  return out
}

/** Every property of the log as it is exported now. */
async function verified(log: Lineage, signer: TestSigner) {
  await log.checkpoint()
  const to = join(temporaryDirectory(), 'export')
  const { dropped } = await exportLog(log.directory, to)
  const { results } = await verifyLog(to, { ak: signer.ak })
  return { failures: results.filter(({ status }) => status === 'FAILED'), results, dropped }
}

test('the oldest evidence goes first, until the store is nine tenths of its bound, and the log says which', async () => {
  const signer = testSigner()
  const log = await newLog(signer)
  for (let n = 0; n < 20; n++) await decision(log, n, `record ${n}`)
  const retention = await openRetention(log, 10)
  expect(retention.isDue).toBe(true)
  // With the configuration there are 21 blobs; 9 are left of a bound of 10.
  expect(await retention.run()).toMatchObject({ dropped: 12, bytes: 12 * 4096, overBound: false, unnamed: 0 })
  expect([count(log), log.evidence.bytes]).toEqual([9, 9 * 4096])
  const names = Array.from({ length: 20 }, (_, n) => `record ${n}`)
  expect(stored(log, ...names)).toEqual(names.slice(12))
  expect(await listed(log)).toEqual([{ before: 13, digests: names.slice(0, 12).map(digestOf) }])
  expect(retention.isDue).toBe(false)
  expect(await verified(log, signer)).toMatchObject({ failures: [], dropped: 12 })
  await retention.close()
  await log.close()
})

test('what a younger entry names again stays, and goes when that one is old', async () => {
  const signer = testSigner()
  const log = await newLog(signer)
  await decision(log, 0, 'first', { inputs: ['shared'] })
  for (let n = 1; n < 20; n++) await decision(log, n, `record ${n}`)
  await decision(log, 20, 'again', { inputs: ['shared'] })
  const retention = await openRetention(log, 12)
  await retention.run()
  expect(stored(log, 'first', 'shared', 'again')).toEqual(['shared', 'again'])
  expect(await verified(log, signer)).toMatchObject({ failures: [] })
  for (let n = 21; n < 60; n++) await decision(log, n, `record ${n}`)
  await retention.run()
  expect(stored(log, 'shared', 'again')).toEqual([])
  expect(await verified(log, signer)).toMatchObject({ failures: [] })
  await log.close()
})

test('what the operator signed and what was configured never goes, whoever else names it; beyond the bound then', async () => {
  const signer = testSigner()
  const log = await newLog(signer)
  await policy(log, 0, 'policy')
  for (let n = 1; n < 8; n++) await decision(log, n, `record ${n}`, { inputs: ['policy', 'empty manifest'] })
  const retention = await openRetention(log, 1, { spared: new Set([digestOf('empty manifest')]) })
  expect(await retention.run()).toMatchObject({ dropped: 7, overBound: true })
  expect(stored(log, 'policy', 'empty manifest')).toEqual(['policy', 'empty manifest'])
  expect(count(log)).toBe(3)
  expect(await verified(log, signer)).toMatchObject({ failures: [] })
  // Requests go on, and nothing else is dropped in their place.
  await decision(log, 9, 'more')
  expect(await retention.run()).toMatchObject({ dropped: 1, overBound: true })
  await log.close()
})

test('what an entry names that is too young to be dropped stays, though an old one names it too', async () => {
  const signer = testSigner()
  const log = await newLog(signer)
  await decision(log, 0, 'old', { inputs: ['shared'] })
  await decision(log, 200, 'young', { inputs: ['shared'] })
  const retention = await openRetention(log, 1, { minutes: 250, minAgeMs: 120 * 60_000 })
  expect(await retention.run()).toMatchObject({ dropped: 1, overBound: true })
  expect(stored(log, 'old', 'shared', 'young')).toEqual(['shared', 'young'])
  expect(await verified(log, signer)).toMatchObject({ failures: [] })
  await log.close()
})

test('what runs keeps its record, its artifact and those of its renewals until it has ended', async () => {
  const signer = testSigner()
  const log = await newLog(signer)
  const renewed = { inputs: ['artifact'], execution: EXECUTION }
  await decision(log, 0, 'permit', renewed)
  await started(log, 1, EXECUTION)
  for (let n = 2; n < 10; n++) await decision(log, n, `record ${n}`, { inputs: ['artifact'] })
  const retention = await openRetention(log, 2)
  await retention.run()
  expect(stored(log, 'permit', 'artifact', 'record 9')).toEqual(['permit', 'artifact'])
  await retention.close()
  await log.close()
  // Its entry has been passed by now, and is come back to, also by the next daemon.
  const next = await openLog(log.directory, { signer })
  const after = await openRetention(next, 2, { sealed: async () => true })
  await decision(next, 11, 'record 11')
  await after.run()
  expect(stored(next, 'permit', 'artifact', 'record 11')).toEqual(['permit', 'artifact'])
  await ended(next, 12, EXECUTION)
  await decision(next, 13, 'record 13')
  await after.run()
  expect(stored(next, 'permit', 'artifact')).toEqual([])
  await next.close()
})

test('the appraisals that the next start rests on and the two newest snapshots stay', async () => {
  const log = await newLog()
  for (let n = 0; n < 3; n++) await appraisal(log, n, `${n}`)
  await appraisal(log, 3, 'failed', { verdict: 'fail' })
  for (let n = 0; n < 3; n++) await snapshot(log, 4, `snapshot ${n}`)
  for (let n = 5; n < 10; n++) await decision(log, n, `record ${n}`)
  const retention = await openRetention(log, 1)
  await retention.run()
  expect(
    stored(
      log,
      'attest 1',
      'attest 2',
      'attest failed',
      'event log',
      'snapshot 0',
      'snapshot 1',
      'snapshot 2',
    ),
  ).toEqual(['attest 2', 'attest failed', 'event log', 'snapshot 1', 'snapshot 2'])
  // They are come back to when others are the newest.
  await appraisal(log, 11, 'next')
  await snapshot(log, 12, 'snapshot next')
  await retention.run()
  expect(
    stored(log, 'attest 2', 'attest failed', 'attest next', 'event log', 'snapshot 1', 'snapshot 2'),
  ).toEqual(['attest next', 'event log', 'snapshot 2'])
  await log.close()
})

test('what is younger than the least age stays, beyond the bound too; a clock that was wrong makes nothing old', async () => {
  const log = await newLog()
  for (const [n, minute] of [0, 1, 1e6, -1e7, 100, 200].entries()) await decision(log, minute, `record ${n}`)
  const names = Array.from({ length: 6 }, (_, n) => `record ${n}`)
  const retention = await openRetention(log, 1, { minutes: 250, minAgeMs: 120 * 60_000 })
  expect(await retention.run()).toMatchObject({ dropped: 5, overBound: true })
  expect(stored(log, ...names)).toEqual(['record 5'])
  await log.close()
  const other = await newLog()
  for (const [n, minute] of [0, 200, -1e7].entries()) await decision(other, minute, `record ${n}`)
  const same = await openRetention(other, 1, { minutes: 250, minAgeMs: 120 * 60_000 })
  await same.run()
  expect(stored(other, 'record 0', 'record 1', 'record 2')).toEqual(['record 1', 'record 2'])
  await other.close()
})

it('leaves what is about to be named, put or held, at whatever moment of a run that is', async () => {
  const signer = testSigner()
  const log = await newLog(signer)
  for (let n = 0; n < 20; n++) await decision(log, n, `record ${n}`)
  await put(log, 'record 0')
  let held = false
  const retention = await openRetention(log, 5, {
    // After it was said of it that it is dropped, and before it is removed.
    sealed: async index => {
      // Another entry has come and gone by then.
      if (!held) await decision(log, 25, 'record 3')
      held ||= log.holdBlob(digestOf('record 1'))
      return BigInt((await log.checkpoint()).size) > index
    },
  })
  await retention.run()
  expect(held).toBe(true)
  expect(stored(log, 'record 0', 'record 1', 'record 2', 'record 3')).toEqual([
    'record 0',
    'record 1',
    'record 3',
  ])
  expect(log.holdBlob(digestOf('record 2'))).toBe(false)
  await decision(log, 30, 'record 0', { inputs: ['record 1'] })
  expect(await verified(log, signer)).toMatchObject({ failures: [] })
  await log.close()
})

it('brings back what was dropped when it is put again', async () => {
  const signer = testSigner()
  const log = await newLog(signer)
  for (let n = 0; n < 20; n++) await decision(log, n, `record ${n}`)
  const retention = await openRetention(log, 5)
  await retention.run()
  expect(stored(log, 'record 3')).toEqual([])
  await decision(log, 30, 'record 3')
  expect(stored(log, 'record 3')).toEqual(['record 3'])
  expect(await verified(log, signer)).toMatchObject({ failures: [] })
  await log.close()
})

it('removes nothing before a published checkpoint says so, and goes on when the TPM is back', async () => {
  const signer = testSigner()
  const log = await newLog(signer)
  for (let n = 0; n < 20; n++) await decision(log, n, `record ${n}`)
  let away = true
  const retention = await openRetention(log, 5, {
    sealed: async index => !away && BigInt((await log.checkpoint()).size) > index,
  })
  expect(await retention.run()).toMatchObject({ dropped: 0, overBound: false })
  expect(count(log)).toBe(21)
  expect((await listed(log)).length).toBe(1)
  expect(await verified(log, signer)).toMatchObject({ failures: [], dropped: 0 })
  away = false
  expect(await retention.run()).toMatchObject({ dropped: 17 })
  expect((await listed(log)).length).toBe(1)
  await log.close()
})

/** A log that is open anew after its writer died. */
async function afterCrash(log: Lineage, signer: TestSigner): Promise<Lineage> {
  // Nothing marks a stop as long as nobody closes; the lock goes with the process, here by hand.
  await log.checkpoint()
  const copy = temporaryDirectory()
  cpSync(log.directory, copy, { recursive: true, preserveTimestamps: true })
  await log.close()
  const next = await openLog(copy, { signer })
  expect(next.openedAfterUncleanStop).toBe(true)
  return next
}

function older(log: Lineage, ...names: string[]): void {
  for (const name of names) {
    const digest = digestOf(name)
    utimesSync(join(log.directory, 'evidence/sha256', digest.slice(0, 2), digest.slice(2)), 1e9, 1e9)
  }
}

test('after a crash what no entry names is removed, and what one said was dropped; nothing else', async () => {
  const signer = testSigner()
  const log = await newLog(signer)
  for (let n = 0; n < 20; n++) await decision(log, n, `record ${n}`)
  await put(log, 'orphan', 'another orphan')
  // Said, and not removed.
  await (await openRetention(log, 10, { sealed: async () => false })).run()
  expect(count(log)).toBe(23)
  await decision(log, 30, 'record 2')
  older(log, 'orphan', ...Array.from({ length: 20 }, (_, n) => `record ${n}`))
  const next = await afterCrash(log, signer)
  const young = 'put by this process'
  const retention = await openRetention(next, 100)
  await put(next, young)
  expect(next.evidence.bytes).toBe(null)
  expect(await retention.run()).toMatchObject({ unnamed: 15, dropped: 0, overBound: false })
  expect(stored(next, 'orphan', 'record 0', 'record 1', 'record 2', 'record 13', 'record 14', young)).toEqual(
    ['record 2', 'record 14', young],
  )
  expect(next.evidence.bytes).toBe(4096 * count(next))
  await next.close()
})

test('the bookkeeping of another log, or a damaged one, is not used: the log is gone through anew', async () => {
  const signer = testSigner()
  const log = await newLog(signer)
  await policy(log, 0, 'policy')
  for (let n = 1; n < 20; n++) await decision(log, n, `record ${n}`, { inputs: ['policy'] })
  const retention = await openRetention(log, 100)
  await retention.run()
  const { bookkeeping } = log.evidence
  const known = bookkeeping.read() ?? expect.fail('no bookkeeping')
  await retention.close()
  expect(bookkeeping.read()).toMatchObject({ bytes: 21 * 4096 })
  // It would have the policy dropped.
  const lie = { ...known, lasting: new Set<string>(), bytes: 21 * 4096 }
  await bookkeeping.write({ ...lie, root: '00'.repeat(32) })
  await log.close()
  for (const spoil of ['nothing', 'every byte']) {
    const next = await openLog(log.directory, { signer })
    if (spoil === 'every byte') writeFileSync(join(log.directory, 'state/evidence'), 'spoilt')
    const again = await openRetention(next, 5)
    expect(next.evidence.bytes).toBe(null)
    await again.run()
    expect(stored(next, 'policy')).toEqual(['policy'])
    expect(await verified(next, signer)).toMatchObject({ failures: [] })
    await next.close()
  }
})

test('what a failed request has put is found at the next start', async () => {
  const signer = testSigner()
  const log = await newLog(signer)
  await put(log, 'nobody came to name it', 'spared')
  const spared = new Set([digestOf('spared')])
  const retention = await openRetention(log, 100, { spared })
  await retention.run()
  await retention.close()
  await log.close()
  const next = await openLog(log.directory, { signer })
  expect(next.openedAfterUncleanStop).toBe(false)
  const again = await openRetention(next, 100, { spared })
  expect(await again.run()).toMatchObject({ unnamed: 1 })
  expect(stored(next, 'nobody came to name it', 'spared')).toEqual(['spared'])
  // With nothing left behind the next start knows what there is.
  await again.close()
  await next.close()
  const last = await openLog(log.directory, { signer })
  await openRetention(last, 100, { spared })
  expect(last.evidence.bytes).toBe(2 * 4096)
  await last.close()
})

test('a run that is stopped ends at once, and the next one does it', async () => {
  const signer = testSigner()
  const log = await newLog(signer)
  for (let n = 0; n < 20; n++) await decision(log, n, `record ${n}`)
  const stop = new AbortController()
  const retention = await openRetention(log, 5, { stop: stop.signal })
  stop.abort(new Error('stopped'))
  await expect(retention.run()).rejects.toThrow('stopped')
  expect(count(log)).toBe(21)
  expect(await (await openRetention(log, 5)).run()).toMatchObject({ dropped: 17 })
  await log.close()
})
