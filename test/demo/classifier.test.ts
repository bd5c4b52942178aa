import { execFileSync, spawnSync } from 'node:child_process'
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildClassifier } from '../../demo/classifier/build.ts'
import { sha256Hex } from '../../encoding/digest.ts'

const dir = mkdtempSync(join(tmpdir(), 'writ-classifier-'))
const program = join(dir, 'classifier')
const weights = join(dir, 'weights')
const run = (args: string[], input: string | Buffer = '') =>
  spawnSync(program, args, { input, encoding: 'utf8' })

beforeAll(async () => {
  await buildClassifier(program)
  execFileSync(program, ['train', '7', weights])
})
afterAll(() => rmSync(dir, { recursive: true }))

describe('the digit classifier', () => {
  test('reads digits that it has not been trained on', () => {
    const digits = run(['draw', '99', '500']).stdout
    const { status, stdout } = run(['infer', weights], digits)
    expect(status).toBe(0)
    const lines = stdout.trimEnd().split('\n')
    expect(lines).toHaveLength(501)
    const accuracy = /^accuracy ([0-9.]+)% \(\d+ of 500\)$/.exec(lines[500] ?? '')
    expect(Number(accuracy?.[1])).toBeGreaterThan(97)
    // The printed accuracy is what the labels say.
    const right = digits
      .trimEnd()
      .split('\n')
      .filter((line, i) => line[0] === lines[i]?.[0]).length
    expect(lines[500]).toContain(`(${right} of 500)`)
  })

  test('makes the same digits and the same weights from the same seed', () => {
    const again = join(dir, 'again')
    execFileSync(program, ['train', '7', again])
    expect(sha256Hex(readFileSync(again))).toBe(sha256Hex(readFileSync(weights)))
    expect(run(['draw', '5', '20']).stdout).toBe(run(['draw', '5', '20']).stdout)
    expect(run(['draw', '5', '20']).stdout).not.toBe(run(['draw', '6', '20']).stdout)
  })

  test('classifies digits without a label and then states no accuracy', () => {
    const digit = run(['draw', '3', '1']).stdout
    const { stdout } = run(['infer', weights], `?${digit.slice(1)}`)
    expect(stdout.trimEnd().split('\n')).toHaveLength(1)
    expect(stdout[0]).toBe(digit[0])
  })

  test.each([
    ['nothing that is a digit', 'junk\n'],
    ['a short line', '7 0123\n'],
    ['a line too long', `7 ${'0'.repeat(65)}\n`],
    ['an unknown character', `7 ${'g'.repeat(64)}\n`],
    ['an unknown label', `x ${'0'.repeat(64)}\n`],
    ['bytes', Buffer.from([0, 255, 10])],
  ])('refuses %s with the line number', (_, input) => {
    const { status, stderr } = run(['infer', weights], input)
    expect(status).toBe(2)
    expect(stderr).toBe('classifier: line 1 of the input is not a digit\n')
  })

  test('refuses weights that are missing, truncated, too long or not numbers', () => {
    expect(run(['infer', join(dir, 'none')]).stderr).toContain('No such file')
    const bad = join(dir, 'bad')
    const good = readFileSync(weights)
    writeFileSync(bad, good)
    truncateSync(bad, statSync(bad).size - 1)
    expect(run(['infer', bad])).toMatchObject({
      status: 1,
      stderr: `classifier: ${bad} is not a weights file\n`,
    })
    writeFileSync(bad, Buffer.concat([good, Buffer.of(0)]))
    expect(run(['infer', bad]).status).toBe(1)
    const nan = Buffer.from(good)
    nan.writeFloatLE(Number.NaN, 8)
    writeFileSync(bad, nan)
    expect(run(['infer', bad]).status).toBe(1)
  })

  test.each([[[]], [['infer']], [['train', 'x', 'y']], [['serve', 'w', '17', '1']], [['draw', '1', '-1']]])(
    'says its usage for %j',
    args => {
      const { status, stderr } = run(args)
      expect(status).toBe(2)
      expect(stderr).toMatch(/^usage: /)
    },
  )

  test('serves in as many processes as asked', () => {
    const child = spawnSync('timeout', ['-s', 'KILL', '0.5', program, 'serve', weights, '2', '5'], {
      encoding: 'utf8',
    })
    expect(new Set(child.stdout.match(/worker \d/g))).toEqual(new Set(['worker 5', 'worker 6']))
    const alive = readdirSync('/proc').filter(pid => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').startsWith(program)
      } catch {
        return false
      }
    })
    for (const pid of alive) process.kill(Number(pid), 'SIGKILL')
  })
})
