import { chmodSync, chownSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { temporaryDirectory, writ } from './cli.ts'

const dir = temporaryDirectory()
const at = { cwd: dir.path }
afterAll(() => dir.remove())

interface Finding {
  severity: string
  code: string
  file: string
  line: number | null
  key: string | null
  message: string
}

/** Good keys, documents and a place for the daemon of this user. */
const GOOD = (more = '') => `[daemon]
socket = "${dir.in('run')}/writd.sock"
state_directory = "${dir.in('state')}"
[tpm]
transport = "swtpm"
path = "${dir.in('no-tpm')}"
[trust]
governance_keys = ["${dir.in('operator.pub')}"]
trust_roots = "${dir.in('trust.json')}"
policy_bundle = "${dir.in('policy.json')}"
${more}`

async function check(
  text: string,
  ...args: string[]
): Promise<{ status: number | null; findings: Finding[] }> {
  writeFileSync(dir.in('writd.toml'), text, { mode: 0o644 })
  const { status, stdout, stderr } = await writ(
    ['config', 'check', dir.in('writd.toml'), '--json', ...args],
    at,
  )
  expect(stderr).toBe('')
  const { ok, findings } = JSON.parse(stdout)
  expect({ ok, status }).toEqual({ ok: status === 0, status })
  return { status, findings }
}
const briefly = (findings: Finding[]) => findings.map(({ line, key, code }) => `${line} ${key} ${code}`)

beforeAll(async () => {
  for (const name of ['operator', 'stranger']) await writ(['key', 'new', name], at)
  mkdirSync(dir.in('policies'))
  writeFileSync(dir.in('policies/all.cedar'), 'permit (principal, action, resource);\n')
  for (const key of ['operator', 'stranger']) {
    const signed = ['--version', '1', '--key', `${key}.key`, '--out']
    const prefix = key === 'operator' ? '' : 'stranger-'
    await writ(
      ['key', 'trust', 'sign', '--authority', 'release=operator.pub', ...signed, `${prefix}trust.json`],
      at,
    )
    await writ(['policy', 'sign', 'policies', '--valid', 'any', ...signed, `${prefix}policy.json`], at)
  }
  mkdirSync(dir.in('state/identity'), { recursive: true, mode: 0o750 })
  writeFileSync(dir.in('state/identity/identity.json'), '{}')
})

describe('writ config check', () => {
  test('says everything that is wrong, with file and line, of what the files name too', async () => {
    writeFileSync(dir.in('garbage.json'), '{}')
    const text = [
      '[daemon]',
      'sockets = "/x"',
      `state_directory = "${dir.in('state')}"`,
      '[trust]',
      `governance_keys = ["${dir.in('operator.pub')}", "${dir.in('absent.pub')}", "${dir.in('operator.key')}"]`,
      `trust_roots = "${dir.in('stranger-trust.json')}"`,
      `policy_bundle = "${dir.in('garbage.json')}"`,
      '[tpm]',
      `path = "${dir.in('garbage.json')}"`,
      `hardware_roots = ["${dir.in('garbage.json')}"]`,
      '[quota]',
      'calls = 0',
    ].join('\n')
    const { status, findings } = await check(text)
    expect(status).toBe(1)
    expect(briefly(findings)).toEqual([
      '2 daemon.sockets CONFIG_UNKNOWN_KEY',
      '12 quota.calls CONFIG_BAD_VALUE',
      '5 trust.governance_keys FILE_UNUSABLE',
      '5 trust.governance_keys FILE_UNUSABLE',
      '10 tpm.hardware_roots FILE_UNUSABLE',
      '6 trust.trust_roots FILE_UNUSABLE',
      '7 trust.policy_bundle FILE_UNUSABLE',
      '9 tpm.path FILE_UNUSABLE',
    ])
    const said = (key: string) =>
      findings.filter(finding => finding.key === key).map(({ message }) => message)
    expect(said('trust.governance_keys')[0]).toContain('there is no such file')
    expect(said('trust.governance_keys')[1]).toContain('holds a private key')
    expect(said('trust.trust_roots')[0]).toContain('DOCUMENT_UNSIGNED')
    expect(said('tpm.path')[0]).toContain('is no device')
  })

  test('for a person, one in a line', async () => {
    writeFileSync(dir.in('bad.toml'), '[daemon]\nsockets = "/x"\n')
    const { status, stdout } = await writ(['config', 'check', dir.in('bad.toml'), '--only-files'], at)
    expect(status).toBe(1)
    expect(stdout).toBe(
      `${dir.in('bad.toml')}:2: error: daemon.sockets is not a known key; did you mean daemon.socket?\n${dir.in('bad.toml')}: error: trust.governance_keys has to be set\n2 errors, 0 warnings\n`,
    )
  })

  test('finds nothing in a good one but that there is no TPM', async () => {
    const { findings } = await check(GOOD())
    expect(briefly(findings)).toEqual(['6 tpm.path FILE_UNUSABLE'])
  })

  test('takes the shipped files, alone and beside each other', async () => {
    for (const which of ['writd', 'launchd']) {
      const { stdout } = await writ(['config', 'default', which], at)
      // The package's user is on the host that has the package.
      const here = stdout.replace('writd_user = writ', 'writd_user = nobody')
      writeFileSync(dir.in(`shipped-${which}`), here, { mode: 0o644 })
    }
    const args = [
      'config',
      'check',
      'shipped-writd',
      '--launchd',
      'shipped-launchd',
      '--only-files',
      '--json',
    ]
    const { findings } = JSON.parse((await writ(args, at)).stdout)
    const notRoot = process.getuid?.() === 0 ? [] : ['CONFIG_UNSAFE']
    expect(findings.map((finding: Finding) => finding.code)).toEqual(notRoot)
  })

  test('compares the two files', async () => {
    writeFileSync(
      dir.in('launchd.conf'),
      'socket = /run/w/s\nwritd_uid = 990\nwritd_gid = 990\nuids = 60600-60700\nmax_executions = 100\nmax_evidence_age_seconds = 10\n',
      { mode: 0o600 },
    )
    const { findings } = await check(GOOD(), '--only-files', '--launchd', dir.in('launchd.conf'))
    expect(
      findings
        .filter(({ code }) => code === 'FILES_DISAGREE')
        .map(({ key, severity }) => `${severity} ${key}`),
    ).toEqual([
      'error daemon.launcher_socket',
      'error execution.uid_range',
      'error attestation.max_evidence_age_seconds',
      'warning execution.max_executions',
    ])
    // The one beside is found by itself.
    const beside = await check(GOOD(), '--only-files')
    expect(beside.findings).toEqual(findings)
    writeFileSync(dir.in('launchd.conf'), 'socket = /s\nuid = 1\n', { mode: 0o600 })
    const broken = await check(GOOD(), '--only-files')
    expect(broken.findings.map(({ file, line, message }) => `${file} ${line} ${message}`)).toContain(
      `${dir.in('launchd.conf')} 2 is not a known key; did you mean uids?`,
    )
    symlinkSync(dir.in('launchd.conf'), dir.in('link.conf'))
    const link = await check(GOOD(), '--only-files', '--launchd', dir.in('link.conf'))
    expect(link.findings.some(({ message }) => message.includes('is a link'))).toBe(true)
    writeFileSync(
      dir.in('launchd.conf'),
      'socket = /run/writ-launchd/launchd.sock\nwritd_uid = 990\nwritd_gid = 990\nuids = 60600-61183\n',
    )
  })

  describe.skipIf(process.getuid?.() !== 0)(
    'as the daemon’s user would find it (needs root: whose files they are)',
    () => {
      const user = '64990:64990'
      const of = (findings: Finding[]) =>
        findings.filter(({ key }) => key !== 'tpm.path').map(({ key, code }) => `${key} ${code}`)
      beforeAll(() => {
        chmodSync(dir.path, 0o755)
        chownSync(dir.in('state'), 64990, 64990)
      })
      afterAll(() => {
        chownSync(dir.in('state'), 0, 0)
        for (const name of ['operator.pub', 'trust.json', 'writd.toml']) chmodSync(dir.in(name), 0o644)
      })

      test('all is well', async () => {
        expect(of((await check(GOOD(), '--user', user)).findings)).toEqual([])
      })

      test('a file that it may not read, a directory that it may not enter', async () => {
        chmodSync(dir.in('trust.json'), 0o600)
        const { findings } = await check(GOOD(), '--user', user)
        expect(of(findings)).toEqual(['trust.trust_roots FILE_NO_ACCESS'])
        expect(findings[0]?.message).toContain('uid 64990 may not read')
        chmodSync(dir.in('trust.json'), 0o644)
        chmodSync(dir.path, 0o700)
        const closed = await check(GOOD(), '--user', user)
        expect(closed.findings.some(({ message }) => message.includes(`may not enter ${dir.path}`))).toBe(
          true,
        )
        chmodSync(dir.path, 0o755)
      })

      test('a key, a document, the file itself or the state that somebody else can write', async () => {
        chmodSync(dir.in('operator.pub'), 0o664)
        expect(of((await check(GOOD(), '--user', user)).findings)).toEqual([
          'trust.governance_keys FILE_UNSAFE',
        ])
        chmodSync(dir.in('operator.pub'), 0o644)
        chownSync(dir.in('operator.pub'), 12345, 12345)
        expect(of((await check(GOOD(), '--user', user)).findings)).toEqual([
          'trust.governance_keys FILE_UNSAFE',
        ])
        chownSync(dir.in('operator.pub'), 0, 0)
        chmodSync(dir.in('state'), 0o770)
        expect(of((await check(GOOD(), '--user', user)).findings)).toEqual([
          'daemon.state_directory FILE_UNSAFE',
        ])
        chmodSync(dir.in('state'), 0o750)
        expect(of((await check(GOOD(), '--user', '64991:64991')).findings)).toContain(
          'daemon.state_directory FILE_NO_ACCESS',
        )
        writeFileSync(dir.in('writd.toml'), GOOD())
        chmodSync(dir.in('writd.toml'), 0o666)
        const { findings } = JSON.parse(
          (await writ(['config', 'check', dir.in('writd.toml'), '--user', user, '--json'], at)).stdout,
        )
        expect(of(findings)).toEqual(['null CONFIG_UNSAFE'])
      })
    },
  )

  test('a file that is not there is wrong use', async () => {
    const { status, stderr } = await writ(['config', 'check', dir.in('nowhere')], at)
    expect({ status, said: stderr.includes('there is no such file') }).toEqual({ status: 2, said: true })
  })
})

describe('writ config show', () => {
  test('shows every key with its value, where it comes from, and the digest', async () => {
    writeFileSync(dir.in('small.toml'), '[trust]\ngovernance_keys = ["/k"]\n[quota]\ncalls = 7\n')
    const shown = JSON.parse((await writ(['config', 'show', 'small.toml', '--json'], at)).stdout)
    expect(shown).toMatchObject({
      file: 'small.toml',
      set: ['trust.governance_keys', 'quota.calls'],
      values: { quota: { calls: 7, connections: 32 }, attestation: { reference_values: null } },
    })
    expect(shown.digest).toMatch(/^[0-9a-f]{64}$/)
    const { stdout } = await writ(['config', 'show', 'small.toml'], at)
    expect(stdout).toMatch(/^calls = 7 +# line 4, reload$/m)
    expect(stdout).toMatch(/^#reference_values is off +# default, restart$/m)
    // What it prints is a configuration that means the same.
    writeFileSync(dir.in('again.toml'), stdout)
    expect(JSON.parse((await writ(['config', 'show', 'again.toml', '--json'], at)).stdout).digest).toBe(
      shown.digest,
    )
  })

  test('refuses a file that is none, and says each problem', async () => {
    writeFileSync(dir.in('wrong.toml'), '[trust]\ngovernance_keys = ["k"]\nx = 1\n')
    const { status, stdout, stderr } = await writ(['config', 'show', 'wrong.toml'], at)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toContain('3: trust.x is not a known key')
    expect(stderr).toContain('2: trust.governance_keys item 1 has to be an absolute path')
  })
})

test('writ config default prints the shipped files', async () => {
  for (const [args, name] of [
    [[], 'writd.toml'],
    [['writd'], 'writd.toml'],
    [['launchd'], 'launchd.conf'],
  ] as const) {
    const { stdout } = await writ(['config', 'default', ...args], at)
    expect(stdout).toBe(readFileSync(`packaging/${name}`, 'utf8'))
  }
  expect((await writ(['config', 'default', 'other'], at)).status).toBe(2)
})
