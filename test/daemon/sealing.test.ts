import { describe, expect, onTestFinished, test } from 'vitest'
import { Recorder } from '../../daemon/recorder.ts'
import { Sealing } from '../../daemon/sealing.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { type Lineage, parseEvent } from '../../lineage/index.ts'
import { fill, openLog, temporaryDirectory, testSigner } from '../lineage/support/log.ts'
import { silent } from './support/world.ts'

/** PCR values as the software key quotes them: zeros. */
const PCRS = Buffer.alloc(16 * 32)

/** A TPM's counter that only goes up. The first step is that of the log's opening. */
function nvCounter() {
  let value = 7n
  const counter = {
    asked: -1,
    held: Promise.resolve(),
    read: async () => value,
    increment: async () => {
      counter.asked++
      await counter.held
      return ++value
    },
  }
  return counter
}

async function eventsOf(log: Lineage) {
  return (await log.readEntries(0n, log.size)).map(({ bytes }) => parseEvent(bytes))
}

async function typesOf(log: Lineage): Promise<string[]> {
  return (await eventsOf(log)).map(({ type }) => type)
}

async function setup(options: Partial<ConstructorParameters<typeof Sealing>[2]> = {}) {
  const signer = testSigner()
  const counter = nvCounter()
  const quoting = {
    held: Promise.resolve(),
    failing: false,
    asked: 0,
    /** How often a PCR moves between a quote and the reading after it. */
    moves: 0,
    pcrs: PCRS as Buffer | null,
  }
  const log = await openLog(temporaryDirectory(), {
    counter,
    signer: {
      ...signer,
      readPcrs: async () => (quoting.moves-- > 0 ? Buffer.alloc(16 * 32, 1) : quoting.pcrs),
      quote: async extraData => {
        quoting.asked++
        await quoting.held
        if (quoting.failing) throw new Error('the TPM is gone')
        return signer.quote(extraData)
      },
    },
  })
  const recorder = new Recorder(
    log,
    () => 1n,
    () => Date.now(),
  )
  const sealing = new Sealing(
    log,
    recorder,
    { checkpointMs: 20, checkpointEntries: 1000n, counterMs: 1e6, ...options },
    silent,
  )
  onTestFinished(async () => {
    await sealing.stop()
    await log.close()
  })
  return { log, sealing, quoting, counter }
}
const signed = (log: Awaited<ReturnType<typeof setup>>['log']) => log.latestCheckpoint()?.size ?? 0

test('a checkpoint follows entries within its time, and none comes without entries', async () => {
  const { log, sealing } = await setup()
  sealing.start()
  await fill(log, 0, 3)
  await expect.poll(() => signed(log)).toBe(3)
  const first = log.latestCheckpoint()
  await new Promise(resolve => setTimeout(resolve, 60))
  expect(log.latestCheckpoint()).toBe(first)
})

test('many entries do not wait for the time', async () => {
  const { log, sealing } = await setup({ checkpointMs: 1e6, checkpointEntries: 5n })
  sealing.soon()
  await expect.poll(() => signed(log)).toBe(0)
  sealing.start()
  await fill(log, 0, 4)
  await new Promise(resolve => setTimeout(resolve, 1100))
  expect(signed(log)).toBeLessThan(5)
  await fill(log, 4, 6)
  await expect.poll(() => signed(log), { timeout: 3000 }).toBe(6)
})

test('what is asked for during a signature is signed after it, once', async () => {
  const { log, sealing, quoting } = await setup()
  const go = Promise.withResolvers<void>()
  quoting.held = go.promise
  await fill(log, 0, 1)
  sealing.soon()
  await fill(log, 1, 4)
  for (let i = 0; i < 10; i++) sealing.soon()
  go.resolve()
  // The entry that tells of the first is one of those that the second covers.
  await expect.poll(() => signed(log)).toBe(5)
})

test('a TPM that is gone delays checkpoints and nothing else', async () => {
  const { log, sealing, quoting } = await setup()
  quoting.failing = true
  sealing.start()
  await fill(log, 0, 3)
  await new Promise(resolve => setTimeout(resolve, 60))
  expect(signed(log)).toBe(0)
  await fill(log, 3, 4)
  quoting.failing = false
  await expect.poll(() => signed(log)).toBeGreaterThanOrEqual(3)
})

test('a stop waits for the signature in progress', async () => {
  const { log, sealing, quoting } = await setup()
  const go = Promise.withResolvers<void>()
  quoting.held = go.promise
  await fill(log, 0, 2)
  sealing.soon()
  let stopped = false
  const stop = sealing.stop().then(() => (stopped = true))
  await new Promise(resolve => setTimeout(resolve, 30))
  expect(stopped).toBe(false)
  go.resolve()
  await stop
  expect(signed(log)).toBe(2)
})

test('the counter moves for new entries, not for none, and not for its own nor for those of checkpoints', async () => {
  const { log, sealing } = await setup({ counterMs: 15 })
  sealing.start()
  await new Promise(resolve => setTimeout(resolve, 60))
  expect(await typesOf(log)).toEqual([])
  await fill(log, 0, 1)
  await expect.poll(() => typesOf(log)).toEqual(expect.arrayContaining(['counter', 'checkpoint']))
  await new Promise(resolve => setTimeout(resolve, 100))
  expect((await typesOf(log)).sort()).toEqual(['checkpoint', 'counter', 'kill-sent'])
})

test('the counter moves again for an entry that came in while it moved', async () => {
  const { log, sealing, counter } = await setup({ checkpointMs: 1e6, counterMs: 15 })
  const go = Promise.withResolvers<void>()
  counter.held = go.promise
  sealing.start()
  await fill(log, 0, 1)
  await expect.poll(() => counter.asked).toBe(1)
  await fill(log, 1, 2)
  go.resolve()
  await expect.poll(() => typesOf(log)).toEqual(['kill-sent', 'kill-sent', 'counter', 'counter'])
})

describe('entries of checkpoints', () => {
  test('each that is published has one, behind what it covers, with the PCR values that were quoted', async () => {
    const { log, sealing } = await setup()
    sealing.start()
    await fill(log, 0, 3)
    await expect.poll(() => log.size).toBe(4n)
    await log.checkpoint()
    const newest = log.latestCheckpoint()
    expect(newest?.size).toBe(4)
    const told = (await eventsOf(log)).flatMap(event => (event.type === 'checkpoint' ? [event] : []))
    expect(told.map(({ size }) => size)).toEqual([3, 4])
    expect(told[1]).toMatchObject({
      root: newest?.root.toString('hex'),
      note: newest?.note.toString('base64'),
      pcrs: sha256Hex(PCRS),
    })
    expect(await log.getBlob(sha256Hex(PCRS))).toEqual(PCRS)
  })

  test('a quiet host comes to rest: what only vouches for others makes nothing due', async () => {
    const { log, sealing } = await setup({ checkpointEntries: 1n, counterMs: 10 })
    sealing.start()
    await fill(log, 0, 1)
    await expect.poll(() => log.size).toBe(3n)
    await new Promise(resolve => setTimeout(resolve, 300))
    expect(log.size).toBe(3n)
    sealing.soon()
    await new Promise(resolve => setTimeout(resolve, 300))
    expect(log.size).toBe(3n)
    await fill(log, 1, 2)
    await expect.poll(() => log.size).toBe(6n)
  })

  test.each([
    ['once', 1, sha256Hex(PCRS)],
    ['always', Number.POSITIVE_INFINITY, null],
  ])('PCRs that move %s between quote and reading', async (_, moves, pcrs) => {
    const { log, sealing, quoting } = await setup({ checkpointMs: 1e6 })
    quoting.moves = moves
    sealing.start()
    await fill(log, 0, 1)
    sealing.soon()
    await expect.poll(() => log.size).toBe(2n)
    expect((await eventsOf(log))[1]).toMatchObject({ type: 'checkpoint', size: 1, pcrs })
  })

  test('PCRs that cannot be read delay no checkpoint', async () => {
    const { log, sealing, quoting } = await setup({ checkpointMs: 1e6 })
    quoting.pcrs = null
    sealing.start()
    await fill(log, 0, 1)
    sealing.soon()
    await expect.poll(() => log.size).toBe(2n)
    expect((await eventsOf(log))[1]).toMatchObject({ pcrs: null })
  })

  test('the last of a run is told of by the next, before any of its own, and once', async () => {
    const { log, sealing } = await setup({ checkpointMs: 1e6 })
    sealing.start()
    await fill(log, 0, 2)
    await sealing.stop()
    await log.checkpoint()
    expect(await typesOf(log)).not.toContain('checkpoint')
    const options = { checkpointMs: 1e6, checkpointEntries: 1000n, counterMs: 1e6 }
    const recorder = new Recorder(
      log,
      () => 1n,
      () => Date.now(),
    )
    for (const more of [2, 3]) {
      const next = new Sealing(log, recorder, options, silent)
      next.start()
      await fill(log, more, more + 1)
      next.soon()
      await expect.poll(() => signed(log)).toBeGreaterThan(more)
      await next.stop()
    }
    const told = (await eventsOf(log)).flatMap(event => (event.type === 'checkpoint' ? [event] : []))
    expect(told.map(({ size }) => size)).toEqual(
      [...new Set(told.map(({ size }) => size))].sort((a, b) => a - b),
    )
    expect(told[0]).toMatchObject({ size: 2, pcrs: sha256Hex(PCRS) })
    expect(told).toHaveLength(3)
  })
})

test('a TPM that takes two seconds: what is appended does not wait for it', async () => {
  const { log, sealing, quoting } = await setup()
  sealing.start()
  quoting.held = new Promise(resolve => setTimeout(resolve, 2000))
  const begun = performance.now()
  await fill(log, 0, 1)
  sealing.soon()
  await expect.poll(() => quoting.asked).toBe(1)
  for (let n = 1; n < 50; n++) await fill(log, n, n + 1)
  expect(signed(log)).toBe(0)
  expect(performance.now() - begun).toBeLessThan(1900)
  await expect.poll(() => signed(log), { timeout: 4000 }).toBeGreaterThan(0)
})

test('a flood of transitions: one signature at once, then a few for all of them', async () => {
  const { log, sealing, quoting } = await setup({ checkpointMs: 1e6 })
  sealing.start()
  const begun = performance.now()
  let floods = 0
  for (; performance.now() - begun < 600; floods++) {
    await fill(log, floods, floods + 1)
    sealing.soon()
    if (floods === 0) await expect.poll(() => quoting.asked).toBe(1)
  }
  const seconds = (performance.now() - begun) / 1000
  expect(floods).toBeGreaterThan(20)
  expect(quoting.asked).toBeLessThanOrEqual(2 + seconds / 0.25)
  await expect.poll(() => log.size - BigInt(signed(log))).toBe(1n)
})
