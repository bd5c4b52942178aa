import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseStatement } from '../../authorization/index.ts'
import { parseEnvelope } from '../../signing/dsse.ts'
import { temporaryDirectory, writ } from './cli.ts'

const dir = temporaryDirectory()
const at = { cwd: dir.path }
const HOST = `000b${'a'.repeat(64)}`
const DIGEST = 'b'.repeat(64)
afterAll(() => dir.remove())
beforeAll(async () => {
  for (const name of ['operator', 'alice', 'bob']) await writ(['key', 'new', name], at)
  mkdirSync(dir.in('policies'))
  writeFileSync(dir.in('policies/all.cedar'), 'permit (principal, action, resource);\n')
})
const must = async (args: readonly string[]) => {
  const session = await writ(args, at)
  expect(session.stderr).toBe('')
  return session.stdout
}
const wrong = async (args: readonly string[]) => {
  const { status, stdout, stderr } = await writ(args, at)
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  return stderr
}

describe('writ key trust', () => {
  const sign = (out: string, authority: string, more: readonly string[] = []) => [
    ...[
      'key',
      'trust',
      'sign',
      '--authority',
      authority,
      '--version',
      '1',
      '--key',
      'operator.key',
      '--out',
      out,
      ...more,
    ],
  ]

  test('signs authorities with their threshold, and shows them only under the operator’s key', async () => {
    await must(sign('trust.json', 'release:2=alice.pub,bob.pub', ['--authority', 'ops=bob.pub']))
    const shown = JSON.parse(
      await must(['key', 'trust', 'show', 'trust.json', '--operator-key', 'operator.pub', '--json']),
    )
    expect(shown).toMatchObject({
      version: 1,
      authorities: [
        { name: 'release', threshold: 2 },
        { name: 'ops', threshold: 1 },
      ],
    })
    expect(shown.authorities[0].keys).toHaveLength(2)
    const lines = await must(['key', 'trust', 'show', 'trust.json', '--operator-key', 'operator.pub'])
    expect(lines).toContain('  release: 2 of 2\n')
    expect(await wrong(['key', 'trust', 'show', 'trust.json', '--operator-key', 'alice.pub'])).toContain(
      'DOCUMENT_UNSIGNED',
    )
    expect(await wrong(sign('trust.json', 'release=alice.pub'))).toContain('exists and is not overwritten')
  })

  test('counts approvers, not keys, in what it says of a requester', async () => {
    const asking = ['--requester', 'release=bob.pub']
    expect(await must(sign('asked.json', 'release=alice.pub', asking))).toContain(
      '  release: 1 of 1, and a requester who is none of them\n',
    )
  })

  test.each([
    ['a threshold above the number of keys', 'release:3=alice.pub,bob.pub'],
    ['a threshold of zero', 'release:0=alice.pub'],
    ['one key twice for two', 'release:2=alice.pub,alice.pub'],
    ['no name', '=alice.pub'],
    ['no file', 'release='],
    ['a private key', 'release=alice.key'],
    ['a name with a colon', 'host:x=alice.pub'],
  ])('refuses %s', async (what, authority) => {
    expect(await wrong(sign(`${what}.json`, authority))).not.toBe('')
  })
})

describe('writ policy', () => {
  const sign = (directory: string, out: string) => [
    ...[
      'policy',
      'sign',
      directory,
      '--version',
      '3',
      '--valid',
      '30d',
      '--key',
      'operator.key',
      '--out',
      out,
    ],
  ]

  test('signs a directory, and shows it only under the operator’s key', async () => {
    await must(sign('policies', 'policy.json'))
    const shown = JSON.parse(
      await must(['policy', 'show', 'policy.json', '--operator-key', 'operator.pub', '--json']),
    )
    const left = Date.parse(shown.notAfter) - Date.now()
    expect(shown.notBefore).toBe('any')
    expect(Math.abs(left / 86_400_000 - 30)).toBeLessThan(1)
    expect(shown).toMatchObject({ version: 3, policies: { all: 'permit (principal, action, resource);\n' } })
    expect(await wrong(['policy', 'show', 'policy.json', '--operator-key', 'bob.pub'])).toContain(
      'DOCUMENT_UNSIGNED',
    )
  })

  test.each([
    ['no policy', {}],
    [
      'a file that is no part of it',
      { 'a.cedar': 'permit (principal, action, resource);', 'notes.txt': 'x' },
    ],
    ['a policy that does not parse', { 'a.cedar': 'permit (' }],
    [
      'a policy that the schema does not fit',
      { 'a.cedar': 'permit (principal, action, resource) when { context.nothing };' },
    ],
    [
      'a schema that does not parse',
      { 'a.cedar': 'permit (principal, action, resource);', 'schema.cedarschema': '{' },
    ],
    [
      'entities that are no list',
      { 'a.cedar': 'permit (principal, action, resource);', 'entities.json': '{}' },
    ],
    [
      'entities that are no JSON',
      { 'a.cedar': 'permit (principal, action, resource);', 'entities.json': '[' },
    ],
    ['a policy that is not text', { 'a.cedar': Buffer.of(0xff, 0xfe) }],
  ])('refuses a directory with %s', async (what, files) => {
    mkdirSync(dir.in(what))
    for (const [name, content] of Object.entries(files)) writeFileSync(join(dir.in(what), name), content)
    expect(await wrong(sign(what, `${what}.json`))).not.toBe('')
  })

  test('prints the schema, which docs/schema/writ.cedarschema is', async () => {
    const printed = await must(['policy', 'schema'])
    expect(printed).toBe(readFileSync('docs/schema/writ.cedarschema', 'utf8'))
    expect(JSON.parse(await must(['policy', 'schema', '--json'])).schema).toBe(printed)
  })

  test('refuses a directory that is not there', async () => {
    expect(await wrong(sign('none', 'none.json'))).toContain('cannot read the directory none')
  })
})

describe('writ labels', () => {
  const HOST_ID = `000b${'ab'.repeat(32)}`
  const signLabels = (out: string, ...more: string[]) => [
    ...['labels', 'sign', '--version', '2', '--valid', '1d', '--key', 'operator.key', '--out', out, ...more],
  ]

  test('signs them for one host, and shows them only under the operator\u2019s key', async () => {
    await must(signLabels('labels.json', '--host', HOST_ID, '--label', 'gpu', '--label', 'eu-west'))
    const show = ['labels', 'show', 'labels.json', '--operator-key']
    const shown = JSON.parse(await must([...show, 'operator.pub', '--json']))
    expect(shown).toMatchObject({ version: 2, host: HOST_ID, labels: ['gpu', 'eu-west'] })
    expect(Date.parse(shown.notAfter)).toBeGreaterThan(Date.now())
    expect(await wrong([...show, 'bob.pub'])).toContain('DOCUMENT_UNSIGNED')
  })

  test.each([
    ['no host', []],
    ['a host that is none', ['--host', 'here']],
    ['a label that is none', ['--host', HOST_ID, '--label', 'a b']],
    ['a label twice', ['--host', HOST_ID, '--label', 'a', '--label', 'a']],
  ])('refuses %s', async (what, options) => {
    expect(await wrong(signLabels(`${what}.json`, ...options))).not.toBe('')
  })
})

describe('writ issue', () => {
  const issue = (
    out: string,
    more: readonly string[] = [],
    argv: readonly string[] = ['./tool', 'a', 'b c'],
  ) => [
    ...[
      'issue',
      '--key',
      'alice.key',
      '--issuer',
      'release',
      '--out',
      out,
      '--host',
      HOST,
      '--valid',
      '90m',
      '--uses',
      '3',
    ],
    ...['--uid', '1000', '--policy', DIGEST, '--reference-values', 'any', ...more, '--', ...argv],
  ]
  beforeAll(() => {
    writeFileSync(dir.in('tool'), '\x7fELF pretended')
    writeFileSync(dir.in('model'), 'weights')
    writeFileSync(dir.in('script'), '#!/bin/sh\necho hello\n')
  })

  test('signs exactly the command line, the files and the limits', async () => {
    const more = [
      '--file',
      'model',
      '--env',
      'LANG=C',
      '--memory',
      '512M',
      '--run-time',
      '2h',
      '--simulated',
      'allow',
      '--id',
      'job-1',
    ]
    await must(issue('a.json', more))
    const { subject, predicate } = parseStatement(parseEnvelope(readFileSync(dir.in('a.json'))).payload)
    expect(subject.map(s => s.name)).toEqual(['tool', 'model'])
    expect(predicate).toMatchObject({
      id: 'job-1',
      issuer: 'release',
      audience: { hosts: [HOST], labels: 'any' },
      validity: { maxUses: 3 },
      initiator: { uids: [1000], gids: 'any', units: 'any', cgroups: 'any', programs: 'any' },
      environment: { referenceValues: 'any', simulated: 'allow' },
      policy: { digest: DIGEST },
      parent: { execution: 'none' },
      scope: {
        program: { path: dir.in('tool') },
        argv: [dir.in('tool'), 'a', 'b c'],
        env: [{ name: 'LANG', value: 'C' }],
        cwd: '/',
        user: 'own',
        sandbox: { network: 'none', seccomp: 'default', writable: [] },
        limits: { memoryBytes: 512 << 20, runTime: 7200, pids: 'any' },
        children: 'none',
      },
    })
    const { notBefore, notAfter } = predicate.validity
    expect(Date.parse(notAfter) - Date.parse(notBefore)).toBe(90 * 60_000)
  })

  test('a script brings its interpreter as a subject', async () => {
    await must(issue('script.json', [], ['./script']))
    const { predicate } = parseStatement(parseEnvelope(readFileSync(dir.in('script.json'))).payload)
    expect(predicate.scope.files).toEqual([{ subject: 'sh', path: '/bin/sh', role: 'interpreter' }])
  })

  test('is signed by every key that is given', async () => {
    await must(issue('two.json', ['--key', 'bob.key']))
    expect(parseEnvelope(readFileSync(dir.in('two.json'))).signatures).toHaveLength(2)
  })

  test.each([
    ['a program that is not there', issue('x.json', [], ['./none'])],
    ['a directory as program', issue('x.json', [], ['.'])],
    ['a file of the closure that is not there', issue('x.json', ['--file', 'none'])],
    ['any together with a host', issue('x.json', ['--host', 'any'])],
    ['a host that is none', issue('x.json', ['--host', 'here'])],
    ['no validity', issue('x.json', ['--valid', '0s'])],
    ['a time that is none', issue('x.json', ['--not-before', 'soon'])],
    ['no uses', issue('x.json', ['--uses', '0'])],
    ['a uid that is none', issue('x.json', ['--uid', 'alice'])],
    ['root as user', issue('x.json', ['--user', '0:0'])],
    ['a public key', issue('x.json', ['--key', 'alice.pub'])],
    ['a path with ..', issue('x.json', ['--device', '/dev/../etc'])],
    ['a digest that is none', issue('x.json', ['--policy', 'latest'])],
    ['a freeze with devices', issue('x.json', ['--device', 'gpu', '--on-lapse', 'freeze', '--grace', '1m'])],
    ['a freeze without end', issue('x.json', ['--on-lapse', 'freeze'])],
    ['a grace without a freeze', issue('x.json', ['--grace', '1m'])],
  ])('refuses %s', async (_, args) => {
    expect(await wrong(args)).toMatch(/^writ: /)
  })

  test('does without what it has to be told: nothing', async () => {
    for (const missing of [
      '--host',
      '--valid',
      '--uses',
      '--uid',
      '--policy',
      '--reference-values',
      '--issuer',
      '--key',
    ]) {
      const args = issue('x.json')
      args.splice(args.indexOf(missing), 2)
      expect(await wrong(args)).toContain(missing)
    }
  })
})

describe('writ revoke and clear, without a daemon', () => {
  test('a revocation can be signed here and sent elsewhere', async () => {
    const args = [
      'revoke',
      '--execution',
      'c'.repeat(32),
      '--public-key',
      'bob.pub',
      '--program',
      'tool',
      '--key',
      'operator.key',
    ]
    await must([...args, '--epoch', '4', '--out', 'revocation.json'])
    const payload = JSON.parse(parseEnvelope(readFileSync(dir.in('revocation.json'))).payload.toString())
    expect(payload).toMatchObject({
      version: 1,
      epoch: 4,
      revoke: { key: [expect.any(String)], program: [expect.any(String)], execution: ['c'.repeat(32)] },
    })
    expect(await wrong([...args, '--out', 'other.json'])).toContain('--epoch')
  })

  test.each([
    ['nothing', ['revoke']],
    ['two things at once', ['revoke', '--list', '--send', 'x']],
    ['no key', ['revoke', '--execution', 'c'.repeat(32)]],
    [
      'an execution that is none',
      ['revoke', '--execution', 'c', '--key', 'operator.key', '--epoch', '1', '--out', 'r.json'],
    ],
    ['an artifact that is none', ['revoke', '--artifact', 'operator.pub', '--key', 'operator.key']],
    ['a document that is not there', ['revoke', '--send', 'none']],
    ['no clearance', ['clear']],
    ['a clearance without a key', ['clear', '--failure']],
  ])('refuses %s', async (_, args) => {
    expect(await wrong(args)).toMatch(/^writ: /)
  })
})
