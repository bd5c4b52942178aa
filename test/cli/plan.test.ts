import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { temporaryDirectory, writ } from './cli.ts'

const dir = temporaryDirectory()
const at = { cwd: dir.path }
const HOST = `000b${'a'.repeat(64)}`
const uid = String(process.getuid?.() ?? 0)
afterAll(() => dir.remove())

async function must(...args: string[]): Promise<void> {
  const { status, stderr } = await writ(args, at)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
}

beforeAll(async () => {
  for (const name of ['operator', 'alice', 'mallory']) await must('key', 'new', name)
  writeFileSync(dir.in('tool'), '#!/bin/sh\necho hello\n')
  const operator = ['--version', '1', '--key', 'operator.key']
  await must('key', 'trust', 'sign', '--authority', 'release=alice.pub', ...operator, '--out', 'trust.json')
  for (const [name, text] of [
    ['permit', 'permit (principal, action, resource);'],
    ['hardware', 'permit (principal, action, resource) when { context.attestation.tier == "hardware" };'],
  ] as const) {
    mkdirSync(dir.in(name))
    writeFileSync(dir.in(`${name}/p.cedar`), text)
    await must('policy', 'sign', name, '--valid', 'any', ...operator, '--out', `${name}.json`)
  }
  const issue = (key: string, out: string, ...more: string[]) =>
    must(
      ...[
        'issue',
        '--key',
        key,
        '--issuer',
        'release',
        '--out',
        out,
        '--host',
        HOST,
        '--uses',
        '1',
        '--uid',
        uid,
      ],
      ...['--policy', 'any', '--reference-values', 'any', '--valid', '1h', ...more, '--', './tool', 'a'],
    )
  await issue('alice.key', 'good.json')
  await issue('mallory.key', 'stranger.json')
  await issue('alice.key', 'old.json', '--not-before', '2020-01-01T00:00:00Z')
})

const GOVERNED = [
  '--trust',
  'trust.json',
  '--policy',
  'permit.json',
  '--operator-key',
  'operator.pub',
  '--host',
  HOST,
]

async function plan(args: readonly string[], argv: readonly string[] = ['./tool', 'a']) {
  const { status, stdout, stderr } = await writ(['plan', '--json', ...args, '--', ...argv], at)
  expect(stderr).toBe('')
  const { passed, checks, ...rest } = JSON.parse(stdout)
  const failed = checks.flatMap((c: { status: string; reasons: { code: string }[] }) =>
    c.reasons.map(r => r.code),
  )
  const of = (name: string) => checks.find((c: { check: string }) => c.check === name)?.status
  expect(passed).toBe(status === 0)
  return { status, failed, of, ...rest }
}

describe('writ plan', () => {
  test('says which checks a run would pass, and which only the daemon can make', async () => {
    const found = await plan(['--artifact', 'good.json', ...GOVERNED])
    expect(found).toMatchObject({ status: 0, failed: [], artifact: { issuer: 'release' } })
    expect(found.terms.argv).toEqual([dir.in('tool'), 'a'])
    for (const name of ['signatures', 'issuer', 'validity', 'audience', 'subjects', 'scope.argv', 'policy']) {
      expect({ name, status: found.of(name) }).toEqual({ name, status: 'VERIFIED' })
    }
    for (const name of ['gate', 'revocations', 'uses']) expect(found.of(name)).toBe('NOT CHECKED')
  })

  test('prints lines as verify does', async () => {
    const { status, stdout } = await writ(['plan', '--artifact', 'good.json', ...GOVERNED, './tool', 'b'], at)
    expect(status).toBe(1)
    expect(stdout).toMatch(/^VERIFIED {5}envelope: /m)
    expect(stdout).toMatch(/^FAILED {7}scope\.argv: SCOPE_EXCEEDED: another argument is signed$/m)
    expect(stdout).toMatch(/^NOT CHECKED {2}lineage, gate, .*: only the daemon knows$/m)
    expect(stdout).toMatch(/it would be denied\n$/)
  })

  test.each<[string, readonly string[], readonly string[], string]>([
    [
      'a stranger’s signature',
      ['--artifact', 'stranger.json', ...GOVERNED],
      ['./tool', 'a'],
      'SIGNER_UNTRUSTED',
    ],
    ['an artifact that has expired', ['--artifact', 'old.json'], ['./tool', 'a'], 'ARTIFACT_EXPIRED'],
    ['other arguments', ['--artifact', 'good.json'], ['./tool'], 'SCOPE_EXCEEDED'],
    ['a limit beyond', ['--artifact', 'good.json', '--network', 'host'], ['./tool', 'a'], 'SCOPE_EXCEEDED'],
    [
      'another host',
      ['--artifact', 'good.json', '--host', `000b${'b'.repeat(64)}`],
      ['./tool', 'a'],
      'AUDIENCE_MISMATCH',
    ],
    [
      'a policy that says no',
      [
        ...['--artifact', 'good.json', '--policy', 'hardware.json', '--operator-key', 'operator.pub'],
        ...['--tier', 'simulated'],
      ],
      ['./tool', 'a'],
      'POLICY_DENIED',
    ],
  ])('fails for %s', async (_, args, argv, code) => {
    expect(await plan(args, argv)).toMatchObject({ status: 1, failed: [code] })
  })

  test('fails for a file that is not as it was signed', async () => {
    const before = readFileSync(dir.in('tool'))
    writeFileSync(dir.in('tool'), '#!/bin/sh\necho other\n')
    expect(await plan(['--artifact', 'good.json'])).toMatchObject({ status: 1, failed: ['SUBJECT_MISMATCH'] })
    writeFileSync(dir.in('tool'), before)
  })

  test('without an artifact, says what would be asked for', async () => {
    const found = await plan(['--memory', '1M', '--env', 'LANG=C'])
    expect(found).toMatchObject({
      status: 0,
      artifact: null,
      request: {
        program: dir.in('tool'),
        env: [{ name: 'LANG', value: 'C' }],
        limits: { memoryBytes: 1 << 20 },
      },
    })
    expect(found.of('envelope')).toBe('NOT CHECKED')
    expect(found.of('subjects')).toBe('VERIFIED')
  })

  test.each([
    ['trust roots without the operator’s key', ['--trust', 'trust.json']],
    ['trust roots that another signed', ['--trust', 'trust.json', '--operator-key', 'mallory.pub']],
    ['a policy that is none', ['--policy', 'good.json', '--operator-key', 'operator.pub']],
    ['a host that is none', ['--host', 'here']],
    ['an artifact that is not there', ['--artifact', 'none']],
  ])('is wrong use with %s', async (_, args) => {
    const { status, stdout, stderr } = await writ(['plan', ...args, '--', './tool', 'a'], at)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(/^writ: /)
  })
})
