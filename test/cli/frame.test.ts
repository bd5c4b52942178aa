import { execFileSync } from 'node:child_process'
import { symlinkSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { temporaryDirectory, WRIT, writ } from './cli.ts'

const dir = temporaryDirectory()
afterAll(() => dir.remove())

/** Every command that does something. */
const COMMANDS = [
  ...['init', 'run', 'issue', 'status', 'revoke', 'clear', 'verify'],
  ...['key new', 'key show', 'key trust sign', 'key trust show', 'key trust load'],
  ...['request', 'challenge', 'answer', 'certify', 'install'].map(step => `key enroll ${step}`),
  ...['reference capture', 'reference sign', 'reference show', 'reference load'],
  ...['policy sign', 'policy show', 'policy load', 'report create', 'report verify'],
  ...['tail', 'show', 'tree', 'export', 'prove'].map(what => `lineage ${what}`),
]

describe('the command line', () => {
  test.each(COMMANDS)('%s has help with an example and --json', async command => {
    const { status, stdout, stderr } = await writ([...command.split(' '), '--help'])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(new RegExp(`\\nExamples?:\\n  writ ${command}`))
    expect(stdout).toContain('--json')
  })

  test.each([
    ['nothing', []],
    ['an unknown command', ['rnu']],
    ['an unknown subcommand', ['key', 'make']],
    ['a group alone', ['key']],
    ['an unknown option', ['status', '--colour']],
    ['a missing argument', ['key', 'new']],
    ['one argument too many', ['key', 'show', 'a', 'b']],
    ['an option without its value', ['key', 'new', 'a', '--algorithm']],
    ['a value that is not offered', ['key', 'new', 'a', '--algorithm', 'rsa']],
    ['a size that is none', ['run', '--memory', '1X', '--', '/bin/true']],
    ['a duration that is none', ['run', '--run-time', '5', '--', '/bin/true']],
    ['an assignment that is none', ['run', '--env', 'A', '--', '/bin/true']],
    ['a variable twice', ['run', '--env', 'A=1', '--env', 'A=2', '--', '/bin/true']],
    ['a user that is none', ['run', '--user', 'root', '--', '/bin/true']],
    ['a program that is not in PATH', ['run', '--', 'no-such-program']],
    ['an artifact that is not there', ['run', '--artifact', 'none', '--', '/bin/true']],
  ])('wrong use: %s', async (_, args) => {
    const { status, stdout, stderr } = await writ(args, { cwd: dir.path })
    expect(status).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).not.toBe('')
    expect(stderr).not.toMatch(/^\s+at |node:internal/m)
  })

  test('says in JSON what is wrong, when asked for JSON', async () => {
    const { status, stderr } = await writ(['key', 'show', dir.in('none'), '--json'])
    expect(status).toBe(2)
    expect(JSON.parse(stderr)).toEqual({
      error: {
        code: 'FILE_MISSING',
        message: `cannot use ${dir.in('none')} as a key: there is no such file`,
        at: dir.in('none'),
      },
    })
  })

  test('a daemon that is not there is said, with what to do next', async () => {
    const { status, stderr } = await writ(['status', '--socket', dir.in('none.sock')])
    expect(status).toBe(1)
    expect(stderr).toBe(
      `writ: cannot reach writd at ${dir.in('none.sock')}: there is no such socket\n` +
        '      Start writd, or name its socket with --socket or WRIT_SOCKET.\n',
    )
    const elsewhere = await writ(['run', '/bin/true'], { env: { WRIT_SOCKET: dir.path } })
    expect(elsewhere).toMatchObject({ status: 1, stdout: '' })
    expect(elsewhere.stderr).toContain('it is not a socket')
  })

  test('works through a symbolic link and writes no colour into a pipe', () => {
    symlinkSync(WRIT, dir.in('writ link'))
    expect(execFileSync(dir.in('writ link'), ['--version'], { encoding: 'utf8' })).toMatch(/^[0-9.]+\n$/)
    const help = execFileSync(dir.in('writ link'), ['key', 'new', dir.in('k')], { encoding: 'utf8' })
    expect(help).not.toContain('\u001b')
  })
})
