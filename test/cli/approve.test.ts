import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { issueArtifact, parseStatement, type Statement } from '../../authorization/index.ts'
import { notShown } from '../../cli/artifact/shown.ts'
import { artifactInWords } from '../../cli/artifact/words.ts'
import { checkSignatures, parseEnvelope } from '../../signing/dsse.ts'
import { readPrivateKey } from '../../signing/key.ts'
import { authorization, SUBJECTS } from '../authorization/scenario.ts'
import { temporaryDirectory, writ } from './cli.ts'

const dir = temporaryDirectory()
const at = { cwd: dir.path }
const PEOPLE = ['operator', 'alice', 'alice2', 'bob', 'carol', 'mallory', 'late']
const trust = ['--trust', 'trust.json', '--operator-key', 'operator.pub']

beforeAll(async () => {
  await Promise.all(PEOPLE.map(name => writ(['key', 'new', name], at)))
  writeFileSync(
    dir.in('authorities.toml'),
    `version = 1
     [[authority]]
     name = "release"
     threshold = 2
     requester = "required"
     key = [
       { file = "alice.pub" },
       { file = "alice2.pub", holder = "alice", role = "requester" },
       { file = "bob.pub" },
       { file = "carol.pub", role = "requester" },
       { file = "late.pub", not_before = 9000-01-01T00:00:00Z },
       { file = "operator.pub", holder = "alice" },
     ]`,
  )
  const sign = [
    'key',
    'trust',
    'sign',
    '--from',
    'authorities.toml',
    '--key',
    'operator.key',
    '--out',
    'trust.json',
  ]
  const { status, stderr } = await writ(sign, at)
  expect([status, stderr]).toEqual([0, ''])
})
afterAll(() => dir.remove())

const key = (name: string) => readPrivateKey(readFileSync(dir.in(`${name}.key`), 'utf8'))
const artifact = (file: string, names: readonly string[], change?: Parameters<typeof authorization>[0]) =>
  writeFileSync(dir.in(file), issueArtifact(SUBJECTS, authorization(change), names.map(key)))
const approve = (file: string, name: string, ...more: string[]) =>
  writ(['approve', file, '--key', `${name}.key`, '--yes', '--in-place', ...more], at)
const signers = (file: string) =>
  checkSignatures(
    parseEnvelope(readFileSync(dir.in(file))),
    PEOPLE.map(name => key(name).public),
    1,
  ).signers.map(({ id }) => PEOPLE.find(name => key(name).public.id === id))

describe('writ approve', () => {
  test('adds one signature after another, says what is missing, and leaves what was signed as it is', async () => {
    artifact('job.json', ['carol'])
    const { payload } = parseEnvelope(readFileSync(dir.in('job.json')))
    const first = await approve('job.json', 'alice', ...trust)
    expect([first.status, first.stdout]).toEqual([
      0,
      expect.stringContaining('1 of release approved, 2 are needed'),
    ])
    expect(first.stderr).toContain('arguments    /opt/app/infer --digits <ANY>')
    const second = await approve('job.json', 'bob', ...trust, '--json')
    expect(JSON.parse(second.stdout)).toMatchObject({
      signatures: 3,
      counted: { met: true, approvers: ['alice', 'bob'], requester: 'carol', missing: [] },
    })
    expect(signers('job.json')).toEqual(['alice', 'bob', 'carol'])
    expect(parseEnvelope(readFileSync(dir.in('job.json'))).payload.equals(payload)).toBe(true)
  })

  test('writes anew with --out, over nothing, and needs no trust roots', async () => {
    artifact('a.json', ['carol'])
    const out = ['approve', 'a.json', '--key', 'bob.key', '--yes', '--out', 'b.json']
    expect((await writ(out, at)).stdout).toContain('2 signatures')
    expect([signers('a.json'), signers('b.json')]).toEqual([['carol'], ['bob', 'carol']])
    const again = await writ(out, at)
    expect([again.status, again.stderr]).toEqual([
      2,
      expect.stringContaining('exists and is not overwritten'),
    ])
  })

  test('asks, and signs nothing where there is nobody to ask', async () => {
    artifact('asked.json', ['carol'])
    const { status, stderr } = await writ(['approve', 'asked.json', '--key', 'bob.key', '--in-place'], at)
    expect([status, stderr]).toEqual([2, expect.stringContaining('there is no terminal to ask at')])
    expect(signers('asked.json')).toEqual(['carol'])
  })

  test.each<[string, readonly string[], string, RegExp]>([
    ['the same key again', ['alice', 'carol'], 'alice', /has signed this artifact already/],
    ['another key of the same holder', ['alice', 'carol'], 'operator', /two keys of one holder count once/],
    [
      'whoever asked for it',
      ['alice2'],
      'alice',
      /alice asked for it, so the approval of alice does not count/,
    ],
    ['a key that nobody trusts', ['carol'], 'mallory', /may not sign for release/],
    ['a key whose time has not come', ['carol'], 'late', /of late counts only from 9000-01-01T00:00:00.000Z/],
  ])('refuses %s', async (_, before, name, why) => {
    artifact('no.json', before)
    const { status, stdout, stderr } = await approve('no.json', name, ...trust)
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toMatch(why)
    expect(signers('no.json')).toHaveLength(before.length)
  })

  test('lets an approver whom another asked sign beside the own request', async () => {
    artifact('both.json', ['alice2', 'carol'])
    expect((await approve('both.json', 'alice', ...trust)).status).toBe(0)
  })

  test('refuses signatures that were made over other bytes, with trust roots or by the own key', async () => {
    const changed = (name: string) => {
      artifact('one.json', [name])
      artifact('two.json', [], it => (it.id = 'job-2'))
      const [one, two] = ['one.json', 'two.json'].map(file => JSON.parse(readFileSync(dir.in(file), 'utf8')))
      writeFileSync(dir.in('mixed.json'), JSON.stringify({ ...two, signatures: one.signatures }))
    }
    changed('bob')
    expect((await approve('mixed.json', 'bob')).stderr).toContain('is of other bytes')
    expect((await approve('mixed.json', 'alice', ...trust)).stderr).toContain('is not')
    expect(signers('mixed.json')).toEqual([])
  })

  test.each<[string, (envelope: Record<string, unknown>) => void]>([
    ['another kind of document', it => (it.payloadType = 'application/vnd.writ.trust.v1+json')],
    ['a field that nobody knows', it => (it.note = 'x')],
    [
      'a statement with a field that nobody knows',
      it => {
        const statement = JSON.parse(Buffer.from(String(it.payload), 'base64').toString())
        statement.predicate.bonus = true
        it.payload = Buffer.from(JSON.stringify(statement)).toString('base64')
      },
    ],
  ])('refuses %s', async (_, change) => {
    artifact('odd.json', ['carol'])
    const envelope = JSON.parse(readFileSync(dir.in('odd.json'), 'utf8'))
    change(envelope)
    writeFileSync(dir.in('odd.json'), JSON.stringify(envelope))
    copyFileSync(dir.in('odd.json'), dir.in('before.json'))
    expect((await approve('odd.json', 'bob')).status).toBe(2)
    expect(readFileSync(dir.in('odd.json'))).toEqual(readFileSync(dir.in('before.json')))
  })

  test('refuses text that a person would not see', async () => {
    artifact('hidden.json', ['carol'], it => {
      it.scope.argv = ['/opt/app/infer', 'safe\u200b']
    })
    const { status, stderr } = await approve('hidden.json', 'bob')
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining('predicate.scope.argv[] (characters that cannot be seen)'),
    ])
  })
})

describe('what is shown', () => {
  const FULL: Parameters<typeof authorization>[0] = it => {
    it.audience = { hosts: it.audience.hosts, labels: ['gpu'] }
    it.initiator = {
      ...{ uids: [4711], gids: [4712], units: ['a.service'], cgroups: ['/b.slice'] },
      programs: ['c'.repeat(64)],
    }
    it.scope.env = [{ name: 'LANG', value: { any: true } }]
    it.scope.user = { uid: 4713, gid: 4714, groups: [4715] }
    it.scope.detach = true
    it.scope.children = { max: 31, depth: 3, atOnce: 32, perMinute: 33, programs: ['d'.repeat(64)] }
    it.environment.resetCount = 34
    it.onLapse = { freeze: { grace: 35 } }
    it.parent.execution = 'e'.repeat(32)
  }
  const full = () => {
    const [envelope] = [issueArtifact(SUBJECTS, authorization(FULL), [])]
    return parseStatement(parseEnvelope(envelope).payload)
  }

  test('is every field, and each value of it is in the words', () => {
    expect(notShown(full())).toEqual([])
    const words = artifactInWords(full()).join('\n')
    const leaves = (value: unknown): string[] =>
      typeof value === 'object' && value !== null ? Object.values(value).flatMap(leaves) : [String(value)]
    const { predicate, subject } = full()
    const unsaid = new Set(['any', 'true', 'infer', 'weights', 'other', 'own', 'deny', 'allow'])
    for (const leaf of [...leaves(predicate), ...leaves(subject)])
      if (!unsaid.has(leaf)) expect(words).toContain(leaf)
    for (const word of ['LANG=<ANY>', 'SIMULATED', 'may go on without its caller'])
      expect(words).toContain(word)
  })

  test('and where one path ends and what follows it begins is seen', () => {
    const words = (change: Parameters<typeof authorization>[0]) => {
      const envelope = issueArtifact(SUBJECTS, authorization(change), [])
      return artifactInWords(parseStatement(parseEnvelope(envelope).payload))
    }
    const writable = (...paths: string[]) => words(it => (it.scope.sandbox.writable = paths))
    expect(writable('/a /b')).not.toEqual(writable('/a', '/b'))
    const program = `/bin/tool  ${'0'.repeat(64)}`
    const disguised = words(it => {
      it.scope.program.path = program
      it.initiator.cgroups = ['/a /b']
    }).join('\n')
    expect(disguised).toContain(JSON.stringify(program))
    expect(disguised).toContain('cgroups "/a /b"')
  })

  test.each([
    ['predicate.wishes', (it: Statement) => Object.assign(it.predicate, { wishes: ['x'] })],
    ['predicate.scope.reach', (it: Statement) => Object.assign(it.predicate.scope, { reach: 1 })],
    ['predicate.initiator.moons', (it: Statement) => Object.assign(it.predicate.initiator, { moons: 1 })],
    ['predicate.onLapse.thaw', (it: Statement) => Object.assign(it.predicate.onLapse, { thaw: 1 })],
  ])('and a field without words is named: %s', (path, add) => {
    const statement = structuredClone(full())
    add(statement)
    expect(notShown(statement).map(found => found.replace('[]', ''))).toEqual([path])
  })

  test.each([
    '\u200b',
    '\u00a0',
    '\u2003',
    '\u2800',
    '\u2060',
    '\ufeff',
    '\u00ad',
    '\u{e0041}',
    '\u{e000}',
    '\u{10ffff}',
    '\u3164',
    '\ufe0f',
  ])('and a character that nobody sees is told: %j', character => {
    const statement = parseStatement(
      parseEnvelope(
        issueArtifact(
          SUBJECTS,
          authorization(it => (it.scope.argv = [`a${character}`])),
          [],
        ),
      ).payload,
    )
    expect(notShown(statement)).toHaveLength(1)
  })
})
