import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RestartingDaemon } from '../client/restarting-daemon.ts'
import { generatePython, NEEDS_PYTHON, spawnPython } from './python.ts'

describe.skipIf(NEEDS_PYTHON !== null)('the example in Python, over restarts of the daemon', () => {
  const dir = mkdtempSync(join(tmpdir(), 'writ-reattach-'))
  const daemon = new RestartingDaemon()
  beforeAll(async () => {
    generatePython(join(dir, 'generated'))
    writeFileSync(join(dir, 'artifact.json'), '{}')
    await daemon.start()
  })
  afterAll(async () => {
    await daemon.close()
    rmSync(dir, { recursive: true, force: true })
  })

  it('attaches again, and every byte comes once', async () => {
    const whole = Buffer.from(Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 7) ^ (i >> 9)))
    const args = ['--socket', daemon.socket, '--artifact', join(dir, 'artifact.json'), '--', '/bin/sh', '-c']
    const script = 'echo runs >&2; exec head -c 3000000'
    const child = spawnPython(join(dir, 'generated'), 'proto/examples/python/run.py', [...args, script])
    const { stdin, stdout, stderr } = child
    if (stdin === null || stdout === null || stderr === null) throw new TypeError('no pipes')
    const out = buffer(stdout)
    let said = ''
    stderr.on('data', piece => (said += piece))
    const ended = once(child, 'close')
    await expect.poll(() => said, { timeout: 20_000 }).toBe('runs\n')
    for (let round = 0; round < 2; round++) {
      stdin.write(whole.subarray(round * 900_000, (round + 1) * 900_000))
      await sleep(20)
      await daemon.restart()
      await expect.poll(() => daemon.attaches, { timeout: 10_000 }).toBe(round + 1)
    }
    stdin.end(whole.subarray(1_800_000))
    expect(await ended, said).toEqual([0, null])
    expect(whole.equals(await out)).toBe(true)
    expect(said).toBe('runs\n')
  }, 60_000)
})
