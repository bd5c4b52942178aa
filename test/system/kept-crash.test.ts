import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { api, WritClient } from '../../proto/client.ts'
import { exportAndVerify, processesWith } from './audit.ts'
import { type GovernedHost, NEEDS_ROOT } from './governed-host.ts'
import { RestartedDaemon, SLOW } from './restarted-daemon.ts'

describe.skipIf(NEEDS_ROOT !== null)('what runs, where the configuration keeps it over a crash', () => {
  let daemon: RestartedDaemon
  let host: GovernedHost
  beforeAll(async () => {
    daemon = await RestartedDaemon.make('on_crash = "keep"')
    host = daemon.host
  }, 120_000)
  afterAll(() => daemon?.close())

  test('goes on with the same process, if evidence comes in time', async () => {
    const it = await daemon.execute('while :; do echo tick; sleep 0.1; done')
    await expect.poll(() => String(it.call.output), SLOW).toContain('tick')
    const handOvers = async () => (await daemon.entries('hand-over')).map(({ over }) => over)
    await expect.poll(handOvers, SLOW).toEqual(['crash'])
    await host.stopDaemon('SIGKILL')
    await daemon.next()
    const again = daemon.attach(it)
    const { executionId } = it
    await expect.poll(() => again.first('attached') ?? again.error, SLOW).toMatchObject({ executionId })
    expect(again.first('attached')).not.toHaveProperty('stdinBytes')
    await expect.poll(() => String(again.output), SLOW).toContain('tick')
    expect(processesWith(it.marker)).toEqual([it.pid])
    again.cancel()
    await expect.poll(() => processesWith(it.marker), SLOW).toEqual([])
    expect(await exportAndVerify(host, 'bundle')).toContain('1 adoptions')
  }, 90_000)

  test('writes no more than its limit over all crashes, and a restart in between', async () => {
    // Nothing but a signal has it write: how much comes in each run is known.
    const script = "trap 'head -c 20000 /dev/zero' USR1; echo up; while :; do sleep 0.02; done"
    const it = await daemon.execute(script, { args: ['--output-bytes', '70000'] })
    let { call } = it
    const { executionId } = it
    await expect.poll(() => String(call.output), SLOW).toBe('up\n')
    let bytes = 0
    const signal = async () => {
      const client = new WritClient(host.socket)
      await client.call(api.execution.Signal, { executionId, signal: 'SIGNAL_USR1' })
      client.close()
    }
    const write = async () => {
      const before = call.output.length
      await signal()
      await expect
        .poll(() => call.output.length - before + (call.first('ended') ? 20_000 : 0), SLOW)
        .toBe(20_000)
      bytes += call.output.length
    }
    await write()
    for (const how of ['crash', 'restart', 'crash']) {
      if (how === 'restart') await daemon.stopForRestart()
      else await host.stopDaemon('SIGKILL')
      await daemon.next()
      call = daemon.attach(it)
      await expect.poll(() => call.first('attached') ?? call.error, SLOW).toMatchObject({ executionId })
      if (bytes < 60_000) await write()
    }
    await signal()
    await call.over
    expect(call.first('ended')).toMatchObject({ cause: 'END_CAUSE_LIMIT' })
    bytes += call.output.length
    // At each adoption since the first crash a 64th of the limit may be lost; not a byte is won.
    expect([bytes <= 70_000, bytes >= 70_000 - (3 * 70_000) / 64]).toEqual([true, true])
    // What the log says is known, or it says that nobody can know.
    const restarts = (await daemon.entries('hand-over')).filter(
      event => event.executionId === executionId && event.over === 'restart',
    )
    expect(restarts).toMatchObject([{ stdinBytes: null, outputBytes: null }])
  }, 120_000)
})
