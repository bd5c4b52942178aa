import { createHash } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AttachError, StartingError } from '../../../daemon/core.ts'
import { WritClient } from '../../../proto/client.ts'
import { RestartingDaemon } from './restarting-daemon.ts'

const artifact = Buffer.from('{}')
const sh = (script: string) => ({ artifact, workload: { program: '/bin/sh', argv: ['sh', '-c', script] } })
const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

/** Bytes that are different everywhere. */
function pattern(size: number): Buffer {
  const bytes = Buffer.alloc(size)
  for (let i = 0; i + 4 <= size; i += 4) bytes.writeUInt32LE((i * 2654435761) >>> 0, i)
  return bytes
}

describe('an execution whose daemon is restarted', () => {
  let daemon: RestartingDaemon
  let client: WritClient
  beforeEach(async () => {
    daemon = new RestartingDaemon()
    await daemon.start()
    client = new WritClient(daemon.socket, { retry: { firstDelayMs: 10 } })
  })
  afterEach(async () => {
    client.close()
    await daemon.close()
  })

  it.each([
    ['as fast as it can', 'head -c 12000000'],
    [
      'a little at a time',
      'i=0; while [ $((i += 1)) -le 60 ]; do dd bs=60000 count=1 iflag=fullblock status=none; sleep 0.01; done',
    ],
  ])('gets all of its input once, and so does its caller its output, %s', async (_, script) => {
    const all = pattern(script.startsWith('head') ? 12_000_000 : 3_600_000)
    const run = client.execute(sh(`${script}; exit 3`))
    const out = buffer(run.stdout)
    const err = buffer(run.stderr)
    run.stdin.end(all)
    await run.started
    const over = new AbortController()
    const ended = run.ended
    ended.finally(() => over.abort()).catch(() => undefined)
    let restarts = 0
    for (; restarts < 5 && !over.signal.aborted; restarts++) {
      await sleep(30 * Math.random())
      await daemon.restart()
    }
    expect(await ended).toMatchObject({ exitCode: 3 })
    expect(digest(await out)).toBe(digest(all))
    expect((await err).length).toBe(0)
    expect(daemon.attaches).toBeGreaterThan(0)
  })

  it('is told of the end of the input once it is all there', async () => {
    const run = client.execute(sh('sleep 0.3; cat; exit 4'))
    run.stdin.end('all of it')
    await run.started
    await daemon.restart()
    expect(String(await buffer(run.stdout))).toBe('all of it')
    expect(await run.ended).toMatchObject({ exitCode: 4 })
  })

  it('holds what is sent meanwhile', async () => {
    const run = client.execute(sh('exec cat'))
    await run.started
    await daemon.stop()
    run.stdin.write('while ')
    run.stdin.end('it was away')
    await sleep(50)
    await daemon.start()
    expect(String(await buffer(run.stdout))).toBe('while it was away')
    await run.ended
  })

  it.each([
    ['more of the input', 300_000],
    ['the end of the input', 600_000],
  ])('sends nothing before what had not arrived, nor %s', async (_, early) => {
    const asked = Promise.withResolvers<void>()
    const answer = Promise.withResolvers<void>()
    daemon.onAttach = () => {
      asked.resolve()
      return answer.promise
    }
    const all = pattern(600_000)
    const call = client.executeCall(sh('sleep 0.3; exec cat'))
    const out: Buffer[] = []
    const over = (async () => {
      for await (const { message, stdout, ended } of call.answers) {
        if (message === 'started') {
          // More than a pipe takes: what is beyond that is sent again.
          void call.stdin(all.subarray(0, early))
          setTimeout(() => void daemon.restart(), 50)
        }
        if (stdout) out.push(stdout)
        if (ended) return ended
      }
      return null
    })()
    await asked.promise
    const rest = call.stdin(all.subarray(early))
    if (early === all.length) call.endStdin()
    await sleep(50)
    answer.resolve()
    await rest
    call.endStdin()
    expect(await over).toMatchObject({ exitCode: 0 })
    expect(digest(Buffer.concat(out))).toBe(digest(all))
  })

  it('hears of an end that came meanwhile', async () => {
    const run = client.execute(sh('echo before; sleep 0.1; echo meanwhile; exit 9'))
    const out = buffer(run.stdout)
    await run.started
    await daemon.stop()
    await [...daemon.kept.values()][0]?.workload.exited
    await daemon.start()
    expect(await run.ended).toMatchObject({ exitCode: 9 })
    expect(String(await out)).toBe('before\nmeanwhile\n')
  })

  it('says message by message what happens', async () => {
    const call = client.executeCall(sh('read line; echo "$line"'))
    const seen: (string | undefined)[] = []
    for await (const answer of call.answers) {
      seen.push(answer.message)
      if (answer.message === 'started') void daemon.restart()
      if (answer.message === 'attached') void call.stdin(Buffer.from('x\n'))
    }
    expect(seen).toEqual(['started', 'handedOver', 'attached', 'stdout', 'ended'])
  })

  it('waits for a daemon that does not know yet, and for one that has not seen that its call is over', async () => {
    const refusals = [new StartingError('STARTING', 'not yet'), new AttachError('ATTACHED', 'somebody is')]
    daemon.onAttach = async () => {
      const refusal = refusals.shift()
      if (refusal) throw refusal
    }
    const run = client.execute(sh('read line; exit 5'))
    await run.started
    await daemon.restart()
    run.stdin.end('go\n')
    expect(await run.ended).toMatchObject({ exitCode: 5 })
    expect(daemon.attaches).toBe(3)
  })

  it('is an error where its daemon does not know it any more', async () => {
    const run = client.execute(sh('exec cat'))
    await run.started
    await daemon.stop()
    const [kept] = daemon.kept.values()
    daemon.kept.clear()
    await daemon.start()
    await expect(run.ended).rejects.toMatchObject({ faultCode: 'NOT_FOUND' })
    await expect(buffer(run.stdout)).rejects.toMatchObject({ faultCode: 'NOT_FOUND' })
    kept?.workload.end()
  })

  it('is given up after its time', async () => {
    const run = client.execute(sh('exec cat'), { reattach: { withinMs: 200 } })
    await run.started
    await daemon.stop()
    await expect(run.ended).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })

  it('is given up when its caller says so', async () => {
    const abort = new AbortController()
    const run = client.execute(sh('exec cat'), { signal: abort.signal })
    await run.started
    await daemon.stop()
    abort.abort()
    await expect(run.ended).rejects.toMatchObject({ code: 'CANCELLED' })
  })

  it('ends with its call where that is asked for', async () => {
    const run = client.execute(sh('exec cat'), { reattach: false })
    await run.started
    await daemon.restart()
    await expect(run.ended).rejects.toMatchObject({ code: 'OTHER' })
    expect(daemon.attaches).toBe(0)
  })

  it.each([
    ['fails, so that it never looks whole', undefined],
    ['is told of', []],
  ])('output that was lost with a connection %s', async (_, lost: (number | null)[] | undefined) => {
    const run = client.execute(sh('echo one; read line; echo two'), {
      ...(lost === undefined ? {} : { reattach: { onLostOutput: bytes => void lost.push(bytes) } }),
    })
    const out = buffer(run.stdout)
    out.catch(() => undefined)
    await run.started
    await sleep(50)
    await daemon.stop()
    for (const kept of daemon.kept.values()) kept.outputBytes += 17
    await daemon.start()
    run.stdin.end('go\n')
    if (lost === undefined) {
      await expect(run.ended).rejects.toThrow('17 bytes of output were lost')
      await expect(out).rejects.toThrow('17 bytes of output were lost')
    } else {
      await run.ended
      expect(String(await out)).toBe('one\ntwo\n')
      expect(lost).toEqual([17])
    }
  })

  it('fails where its daemon lacks more of the input than is remembered', async () => {
    const run = client.execute(sh('head -c 5000000 >/dev/null; exec cat'))
    run.stdin.write(pattern(5_000_000))
    await run.started
    while ((run.stdin.writableLength ?? 0) > 0) await sleep(10)
    await sleep(200)
    await daemon.stop()
    for (const kept of daemon.kept.values()) kept.stdinBytes = 0
    await daemon.start()
    await expect(run.ended).rejects.toThrow('more of the input is missing')
  })

  it('fails where its daemon has more of the input than was sent', async () => {
    const run = client.execute(sh('exec cat'))
    run.stdin.write('four')
    await run.started
    await sleep(50)
    await daemon.stop()
    for (const kept of daemon.kept.values()) kept.stdinBytes++
    await daemon.start()
    await expect(run.ended).rejects.toThrow('or than was sent')
  })
})
