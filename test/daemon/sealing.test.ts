import { expect, onTestFinished, test } from 'vitest'
import { Sealing } from '../../daemon/sealing.ts'
import { fill, openLog, temporaryDirectory, testSigner } from '../lineage/support/log.ts'
import { silent } from './support/world.ts'

/** A TPM's counter that only goes up. */
function nvCounter() {
  let value = 7n
  return { read: async () => value, increment: async () => ++value }
}

async function setup(options: Partial<ConstructorParameters<typeof Sealing>[1]> = {}) {
  const signer = testSigner()
  const quoting = { held: Promise.resolve(), failing: false }
  const log = await openLog(temporaryDirectory(), {
    counter: nvCounter(),
    signer: {
      ...signer,
      quote: async extraData => {
        await quoting.held
        if (quoting.failing) throw new Error('the TPM is gone')
        return signer.quote(extraData)
      },
    },
  })
  const counters: bigint[] = []
  const sealing = new Sealing(
    log,
    { checkpointMs: 20, checkpointEntries: 1000n, counterMs: 1e6, ...options },
    silent,
    async value => counters.push(value),
  )
  onTestFinished(async () => {
    await sealing.stop()
    await log.close()
  })
  return { log, sealing, quoting, counters }
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
  await expect.poll(() => signed(log)).toBe(4)
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

test('the counter moves for new entries, not for none, and not for its own', async () => {
  const { log, sealing, counters } = await setup({ counterMs: 15 })
  const record = async (value: bigint) => {
    counters.push(value)
    await fill(log, 100 + counters.length, 101 + counters.length)
  }
  const own = new Sealing(log, { checkpointMs: 1e6, checkpointEntries: 1000n, counterMs: 15 }, silent, record)
  await sealing.stop()
  own.start()
  await new Promise(resolve => setTimeout(resolve, 60))
  expect(counters).toEqual([])
  await fill(log, 0, 1)
  await expect.poll(() => counters).toHaveLength(1)
  await new Promise(resolve => setTimeout(resolve, 60))
  expect(counters).toHaveLength(1)
  await own.stop()
})

test('the counter moves again for an entry that came in while it moved', async () => {
  const { log, counters } = await setup()
  const record = async (value: bigint) => {
    counters.push(value)
    await fill(log, 100, 101)
    if (counters.length === 1) await fill(log, 200, 201)
  }
  const own = new Sealing(log, { checkpointMs: 1e6, checkpointEntries: 1000n, counterMs: 15 }, silent, record)
  own.start()
  await fill(log, 0, 1)
  await expect.poll(() => counters).toHaveLength(2)
  await own.stop()
})
