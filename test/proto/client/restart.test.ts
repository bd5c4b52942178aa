import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { api, WritClient } from '../../../proto/client.ts'
import { DaemonProcess } from './daemon-process.ts'

const artifact = Buffer.from('{}')
const SLEEP = { artifact, workload: { program: '/bin/sleep', argv: ['sleep', '30'] } }
const { GetStatus } = api.attestation

let daemon: DaemonProcess
let client: WritClient
beforeEach(async () => {
  daemon = new DaemonProcess()
  await daemon.start()
  client = new WritClient(daemon.socket)
})
afterEach(async () => {
  client.close()
  await daemon.close()
})

describe('a daemon that comes and goes', () => {
  it('is called again after a restart, as if nothing had been; what may not be repeated too', async () => {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      expect((await client.call(GetStatus, {})).status?.state).toBe('GATE_STATE_ATTESTED')
      await daemon.signal(signal)
      await daemon.start()
      const run = client.execute({ artifact, workload: { program: '/bin/true' } })
      expect(await run.ended).toMatchObject({ exitCode: 0 })
    }
  })

  it('is not hidden when it is gone, and found as soon as it is back', async () => {
    await client.call(GetStatus, {})
    await daemon.signal('SIGKILL')
    const impatient = new WritClient(daemon.socket, { retry: { attempts: 1 } })
    const begin = performance.now()
    for (let i = 0; i < 3; i++)
      await expect(impatient.call(GetStatus, {})).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        notSent: true,
      })
    await expect(impatient.execute(SLEEP).started).rejects.toMatchObject({ notSent: true })
    expect(performance.now() - begin).toBeLessThan(5000)
    await daemon.start()
    // The very next call: no memory of the failed ones.
    await impatient.call(GetStatus, {})
    impatient.close()
  })

  it('that is back within the deadline is waited for, by what may be repeated', async () => {
    await daemon.signal('SIGKILL')
    const patient = new WritClient(daemon.socket, { retry: { attempts: 100, longestDelayMs: 200 } })
    const call = patient.call(GetStatus, {})
    await daemon.start()
    expect((await call).status?.state).toBe('GATE_STATE_ATTESTED')
    patient.close()
  })

  it('that is killed under an execution is an error of it, and no second one', async () => {
    const run = client.execute(SLEEP)
    await run.started
    await daemon.signal('SIGKILL')
    await expect(run.ended).rejects.toMatchObject({ code: 'UNAVAILABLE', notSent: false })
    await daemon.start()
    const all = []
    for await (const execution of client.executions({ includeEnded: true })) all.push(execution)
    expect(all).toEqual([])
  })

  it('that hangs is noticed by what waits for ever', async () => {
    const wary = new WritClient(daemon.socket, { keepaliveMs: 300 })
    const run = wary.execute(SLEEP)
    await run.started
    await daemon.signal('SIGSTOP')
    await expect(run.ended).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await daemon.signal('SIGCONT')
    wary.close()
  })
})

describe('a watch', () => {
  it('says when the daemon is gone, once, and goes on when it is back', async () => {
    const seen: (string | number | null)[] = []
    const stop = new AbortController()
    const watch = (async () => {
      for await (const status of client.watchStatus({ signal: stop.signal })) seen.push(status?.state ?? null)
    })()
    await expect.poll(() => seen.length).toBe(1)
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      const before = seen.length
      await daemon.signal(signal)
      await expect.poll(() => seen.at(-1)).toBe(null)
      await sleep(400)
      expect(seen).toHaveLength(before + 1)
      await daemon.start()
      await expect.poll(() => seen.at(-1), { timeout: 5000 }).toBe('GATE_STATE_ATTESTED')
    }
    stop.abort()
    await expect(watch).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(seen.filter(state => state === null)).toHaveLength(2)
  })

  it('of an execution ends with it', async () => {
    const run = client.execute(SLEEP)
    const { executionId } = await run.started
    const states: unknown[] = []
    const watch = (async () => {
      for await (const execution of client.watchExecution(executionId)) states.push(execution?.state)
    })()
    await expect.poll(() => states.length).toBeGreaterThan(0)
    run.kill()
    await watch
    expect(states.at(-1)).toBe('EXECUTION_STATE_ENDED')
  })

  it('of an execution that a new daemon does not know says so', async () => {
    const run = client.execute(SLEEP)
    const { executionId } = await run.started
    const seen: unknown[] = []
    const watch = (async () => {
      for await (const execution of client.watchExecution(executionId)) seen.push(execution)
    })()
    await expect.poll(() => seen.length).toBeGreaterThan(0)
    await daemon.signal('SIGKILL')
    await daemon.start()
    await expect(watch).rejects.toMatchObject({ code: 'FAULT', faultCode: 'NOT_FOUND' })
    expect(seen).toContain(null)
  })
})
