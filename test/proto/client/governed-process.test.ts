import { once } from 'node:events'
import { Readable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { DenialError, StartFailedError, TransportError, WritClient } from '../../../proto/client.ts'
import { type Rig, startRig } from '../../daemon/rpc/rig.ts'
import { HostileServer } from './hostile-server.ts'

const artifact = Buffer.from('{}')
const sh = (script: string) => ({
  artifact,
  workload: { program: '/bin/sh', argv: ['sh', '-c', script] },
})

let rig: Rig
let client: WritClient
beforeEach(async () => {
  rig = await startRig()
  client = rig.client()
})
afterEach(() => rig.stop())

const ended = (id: string | null) => rig.core.getExecution(id ?? '')?.end?.cause

describe('a governed process', () => {
  it('has the streams and the ends of a child process', async () => {
    const run = client.execute(sh('cat; echo oops >&2; exit 7'))
    expect(run.executionId).toBeNull()
    run.stdin.write('one ')
    run.stdin.end('two')
    const [out, err, started, end] = await Promise.all([
      text(run.stdout),
      text(run.stderr),
      run.started,
      run.ended,
    ])
    expect({ out, err }).toEqual({ out: 'one two', err: 'oops\n' })
    expect(run.executionId).toBe(started.executionId)
    expect(end).toMatchObject({ cause: 'END_CAUSE_EXIT', exitCode: 7 })
    expect(run.stdin.destroyed).toBe(true)
  })

  it('carries megabytes both ways, unchanged', async () => {
    const bytes = Buffer.alloc(5_000_000)
    for (let i = 0; i < bytes.length; i += 4) bytes.writeUInt32LE(i, i)
    const run = client.execute(sh('exec cat'))
    const [, out] = await Promise.all([pipeline(Readable.from([bytes]), run.stdin), buffer(run.stdout)])
    expect(out.equals(bytes)).toBe(true)
  })

  it('is held back while its output is not read, and its input while it does not read', async () => {
    const run = client.execute(sh('exec cat /dev/zero'))
    await run.started
    await sleep(400)
    const held = rig.core.outputRead
    await sleep(300)
    expect(rig.core.outputRead).toBe(held)
    const deaf = client.execute(sh('exec sleep 60'))
    await deaf.started
    let sent = 0
    while (sent < 64 * 1024 * 1024) {
      sent += 65_536
      if (!deaf.stdin.write(Buffer.alloc(65_536)) && !(await drained(deaf.stdin))) break
    }
    expect(sent).toBeLessThan(16 * 1024 * 1024)
    run.kill()
    deaf.kill()
    // Not one byte of it was read, and its end is known all the same.
    expect(await run.ended).toMatchObject({ cause: 'END_CAUSE_TERMINATED' })
    expect(await deaf.ended).toMatchObject({ cause: 'END_CAUSE_TERMINATED' })
  })

  it('one stream is read to its end while nobody reads a pipe’s worth of the other', async () => {
    const run = client.execute(sh('head -c 60000 /dev/zero >&2; echo done'))
    expect(await text(run.stdout)).toBe('done\n')
    await run.ended
  })

  it('goes on when its reader is gone', async () => {
    const run = client.execute(sh('head -c 3000000 /dev/zero; echo end >&2'))
    run.stdout.destroy()
    expect(await text(run.stderr)).toBe('end\n')
    expect(await run.ended).toMatchObject({ exitCode: 0 })
  })

  it('that is denied rejects everywhere with every reason, and crashes nobody who does not look', async () => {
    const run = client.execute({ workload: { program: '/bin/true' } })
    const error = await run.started.catch(error => error)
    expect(error).toBeInstanceOf(DenialError)
    expect(error.reasons).toEqual([{ code: 'ARTIFACT_MISSING', message: 'no artifact came with it' }])
    await expect(run.ended).rejects.toBe(error)
    await expect(text(run.stdout)).rejects.toBe(error)
    await expect(pipeline(Readable.from(['x']), run.stdin)).rejects.toThrow()
    client.execute({ workload: { program: '/bin/true' } })
    await expect.poll(() => rig.core.entries.length).toBe(2)
    await sleep(50)
  })

  it('that was permitted and not started rejects everywhere with why, and with its id', async () => {
    const executionId = 'ab'.repeat(16)
    const message = 'PREPARE: LIMIT_UNENFORCEABLE'
    const end = { cause: 'END_CAUSE_START_FAILED', confirmedDead: true, message, executionId } as const
    const execute = vi.spyOn(rig.core, 'execute').mockResolvedValue(end)
    const run = client.execute(sh('exit 0'))
    const error = await run.started.catch(error => error)
    expect(error).toBeInstanceOf(StartFailedError)
    expect(error).toMatchObject({
      code: 'START_FAILED',
      message: `START_FAILED: ${message}`,
      executionId,
      end,
    })
    await expect(run.ended).rejects.toBe(error)
    await expect(text(run.stdout)).rejects.toBe(error)
    // A daemon that does not say which it was, nor why.
    execute.mockResolvedValue({ cause: 'END_CAUSE_TERMINATED' })
    await expect(client.execute(sh('exit 0')).started).rejects.toMatchObject({
      message: 'TERMINATED: permitted, and not started',
      executionId: null,
    })
  })

  it('is ended by a signal, by its deadline, and by leaving its block', async () => {
    const abort = new AbortController()
    const aborted = client.execute(sh('exec sleep 60'), { signal: abort.signal })
    await aborted.started
    abort.abort()
    await expect(aborted.ended).rejects.toMatchObject({ code: 'CANCELLED' })
    const late = client.execute(sh('exec sleep 60'), { deadlineMs: 300 })
    await expect(late.ended).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    let left: string | null
    {
      await using run = client.execute(sh('exec sleep 60'))
      await run.started
      left = run.executionId
    }
    expect(ended(left)).toBe('END_CAUSE_TERMINATED')
    for (const run of [aborted, late])
      await expect.poll(() => ended(run.executionId)).toBe('END_CAUSE_CALLER_GONE')
  })

  it('that is killed before it runs is not waited for', async () => {
    const run = client.execute(sh('exec sleep 60'))
    run.kill()
    await expect(run.started).rejects.toMatchObject({ code: 'CANCELLED' })
    await expect(run.ended).rejects.toMatchObject({ code: 'CANCELLED' })
    run.kill()
  })

  it('whose connection is lost gives what came, then fails', async () => {
    const run = client.execute(sh('echo before; exec sleep 60'))
    await run.started
    await expect.poll(() => rig.core.outputRead).toBeGreaterThan(0)
    await sleep(100)
    rig.acceptor.disconnect()
    await expect(run.ended).rejects.toMatchObject({ code: 'UNAVAILABLE', notSent: false })
    const got: Buffer[] = []
    await expect(
      (async () => {
        for await (const chunk of run.stdout) got.push(chunk)
      })(),
    ).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(Buffer.concat(got).toString()).toBe('before\n')
  })

  it('of which nothing is heard is given up in time', async () => {
    const server = await new HostileServer().start()
    const other = new WritClient(server.socket, { deadlineMs: 200 })
    const run = other.execute(sh('exit 0'))
    const error = await run.started.catch(error => error)
    expect(error).toBeInstanceOf(TransportError)
    expect(error).toMatchObject({ code: 'DEADLINE_EXCEEDED', notSent: false })
    // A daemon that says only that all went well has not said what happened.
    server.treat = stream => stream.respond({ ':status': 200, 'grpc-status': '0' }, { endStream: true })
    await expect(other.execute(sh('exit 0')).ended).rejects.toMatchObject({ code: 'OTHER' })
    other.close()
    server.close()
  })
})

/** Whether a stream takes more within a short time. */
async function drained(stream: NodeJS.WritableStream): Promise<boolean> {
  const signal = AbortSignal.timeout(400)
  return once(stream, 'drain', { signal }).then(
    () => true,
    () => false,
  )
}
