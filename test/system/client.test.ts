import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { api, DenialError, WritClient } from '../../proto/client.ts'
import { generatePython, NEEDS_PYTHON, python, spawnPython } from '../proto/python/python.ts'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const SCRIPT = 'proto/examples/python/run.py'

describe.skipIf(NEEDS_ROOT !== null)('clients of a governed host', () => {
  let host: GovernedHost
  let client: WritClient
  beforeAll(async () => {
    host = await GovernedHost.start()
    client = new WritClient(host.socket)
    if (NEEDS_PYTHON === null) generatePython(host.path('generated'))
  }, 120_000)
  afterAll(async () => {
    client?.close()
    await host?.close()
  })

  const sleep = async (name: string) => {
    const artifact = readFileSync(await host.issue(name, ['/bin/sleep', '60'], ['--uses', '1']))
    return { artifact, workload: { program: '/bin/sleep', argv: ['/bin/sleep', '60'] } }
  }

  describe('in TypeScript', () => {
    const schedule = async (artifact: string, program: readonly string[]) => {
      const script = join(ROOT, 'proto/examples/schedule.ts')
      const child = spawn(process.execPath, [script, host.socket, artifact, ...program], { stdio: 'pipe' })
      return finish(child)
    }

    test('the example of docs/client.md runs a program, and says why one is denied', async () => {
      const artifact = await host.issue('sort', ['/usr/bin/sort'])
      const done = await schedule(artifact, ['/usr/bin/sort'])
      expect(done).toMatchObject({ code: 0, stderr: '' })
      expect(done.stdout).toMatch(/^execution [0-9a-f]{32} ended with 0\none\nthree\ntwo\n/)
      const denied = await schedule(artifact, ['/usr/bin/sort', '-r'])
      expect(denied).toMatchObject({ code: 1, stdout: '' })
      expect(denied.stderr).toContain('denied: SCOPE_EXCEEDED: ')
    })

    test('the page shows the example as it is', () => {
      const [, shown] = /```ts\n(.*?)```/s.exec(readFileSync(join(ROOT, 'docs/client.md'), 'utf8')) ?? []
      const example = readFileSync(join(ROOT, 'proto/examples/schedule.ts'), 'utf8')
      expect(example.endsWith(shown ?? 'nothing')).toBe(true)
      expect(shown).toContain('new WritClient')
    })

    test('kill confirms the end; the artifact’s use is gone', async () => {
      const start = await sleep('killed')
      const run = client.execute(start)
      await run.started
      run.kill()
      expect(await run.ended).toMatchObject({ cause: 'END_CAUSE_TERMINATED', confirmedDead: true, signal: 9 })
      const again = await client.execute(start).started.catch(error => error)
      expect(again).toBeInstanceOf(DenialError)
      expect(again.reasons[0].code).toBe('REPLAYED')
    })

    test('a daemon that is killed under an execution is asked no second time, and answers again after its restart', async () => {
      const start = await sleep('orphaned')
      const run = client.execute(start)
      const { artifactDigest, decisionIndex } = await run.started
      await host.stopDaemon('SIGKILL')
      await expect(run.ended).rejects.toMatchObject({ code: 'UNAVAILABLE', notSent: false })
      await host.startDaemon()
      await host.attested()
      const decisions: bigint[] = []
      for await (const { index, entry } of client.entries({ from: 0 })) {
        const text = entry.toString()
        if (JSON.parse(text).type === 'decision' && text.includes(artifactDigest))
          decisions.push(BigInt(index))
      }
      expect(decisions).toEqual([BigInt(decisionIndex)])
      const checkpoint = await client.call(api.lineage.GetCheckpoint, { fresh: true })
      expect(Number(checkpoint.size)).toBeGreaterThan(Number(decisionIndex))
    })
  })

  describe.skipIf(NEEDS_PYTHON !== null)('in Python, from the definitions alone', () => {
    const run = (artifact: string, program: readonly string[], input?: string | Buffer) =>
      python(
        host.path('generated'),
        SCRIPT,
        ['--socket', host.socket, '--artifact', artifact, '--', ...program],
        input,
      )

    test('streams and exit status are the program’s', async () => {
      const program = ['/bin/sh', '-c', 'cat; echo to-stderr >&2; exit 7']
      const done = await run(await host.issue('python', program), program, 'through stdin\n')
      expect(done).toMatchObject({ code: 7, stderr: 'to-stderr\n' })
      expect(done.stdout.toString()).toBe('through stdin\n')
    })

    test('megabytes of binary come through both ways unchanged', async () => {
      const bytes = Buffer.alloc(5 << 20, Buffer.from([0, 255, 10, 13, 27]))
      const done = await run(await host.issue('python-cat', ['/bin/cat']), ['/bin/cat'], bytes)
      expect(done.stdout.equals(bytes)).toBe(true)
    })

    test('a denial is read with every reason', async () => {
      const artifact = await host.issue('python-denied', ['/bin/echo', 'signed'])
      const done = await run(artifact, ['/bin/echo', 'other'])
      expect(done.code).toBe(1)
      expect(done.stderr).toMatch(/^denied: SCOPE_EXCEEDED: .+\n$/)
    })

    test('a fault, and a daemon that is not there, are said', async () => {
      const artifact = await host.issue('python-fault', ['/bin/true'])
      expect((await run(artifact, [''])).stderr).toMatch(/^failed: REQUEST_MALFORMED: /)
      const args = ['--socket', host.path('nobody'), '--artifact', artifact, '--', '/bin/true']
      const done = await python(host.path('generated'), SCRIPT, args)
      expect(done.code).toBe(1)
      expect(done.stderr).toMatch(/^failed: UNAVAILABLE: /)
    })

    test('its own end ends the execution', async () => {
      const artifact = await host.issue('python-sleep', ['/bin/sleep', '60'])
      const args = ['--socket', host.socket, '--artifact', artifact, '--', '/bin/sleep', '60']
      const child = spawnPython(host.path('generated'), SCRIPT, args)
      const running = async () => (await client.call(api.attestation.GetStatus, {})).status?.executions
      await expect.poll(running, { timeout: 10_000 }).toBe(1)
      child.kill('SIGINT')
      expect((await finish(child)).code).toBe(130)
      await expect.poll(running, { timeout: 10_000 }).toBe(0)
    })
  })
})

async function finish(child: ChildProcess): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { stdout, stderr } = child
  if (stdout === null || stderr === null) throw new TypeError('no pipes')
  const closed = once(child, 'close')
  const [out, err] = await Promise.all([text(stdout), text(stderr)])
  const [code] = (await closed) as [number | null]
  return { code, stdout: out, stderr: err }
}
