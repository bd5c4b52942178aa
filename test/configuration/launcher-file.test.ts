import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import {
  examineLauncherConfig,
  LAUNCHER_KEYS,
  type LauncherConfig,
} from '../../configuration/launcher-file.ts'
import { sayProblem } from '../../configuration/problem.ts'

const ROOT = join(import.meta.dirname, '../..')
const LAUNCHD = process.env.WRIT_LAUNCHD ?? join(ROOT, 'native/build/writ-launchd')
const SHIPPED = readFileSync(join(ROOT, 'packaging/launchd.conf'))
const MINIMAL = 'socket = /run/w/s\nwritd_uid = 990\nwritd_gid = 990\nuids = 200000-200099\n'

const directory = mkdtempSync(join(tmpdir(), 'writ-launchd-conf-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** What the launcher itself says of a file: null when it takes it. */
function launcherSays(bytes: Uint8Array): string | null {
  const path = join(directory, 'launchd.conf')
  writeFileSync(path, bytes, { mode: 0o600 })
  const { status, stderr } = spawnSync(LAUNCHD, ['--config', path, '--check'], { encoding: 'utf8' })
  if (status === 0) return null
  expect(status, stderr).toBe(1)
  return stderr.trim().replace(`writ-launchd: ${path}`, '')
}

const linesOf = (bytes: Uint8Array) => examineLauncherConfig(bytes).problems.map(({ line }) => line)
const textsOf = (text: string) => examineLauncherConfig(Buffer.from(text)).problems.map(sayProblem)

describe('the shipped file', () => {
  it('is taken, and what it leaves as a comment is the default', () => {
    const writ = (name: string) => (name === 'writ' ? { uid: 990, gid: 991 } : null)
    const { config, problems } = examineLauncherConfig(SHIPPED, writ)
    expect(problems).toEqual([])
    expect(config).toMatchObject({ writd_user: 'writ', writd_uid: 990, writd_gid: 991 })
    const uncommented = SHIPPED.toString().replaceAll(/^#(?=[a-z_]+ = )/gm, '')
    expect(examineLauncherConfig(Buffer.from(uncommented), writ).config).toEqual(config)
  })

  it('names every key once, and explains it in a comment right above it', () => {
    const lines = SHIPPED.toString().split('\n')
    const keys = lines.flatMap(line => /^#?([a-z_]+) = /.exec(line)?.[1] ?? [])
    // The user is named; the two that say it by number are in the comment above it.
    const others = LAUNCHER_KEYS.filter(key => key !== 'writd_uid' && key !== 'writd_gid')
    expect(keys.toSorted()).toEqual(others.toSorted())
    const bare = lines.filter((line, i) => /^#?[a-z_]+ = /.test(line) && !lines[i - 1]?.startsWith('# '))
    expect(bare).toEqual([])
  })
})

describe('a file of the launcher', () => {
  it('is read with its defaults', () => {
    const { config } = examineLauncherConfig(
      Buffer.from(`# comment\n\n${MINIMAL}  shared_uids = 1000-1999,3000 # these\r\nlandlock = optional`),
    )
    expect(config).toMatchObject({
      socket: '/run/w/s',
      cgroup: 'auto',
      uids: { first: 200000, last: 200099 },
      shared_uids: [
        { first: 1000, last: 1999 },
        { first: 3000, last: 3000 },
      ],
      groups: [],
      max_executions: 256,
      landlock: 'optional',
      ima_log: null,
    } satisfies Partial<LauncherConfig>)
  })

  it('has all its problems said at once, with the text that the launcher has for a name', () => {
    const text = `${MINIMAL}shared_uid = none\nmin_uid = x\njust words\nuids = 1\nnonsense = 2\n`
    expect(textsOf(text)).toEqual([
      'shared_uid is not a known key; did you mean shared_uids?',
      'min_uid has a bad value',
      'expected: key = value',
      'uids is given twice',
      'nonsense is not a known key',
    ])
    expect(linesOf(Buffer.from(text))).toEqual([5, 6, 7, 8, 9])
    expect(launcherSays(Buffer.from(text))).toBe(
      ', line 5: shared_uid is not a known key; did you mean shared_uids?',
    )
    expect(textsOf('')).toEqual([
      'socket has to be set',
      'writd_uid has to be set',
      'writd_gid has to be set',
      'uids has to be set',
    ])
  })
})

describe.skipIf(process.geteuid?.() !== 0)('two readers, one verdict (needs root: whose file it is)', () => {
  /** The same verdict; and of the first line that either finds wrong, the same line. */
  function agree(bytes: Uint8Array): void {
    const said = launcherSays(bytes)
    const { problems } = examineLauncherConfig(bytes)
    expect({ refused: problems.length > 0, bytes: Buffer.from(bytes).toString('latin1') }).toEqual({
      refused: said !== null,
      bytes: Buffer.from(bytes).toString('latin1'),
    })
    const line = said === null ? undefined : /^, line (\d+)/.exec(said)?.[1]
    // What concerns no line in the launcher comes after all that does.
    if (line !== undefined) expect(problems[0]?.line).toBe(Number(line))
  }

  it.each([
    ...['', MINIMAL, 'socket = /s\n', `${MINIMAL}min_uid = 0\n`, `${MINIMAL}min_uid = 300000\n`],
    ...['0', '4096', '4097', '01', '-1', '+1', '1x', '', '0x10', ' 12', '99999999999999999999'].map(
      value => `${MINIMAL}max_executions = ${value}\n`,
    ),
    ...['1125899906842624', '1125899906842625', '9007199254740993'].map(
      value => `${MINIMAL}max_staged_bytes = ${value}\ntmp_bytes = ${value}\n`,
    ),
    ...['none', '', '1', '1,', '1-2-3', '5-4', '4294967294', '4294967295', Array(17).fill('1').join()].map(
      value => `${MINIMAL}groups = ${value}\n`,
    ),
    ...['/', '//a', '/a/', '/a/..', '/.a', `/${'a'.repeat(254)}`, `/${'a'.repeat(255)}`, 'a', '/ü b'].map(
      value => `${MINIMAL}cgroup = ${value}\nima_log = ${value}\n`,
    ),
    ...[
      `${MINIMAL}\tlandlock\t=\trequired\r`,
      `${MINIMAL}\rlandlock = required`,
      `${MINIMAL}= 1`,
      `${MINIMAL}\v`,
    ],
    ...['nobody', 'root', 'no-such-user', '', 'No', '1', 'a'.repeat(32), 'a'.repeat(33)].map(name =>
      MINIMAL.replace('writd_uid = 990\nwritd_gid = 990', `writd_user = ${name}`),
    ),
    ...[
      'device.gpu = /dev/nvidia*, /dev/dri/renderD*',
      'device.a=/dev/a\ndevice.a=/dev/b',
      'device. = /dev/a',
    ].map(line => `${MINIMAL}${line}\n`),
    ...[
      '',
      '/dev/',
      '/dev',
      '/etc/a',
      '/dev/a,',
      '/dev/a b',
      '/dev/../a',
      ',',
      `/dev/${'a'.repeat(506)}`,
    ].map(value => `${MINIMAL}device.x = ${value}\n`),
    ...['X', '-a', 'a_b', 'a'.repeat(31), 'a'.repeat(32)].map(name => `${MINIMAL}device.${name} = /dev/a\n`),
    MINIMAL + Array.from({ length: 17 }, (_, i) => `device.a${i} = /dev/a\n`).join(''),
    `${MINIMAL}writd_user = nobody\n`,
    MINIMAL.replace('writd_gid = 990', 'writd_user = nobody'),
    'socket = /s\nwritd_user = nobody\nuids = 65000-66000\n',
    MINIMAL.replace('990', '0'),
    MINIMAL.replace('990', '200050'),
    `${MINIMAL}#${'x'.repeat(65535 - MINIMAL.length - 1)}`,
    `${MINIMAL}#${'x'.repeat(65536 - MINIMAL.length - 1)}`,
    `${MINIMAL}\0`,
  ])('on %j', text => agree(Buffer.from(text)))

  it('on files with bytes changed', () => {
    const base = Buffer.from(
      `${MINIMAL}shared_uids = 1-2,3\nmax_executions = 10\nlandlock = optional\ndevice.ab = /dev/a, /dev/b\n`,
    )
    const change = fc.tuple(
      fc.nat(base.length - 1),
      fc.oneof(fc.constantFrom(...Buffer.from('=\n,-#09 a/\r\t\x80')), fc.nat(255)),
    )
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), changes => {
        const bytes = Buffer.from(base)
        for (const [at, value] of changes) bytes[at] = value
        agree(bytes)
      }),
      { numRuns: 300 },
    )
  })
})

describe('the reader is total', () => {
  it('for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
        const { config, problems } = examineLauncherConfig(bytes)
        expect(config === null).toBe(problems.length > 0)
      }),
      { numRuns: 500 },
    )
  })
})
