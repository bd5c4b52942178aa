import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RestartingDaemon } from '../proto/client/restarting-daemon.ts'

let daemon: RestartingDaemon
beforeEach(async () => {
  daemon = new RestartingDaemon()
  await daemon.start()
})
afterEach(() => daemon.close())

test('where no daemon comes back, what runs says that its program was handed over, and where its end will be', async () => {
  const program = join(import.meta.dirname, 'run-patiently.ts')
  const child = spawn(process.execPath, [program, daemon.socket, '300'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said = text(child.stderr)
  const over = once(child, 'exit')
  await once(child.stdout, 'data')
  const before = Date.now()
  await daemon.stop()
  await over
  const [executionId = ''] = daemon.kept.keys()
  const error = JSON.parse(await said)
  expect(error).toEqual({
    code: 'DAEMON_UNREACHABLE',
    message: expect.stringMatching(/^writd left at \S+Z, and no daemon has gone on with the program since$/),
    lines: [
      `execution ${executionId}`,
      expect.stringMatching(/handed over.*lease.*max_evidence_age_seconds/),
    ],
    next: expect.stringContaining(`writ explain ${executionId}`),
    detail: { executionId, away: expect.any(String) },
    exitStatus: 1,
  })
  expect(Math.abs(Date.parse(error.detail.away) - before)).toBeLessThan(5000)
}, 20_000)
