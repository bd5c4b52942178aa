import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { RECORDED_EVIDENCE } from '../support/recorded-evidence.ts'
import type { CaseLine } from './case.ts'
import { ANSWERERS } from './kinds/index.ts'

/** What compares answers with what is expected stands beside the evidence. */
const judge = RECORDED_EVIDENCE && join(RECORDED_EVIDENCE, '..', 'judge.py')
const missing = judge === undefined || !existsSync(judge) || spawnSync('python3', ['--version']).status !== 0
if (missing)
  console.warn('conformance: left out, there is no recorded evidence (WRIT_FIXTURES) or no python3')

describe.skipIf(missing)('outside conformance cases (WRIT_FIXTURES)', () => {
  const root = RECORDED_EVIDENCE ?? ''
  const folder = mkdtempSync(join(tmpdir(), 'writ-conformance-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const [cases, answers] = [join(folder, 'cases.jsonl'), join(folder, 'answers.json')]
  const run = (program: string, ...args: string[]) =>
    execFileSync(program, args, { encoding: 'utf8', maxBuffer: 64 << 20 })

  it('are answered as expected, each of them', () => {
    const lines = run('python3', judge ?? '', root, '--cases')
    writeFileSync(cases, lines)
    const kinds = new Set(
      lines
        .split('\n')
        .filter(Boolean)
        .map(line => (JSON.parse(line) as CaseLine).kind),
    )
    expect(Object.keys(ANSWERERS)).toEqual(expect.arrayContaining([...kinds]))
    run(
      process.execPath,
      join(import.meta.dirname, 'main.ts'),
      '--root',
      root,
      '--cases',
      cases,
      '--out',
      answers,
    )
    const { stdout } = spawnSync('python3', [judge ?? '', root, '--results', answers], { encoding: 'utf8' })
    const tally = stdout.split('\n').filter(line => / pass /.test(line))
    expect(stdout.split('\n').filter(line => line.startsWith('FAIL'))).toEqual([])
    expect(tally.length).toBe(kinds.size)
    for (const line of tally) expect(line).toMatch(/pass +[1-9][0-9]* +fail +0 +missing +0/)
  })
})
