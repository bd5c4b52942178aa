import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { allDefinitions, definitionOf } from '../../cli/definition.ts'
import { SOURCE_WRIT, temporaryDirectory, WRIT, writ } from './cli.ts'
import { everything } from './json-form.ts'

const dir = temporaryDirectory()
afterAll(() => dir.remove())

/** The exit status of `writ` when its standard output is a pipe that nobody reads. */
function intoNothing(args: readonly string[], redirect = ''): number {
  const script = `trap '' PIPE; { "$0" "$@" ${redirect}; echo $? >&3; } 3>"$STATUS" | :; sleep 0.1; cat "$STATUS"`
  const env = { ...process.env, STATUS: dir.in('status') }
  // The reader has gone before a Node process has anything to write.
  return Number(execFileSync('bash', ['-c', script, WRIT, ...args], { encoding: 'utf8', env, stdio: 'pipe' }))
}

/** Every command that does something. */
const COMMANDS = allDefinitions(definitionOf(await everything()))
  .filter(({ commands }) => commands.length === 0)
  .map(({ path }) => path.slice(1).join(' '))

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
    ['root as the daemon’s user', ['init', '--user', '0', '--state-dir', 'state']],
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

  test('says what cannot go together and what cannot be', async () => {
    const said = async (...args: string[]) => (await writ(args, { cwd: dir.path })).stderr
    expect(await said('revoke', '--list', '--artifact', 'none')).toContain('do not go together')
    expect(await said('init', '--user', '0', '--state-dir', 'state')).toContain('does not run as root')
    expect(await said('key', 'new', 'authority')).toBe('')
    const options = ['--issuer', 'i', '--host', 'any', '--uses', '1', '--uid', '0', '--policy', 'any']
    const more = ['--reference-values', 'any', '--key', 'authority.key', '--out', 'o']
    const issue = (valid: string, ...start: string[]) =>
      said('issue', ...options, ...more, '--valid', valid, ...start, '/bin/true')
    expect(await issue('99999999d')).toMatch(
      /^writ: --valid reaches beyond the year 9999\n {6}Add --help for the options and an example.\n$/,
    )
    expect(await issue('1d', '--not-before', '+020000-01-01T00:00:00Z')).toMatch(/^writ: --not-before takes/)
  })

  test('a TPM that is not reached leaves nothing behind', async () => {
    const { status, stderr } = await writ(
      ['init', '--user', '61190', '--state-dir', 'state', '--tpm', 'swtpm:none.sock'],
      { cwd: dir.path },
    )
    expect(status).toBe(1)
    expect(stderr).toContain('TPM_UNAVAILABLE')
    expect(existsSync(dir.in('state'))).toBe(false)
  })

  test('an earlier checkpoint that is none is named', async () => {
    await writ(['key', 'new', dir.in('auditor')])
    mkdirSync(dir.in('bundle'))
    const key = ['--operator-key', dir.in('auditor.pub')]
    const { status, stderr } = await writ([
      'verify',
      dir.in('bundle'),
      ...key,
      '--earlier',
      dir.in('auditor.pub'),
    ])
    expect(status).toBe(2)
    expect(stderr).toContain(`cannot use ${dir.in('auditor.pub')} as a checkpoint`)
  })

  test('says in JSON what is wrong, when asked for JSON', async () => {
    const { status, stderr } = await writ(['key', 'show', dir.in('none'), '--json'])
    expect(status).toBe(2)
    expect(JSON.parse(stderr)).toEqual({
      error: {
        code: 'FILE_MISSING',
        message: `cannot use ${dir.in('none')} as a key: there is no such file`,
        at: dir.in('none'),
        next: 'Check the path.',
      },
    })
  })

  test.each([
    ['an unknown command', ['rnu', '--json'], "unknown command 'rnu'"],
    ['an unknown option', ['status', '--colour', '--json'], "unknown option '--colour'"],
    ['a missing argument', ['key', 'new', '--json'], "missing required argument 'name'"],
    ['a value that is not offered', ['key', 'new', 'a', '--algorithm', 'rsa', '--json'], 'rsa'],
    ['no command', ['key', '--json'], "unknown option '--json'"],
    ['an unknown option before a program', ['run', '--json', '--colour', '/bin/true'], '--colour'],
  ])('says in JSON what is wrong with the command line: %s', async (_, args, message) => {
    const { status, stdout, stderr } = await writ(args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(JSON.parse(stderr).error).toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining(message),
    })
  })

  test('says what is wrong with the command line as it says everything else', async () => {
    expect((await writ(['status', '--colour'])).stderr).toBe(
      "writ: unknown option '--colour'\n      Add --help for the options and an example.\n",
    )
  })

  test.each([
    [['rnu'], 'run'],
    [['executoins'], 'executions'],
    [['key', 'trust', 'sgin'], 'sign'],
    [['lineage', 'trees'], 'tree'],
    [['status', '--wach'], '--watch'],
    [['lineage', 'tail', '--folow'], '--follow'],
    [['run', '--artefact', 'x', '/bin/true'], '--artifact'],
  ])('names the nearest that there is: %j', async (args, nearest) => {
    const { status, stdout, stderr } = await writ(args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(/^writ: unknown (command|option) '.*'\n {6}Did you mean (.*)\?\n$/)
    expect(stderr).toContain(`Did you mean ${nearest}?`)
    const json = await writ([...args.slice(0, 2), '--json'])
    if (args.length < 3) expect(JSON.parse(json.stderr).error.next).toBe(`Did you mean ${nearest}?`)
  })

  test.each([
    ['a terminal', 'writ key show KEY-THAT-IS-NOT', {}, true],
    ['a terminal, and NO_COLOR', 'writ key show KEY-THAT-IS-NOT', { NO_COLOR: '1' }, false],
    ['a pipe', 'writ key show KEY-THAT-IS-NOT 2>&1 | cat', {}, false],
    ['a file', 'writ key show KEY-THAT-IS-NOT 2> errors; cat errors', {}, false],
    ['a terminal that shows no colours', 'writ key show KEY-THAT-IS-NOT', { TERM: 'dumb' }, false],
  ])('writes colours on a terminal alone: %s', (_, line, env, coloured) => {
    // script(1) gives the command a terminal.
    const command = line.replace(/^writ/, `'${WRIT}'`)
    const { stdout: out } = spawnSync('script', ['-qec', command, '/dev/null'], {
      cwd: dir.path,
      encoding: 'utf8',
      env: { PATH: process.env.PATH, HOME: dir.path, TERM: 'xterm', SHELL: '/bin/sh', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    expect(out).toContain('KEY-THAT-IS-NOT')
    expect(out.includes('\u001b[')).toBe(coloured)
  })

  test('a small command loads neither gRPC nor what talks to a TPM or decides', async () => {
    const hook = `import { registerHooks } from 'node:module'; import { appendFileSync } from 'node:fs'
      registerHooks({ load(url, context, next) { appendFileSync(process.env.LOADED, url + '\\n'); return next(url, context) } })`
    writeFileSync(dir.in('hook.mjs'), hook)
    const loadedBy = async (...args: string[]) => {
      const file = dir.in('loaded')
      writeFileSync(file, '')
      const { status } = await writ(args, {
        program: SOURCE_WRIT,
        env: { NODE_OPTIONS: `--import=${pathToFileURL(dir.in('hook.mjs'))}`, LOADED: file },
      })
      expect(status).toBe(0)
      return readFileSync(file, 'utf8')
    }
    const small = await loadedBy('key', 'show', '--help')
    expect(small).toContain('cli/commands/key/show.ts')
    expect(small).not.toMatch(/@grpc|cedar|x509|\/attestation\/|\/authorization\/|commands\/run\.ts/)
    expect(await loadedBy('status', '--help')).toContain('@grpc/grpc-js')
  })

  test.each([
    ['behind --', ['run', '--artifact', 'none', '--', '/bin/echo', '--json']],
    ['behind the program', ['run', '--artifact', 'none', '/bin/echo', '--json']],
    ['as an option’s value', ['run', '--artifact', '--json', '/bin/echo']],
  ])('--json that is not ours changes nothing: %s', async (_, args) => {
    const { status, stderr } = await writ(args, { cwd: dir.path })
    expect(status).toBe(2)
    expect(stderr).toMatch(/^writ: cannot use (none|--json) as the artifact/)
  })

  test('a reader that goes away changes no exit status', () => {
    mkdirSync(dir.in('empty'))
    execFileSync(WRIT, ['key', 'new', dir.in('operator')])
    const verify = ['verify', dir.in('empty'), '--operator-key', dir.in('operator.pub')]
    expect(intoNothing(verify)).toBe(1)
    expect(intoNothing(['key', 'show', dir.in('operator.pub')])).toBe(0)
    expect(intoNothing(['key', 'show', dir.in('none')], '2>&1')).toBe(2)
  })

  test('output that cannot be written is said in one line', () => {
    const { status, stderr } = spawnSync('sh', ['-c', '"$0" --version >/dev/full', WRIT], {
      encoding: 'utf8',
    })
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr:
        'writ: cannot write standard output: no space is left on the device\n      Check where the output goes.\n',
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
    symlinkSync(SOURCE_WRIT, dir.in('writ link'))
    expect(execFileSync(dir.in('writ link'), ['--version'], { encoding: 'utf8' })).toMatch(/^[0-9.]+\n$/)
    const help = execFileSync(dir.in('writ link'), ['key', 'new', dir.in('k')], { encoding: 'utf8' })
    expect(help).not.toContain('\u001b')
  })
})
