import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { REASON_CODES } from '../../authorization/index.ts'
import { makeCorpus } from './determinism/corpus.ts'
import type { Way } from './determinism/deciding.ts'
import type { Said } from './determinism/process.ts'

/** 100,000 takes some ten minutes of two processors. */
const REQUESTS = Number(process.env.WRIT_DECISIONS ?? 1_000)

describe(`${REQUESTS} random requests, decided by several processes (WRIT_DECISIONS)`, () => {
  const dir = mkdtempSync(join(tmpdir(), 'writ-determinism-'))
  const path = join(dir, 'corpus.json')
  beforeAll(() => writeFileSync(path, JSON.stringify(makeCorpus())))
  afterAll(() => rmSync(dir, { recursive: true, force: true }))

  let signal: AbortSignal
  async function decided(way: Way, order: number, env: Record<string, string>, cwd: string): Promise<Said> {
    const program = fileURLToPath(new URL('determinism/process.ts', import.meta.url))
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [program, path, String(REQUESTS), way, String(order)],
      { env: { PATH: process.env.PATH ?? '', ...env }, cwd, maxBuffer: 64 << 20, signal },
    )
    return JSON.parse(stdout)
  }

  test('each has the same record, in any order, with and without caches, from its record again, elsewhere', async context => {
    signal = context.signal
    const [first, bare, replayed] = await Promise.all([
      decided('cached', 1, { TZ: 'America/St_Johns', LC_ALL: 'C' }, '/'),
      decided(
        'bare',
        2,
        {
          TZ: 'Pacific/Kiritimati',
          LC_ALL: 'tr_TR.UTF-8',
          NODE_OPTIONS: '--max-old-space-size=128',
        },
        dir,
      ),
      decided('replayed', 3, { TZ: 'Asia/Kolkata', LANG: 'de_DE.UTF-8' }, '/tmp'),
    ])
    for (const other of [bare, replayed]) {
      expect(differing(first, other)).toEqual([])
      expect(other.reasons).toEqual(first.reasons)
      expect(other.permits).toEqual(first.permits)
    }
    // The requests are worth the name: every reason that there is, and every kind of permit.
    expect(REASON_CODES.filter(code => first.reasons[code] === undefined)).toEqual([])
    expect(Object.keys(first.permits).sort()).toEqual(['authorize', 'continue', 'execute', 'minted'])
    expect(first.permits.execute).toBeGreaterThan(REQUESTS / 5)
  }, 14_400_000)
})

/** Numbers of the cases whose records differ. */
function differing(one: Said, other: Said): number[] {
  const [a, b] = [Buffer.from(one.digests, 'base64'), Buffer.from(other.digests, 'base64')]
  expect(a.length).toBe(REQUESTS * 32)
  expect(b.length).toBe(a.length)
  return Array.from({ length: REQUESTS }, (_, i) => i).filter(
    i => !a.subarray(i * 32, i * 32 + 32).equals(b.subarray(i * 32, i * 32 + 32)),
  )
}
