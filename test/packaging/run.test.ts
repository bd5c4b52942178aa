import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const house = resolve(import.meta.dirname, '../..')
let dir: string
beforeEach(() => {
  // A house of its own: the runner takes the directory above it for the root.
  dir = mkdtempSync(join(tmpdir(), 'writ-run-'))
  mkdirSync(join(dir, 'test/support'), { recursive: true })
  const support = ['setup', 'compiled', 'prepared'].map(name => `test/support/${name}.ts`)
  for (const file of [
    'test/run.ts',
    'test/unhandled-errors.ts',
    ...support,
    'vitest.config.ts',
    'package.json',
  ])
    copyFileSync(join(house, file), join(dir, file))
  symlinkSync(join(house, 'node_modules'), join(dir, 'node_modules'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

function run(
  tests: Record<string, string>,
  ...args: string[]
): { status: number | null; last: string | undefined } {
  for (const [name, body] of Object.entries(tests)) {
    const head =
      "import { afterAll, describe, expect, it } from 'vitest'\nvoid [afterAll, describe, expect, it]\n"
    writeFileSync(join(dir, 'test', `${name}.test.ts`), head + body)
  }
  const { status, stdout } = spawnSync(process.execPath, [join(dir, 'test/run.ts'), ...args], {
    encoding: 'utf8',
  })
  return { status, last: stdout.trimEnd().split('\n').at(-1) }
}

const good = "it('good', () => expect(1).toBe(1))\n"
const bad = "it('bad', () => expect(1).toBe(2))\n"
const left = "describe.skipIf(true)('left out', () => { it('x', () => {}) })\n"

describe('the test runner', () => {
  it.each([
    ['all pass', { a: good, b: good }, 0, '2 passed, 0 failed'],
    ['one fails', { a: good + bad }, 1, '1 passed, 1 failed'],
    ['one is left out', { a: good + left }, 0, '1 passed, 0 failed, 1 skipped'],
    ['all are left out', { a: left }, 1, '0 passed, 0 failed, 1 skipped'],
    ['there is no test', {}, 1, '0 passed, 0 failed'],
    ['a file cannot be loaded', { a: good, b: "import './missing.ts'\n" }, 1, '1 passed, 1 failed'],
    ['a teardown fails', { a: `${good}afterAll(() => { throw new Error('x') })\n` }, 1, '1 passed, 1 failed'],
    [
      'an error goes unhandled',
      { a: `${good}it('w', () => { void Promise.reject(new Error('x')) })\n` },
      1,
      '2 passed, 1 failed',
    ],
  ])('when %s', (_, tests, status, last) => {
    expect(run(tests)).toEqual({ status, last })
  })

  // Fails the first time only.
  const unsteady = `import { existsSync, writeFileSync } from 'node:fs'
    const seen = new URL('seen', import.meta.url)
    it('unsteady', () => {
      const before = existsSync(seen)
      writeFileSync(seen, '')
      expect(before).toBe(true)
    })\n`
  it('runs once more, alone, what failed', () => {
    expect(run({ a: good, b: unsteady })).toEqual({ status: 0, last: '2 passed, 0 failed' })
  })

  it('does not forget an unhandled error over that', () => {
    const tests = {
      a: `${good}it('w', () => { void Promise.reject(new Error('x')) })\n`,
      b: unsteady,
    }
    expect(run(tests)).toEqual({ status: 1, last: '3 passed, 1 failed' })
  })

  it('passes a filter on', () => {
    expect(run({ a: good, b: bad }, 'test/a')).toEqual({ status: 0, last: '1 passed, 0 failed' })
  })
})
