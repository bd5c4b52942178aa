import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Site } from '../../demo/steps/serve.ts'
import { WRIT } from './cli.ts'
import { at, IS_ROOT, issueOptions, NEEDS_ROOT, startSite } from './site.ts'

type Step =
  | { see: string }
  | { type: string }
  | { size: [number, number] }
  | { signal: number }
  | { raw: boolean }

describe.skipIf(!IS_ROOT)(`writ run --terminal (${NEEDS_ROOT})`, () => {
  let site: Site
  let close: () => Promise<void>
  let writ: ReturnType<typeof at>
  let counter = 0

  beforeAll(async () => {
    const started = await startSite()
    site = started.site
    close = () => started.workspace.close()
    writ = at(site)
  }, 120_000)
  afterAll(() => close?.(), 60_000)

  /** Signs an artifact for a shell script that may have a terminal, and gives the arguments of `writ run` for it. */
  async function allowed(script: string, more: readonly string[] = ['--terminal']): Promise<string[]> {
    const artifact = join(site.workspace.directory, `terminal-${counter++}.json`)
    const argv = ['/bin/bash', '--norc', '-c', script]
    const { status, stderr } = await writ([...issueOptions(site, artifact, more), ...argv])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    return ['--artifact', artifact, '--', ...argv]
  }

  /** What a person sees of `writ run --terminal`. */
  async function play(args: readonly string[], steps: readonly Step[]) {
    const program = join(import.meta.dirname, 'on-terminal.py')
    const child = spawn('python3', [program, WRIT, 'run', '-t', ...args], {
      env: { PATH: process.env.PATH, WRIT_SOCKET: site.socket },
    })
    const out: Buffer[] = []
    child.stdout.on('data', piece => out.push(piece))
    let errors = ''
    child.stderr.on('data', piece => (errors += piece))
    child.stdin.end(steps.map(step => `${JSON.stringify(step)}\n`).join(''))
    await new Promise(resolve => child.once('close', resolve))
    expect(errors).toBe('')
    return JSON.parse(Buffer.concat(out).toString()) as { shown: string; status: number; restored: boolean }
  }

  test('is the caller’s terminal: its size, its keys, its resizes; and is given back', async () => {
    const script = 'stty size; trap "stty size; exit 4" WINCH; echo ready; while :; do sleep 0.05; done'
    const { shown, status, restored } = await play(await allowed(script), [
      { see: '30 100' },
      { see: 'ready' },
      { raw: true },
      { size: [40, 120] },
      { see: '40 120' },
    ])
    expect(shown).toBe('30 100\r\nready\r\n40 120\r\n')
    expect([status, restored]).toEqual([4 << 8, true])
  })

  test('Ctrl-C goes to the program and not to the command; line feeds come as they are', async () => {
    const script = 'trap "echo interrupted; exit 6" INT; stty -onlcr; printf "a\\nb\\n"; sleep 1000'
    const { shown, status, restored } = await play(await allowed(script), [
      { see: 'b' },
      { raw: true },
      { type: '\x03' },
    ])
    expect(shown).toBe('a\nb\n^Cinterrupted\n')
    expect([status, restored]).toEqual([6 << 8, true])
  })

  test('SIGTERM to the command reaches the program, and the terminal is given back', async () => {
    const { status, restored } = await play(await allowed('echo ready; while :; do sleep 0.05; done'), [
      { see: 'ready' },
      { raw: true },
      { signal: 15 },
    ])
    expect([status, restored]).toEqual([15, true])
  })

  test('the terminal is given back when the daemon ends the execution', async () => {
    const args = await allowed('echo ready; sleep 1000', ['--terminal', '--run-time', '1s'])
    const { shown, status, restored } = await play(args, [{ see: 'ready' }, { raw: true }])
    expect(shown).toContain('ended by LIMIT')
    expect([status, restored]).toEqual([(128 + 9) << 8, true])
  })

  test('is refused where it is not signed, and without a terminal to give', async () => {
    const { shown, status, restored } = await play(await allowed('true', []), [{ see: 'SCOPE_EXCEEDED' }])
    expect(shown).toContain('no terminal is signed')
    expect([status, restored]).toEqual([1 << 8, true])
    const without = await writ(['run', '--terminal', ...(await allowed('true'))])
    expect(without).toMatchObject({ status: 2, stderr: expect.stringContaining('is no terminal') })
    // Signed, it is still only given to whoever asks for it.
    const pipes = await writ(['run', ...(await allowed('tty; exit 3'))])
    expect(pipes).toMatchObject({ status: 3, stdout: 'not a tty\n' })
  })
})
