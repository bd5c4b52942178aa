import { describe, expect, it } from 'vitest'
import { type Requester, TpmQueue } from '../../../attestation/tpm2/queue.ts'

const LIMITS = { maxReports: 3, maxWaitMs: 1_000 }

/** A queue whose TPM is taken until `release` is called. */
async function occupied(limits = LIMITS) {
  const queue = new TpmQueue(limits)
  const { promise, resolve } = Promise.withResolvers<void>()
  return { queue, release: () => resolve(), holding: queue.run({ kind: 'maintenance' }, () => promise) }
}

describe('TPM queue', () => {
  it('runs one job at a time, the attestor first and reports last', async () => {
    const { queue, release, holding } = await occupied()
    const order: string[] = []
    let running = 0
    const job = (requester: Requester, name: string = requester.kind) =>
      queue.run(requester, async () => {
        expect(++running).toBe(1)
        await new Promise(resolve => setImmediate(resolve))
        order.push(name)
        running--
      })
    const jobs = [
      job({ kind: 'report', uid: 1 }, 'report 1'),
      job({ kind: 'report', uid: 2 }, 'report 2'),
      job({ kind: 'maintenance' }),
      job({ kind: 'counter' }),
      job({ kind: 'checkpoint' }),
      job({ kind: 'attestor' }),
    ]
    release()
    await Promise.all([holding, ...jobs])
    expect(order).toEqual(['attestor', 'checkpoint', 'counter', 'maintenance', 'report 1', 'report 2'])
  })

  it('lets an attestor that comes late pass all that wait', async () => {
    const { queue, release, holding } = await occupied()
    const order: string[] = []
    const late: Promise<void>[] = []
    const report = queue.run({ kind: 'report', uid: 1 }, async () => {
      order.push('report 1')
      late.push(
        queue.run({ kind: 'report', uid: 3 }, async () => void order.push('report 3')),
        queue.run({ kind: 'attestor' }, async () => void order.push('attestor')),
      )
    })
    const second = queue.run({ kind: 'report', uid: 2 }, async () => void order.push('report 2'))
    release()
    await Promise.all([holding, report, second])
    await Promise.all(late)
    expect(order).toEqual(['report 1', 'attestor', 'report 2', 'report 3'])
  })

  it('lets one report of each uid wait', async () => {
    const { queue, release, holding } = await occupied()
    const first = queue.run({ kind: 'report', uid: 7 }, async () => 1)
    await expect(queue.run({ kind: 'report', uid: 7 }, async () => 2)).rejects.toMatchObject({
      code: 'TPM_BUSY',
    })
    const other = queue.run({ kind: 'report', uid: 8 }, async () => 3)
    release()
    expect(await Promise.all([first, other])).toEqual([1, 3])
    await holding
    expect(await queue.run({ kind: 'report', uid: 7 }, async () => 4)).toBe(4)
  })

  it('bounds the reports of all uids', async () => {
    const { queue, release, holding } = await occupied()
    const some = [1, 2, 3].map(uid => queue.run({ kind: 'report', uid }, async () => uid))
    await expect(queue.run({ kind: 'report', uid: 4 }, async () => 4)).rejects.toMatchObject({
      code: 'TPM_BUSY',
    })
    const attestor = queue.run({ kind: 'attestor' }, async () => 'attested')
    release()
    expect(await attestor).toBe('attested')
    await Promise.all([holding, ...some])
  })

  it('waits no longer than its limit, and keeps no trace of who gave up', async () => {
    const { queue, release, holding } = await occupied({ maxReports: 3, maxWaitMs: 20 })
    await expect(queue.run({ kind: 'report', uid: 1 }, async () => 1)).rejects.toMatchObject({
      code: 'TPM_TIMEOUT',
    })
    const again = queue.run({ kind: 'report', uid: 1 }, async () => 2)
    release()
    await holding
    expect(await again).toBe(2)
  })

  it('goes on after a job that fails', async () => {
    const { queue, release, holding } = await occupied()
    const failing = queue.run({ kind: 'attestor' }, () => Promise.reject(new Error('no')))
    const next = queue.run({ kind: 'attestor' }, async () => 'next')
    release()
    await expect(failing).rejects.toThrow('no')
    expect(await next).toBe('next')
    await holding
  })

  it('refuses what waits once it is closed', async () => {
    const { queue, release, holding } = await occupied()
    const waiting = queue.run({ kind: 'attestor' }, async () => 1)
    queue.close()
    await expect(waiting).rejects.toMatchObject({ code: 'TPM_CLOSED' })
    await expect(queue.run({ kind: 'attestor' }, async () => 1)).rejects.toMatchObject({ code: 'TPM_CLOSED' })
    release()
    await holding
  })
})
