import { describe, expect, it } from 'vitest'
import { AuthorizationError, parseStatement, statementBytes } from '../../authorization/index.ts'
import { canonicalJsonBytes } from '../../encoding/json.ts'
import * as world from './scenario.ts'

type Json = Record<string, never>
const statement = (change: (it: { [key: string]: Json }) => void = () => {}): Buffer => {
  const it = JSON.parse(statementBytes(world.SUBJECTS, world.authorization()).toString())
  change(it)
  return canonicalJsonBytes(it)
}
const fault = (bytes: Buffer): string => {
  try {
    parseStatement(bytes)
  } catch (error) {
    if (error instanceof AuthorizationError && error.code === 'STATEMENT_MALFORMED')
      return error.at ?? error.message
    throw error
  }
  return 'none'
}
/** Sets the field at a path such as `predicate.scope.argv.0`. */
const set = (path: string, value: unknown) =>
  statement(it => {
    const keys = path.split('.')
    const last = keys.pop() ?? ''
    let at: Record<string, unknown> = it
    for (const key of keys) at = at[key] as Record<string, unknown>
    if (value === undefined) delete at[last]
    else at[last] = value
  })

/** Paths of all fields of a value, lists apart. */
function paths(value: unknown, at = ''): string[] {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return at === '' ? [] : [at]
  const below = Object.entries(value).flatMap(([key, item]) => paths(item, at === '' ? key : `${at}.${key}`))
  return at === '' ? below : [at, ...below]
}

describe('a statement', () => {
  it('is read as it was made', () => {
    expect(fault(statement())).toBe('none')
    expect(parseStatement(statement()).predicate).toEqual(world.authorization())
  })

  describe('has every field: without it nothing is permitted', () => {
    for (const path of paths(JSON.parse(statement().toString()))) {
      it(path, () => expect(fault(set(path, undefined))).toBe(path))
    }
  })

  describe('has no other field', () => {
    for (const path of [
      'x',
      'predicate.x',
      'predicate.scope.x',
      'predicate.scope.limits.x',
      'predicate.validity.x',
      'subject.0.x',
      'subject.0.digest.sha512',
      'predicate.scope.files.0.x',
      'predicate.toString',
      'predicate.__proto__x',
    ]) {
      it(path, () => expect(fault(set(path, 'any'))).not.toBe('none'))
    }
    it('__proto__ and constructor', () => {
      const text = statement().toString()
      for (const key of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
        const bytes = Buffer.from(text.replace('"scope":{', `"scope":{"${key}":{},`))
        expect(fault(bytes)).not.toBe('none')
      }
    })
  })

  it('says `any` where it does not limit, and no other word', () => {
    for (const path of [
      'predicate.audience.hosts',
      'predicate.audience.labels',
      'predicate.validity.maxUses',
      'predicate.initiator.uids',
      'predicate.initiator.gids',
      'predicate.initiator.units',
      'predicate.initiator.cgroups',
      'predicate.initiator.programs',
      'predicate.scope.argv',
      'predicate.scope.env',
      'predicate.scope.cwd',
      'predicate.scope.user',
      'predicate.scope.stdio',
      'predicate.scope.limits.runTime',
      'predicate.environment.referenceValues',
      'predicate.environment.maxEvidenceAge',
      'predicate.environment.resetCount',
      'predicate.policy.digest',
      'predicate.scope.program.path',
      'predicate.parent.execution',
    ]) {
      expect([path, fault(set(path, 'any'))]).toEqual([path, 'none'])
      for (const word of ['all', '*', '', 'Any', null, true]) expect(fault(set(path, word))).not.toBe('none')
    }
  })

  const REFUSED: [path: string, ...values: unknown[]][] = [
    ['_type', 'https://in-toto.io/Statement/v0.1'],
    ['predicateType', 'https://writ.dev/authorization/v2'],
    ['predicate.id', '', 'a b', 'x'.repeat(129), 'é', 'a\0'],
    ['predicate.issuer', 'host:me', 'a:b', '', 'x'.repeat(65)],
    [
      'predicate.audience.hosts',
      [],
      ['any'],
      [world.HOST, world.HOST],
      [world.HOST.toUpperCase()],
      ['ab'.repeat(34)],
    ],
    [
      'predicate.validity.notBefore',
      '2026-11-21',
      '2026-11-21T02:00:00Z',
      '2026-11-21T02:00:00.000+00:00',
      '2026-02-30T00:00:00.000Z',
      '2027-01-01T00:00:00.000Z',
    ],
    ['predicate.validity.maxUses', 0, -1, 1.5, '1', 2 ** 53],
    ['predicate.initiator.uids', [], [-1], [2 ** 32 - 1], ['1000'], [1, 1]],
    ['predicate.initiator.gids', [], [-1], [2 ** 32 - 1], ['1000'], [1, 1]],
    ['predicate.initiator.units', [], ['a/b'], ['']],
    ['predicate.initiator.cgroups', [], ['a'], [''], ['/a\n'], ['/a', '/a'], [`/${'x'.repeat(4095)}`]],
    ['predicate.initiator.programs', [], ['x'], ['AB'.repeat(32)]],
    ['predicate.audience.labels', [], ['any label'], [''], ['-a'], ['gpu', 'gpu'], ['x'.repeat(129)]],
    ['predicate.environment.resetCount', -1, 2 ** 32, '1', 1.5],
    [
      'predicate.scope.program.path',
      'infer',
      '/opt/../infer',
      '/opt//infer',
      '/opt/',
      '/opt/./x',
      '/a\0',
      `/${'x'.repeat(4095)}`,
    ],
    [
      'predicate.scope.argv',
      [],
      [1],
      [{ any: false }],
      [{ any: true, x: 1 }],
      ['a\0b'],
      Array(257).fill('a'),
    ],
    [
      'predicate.scope.env',
      [{ name: 'A=B', value: '' }],
      [{ name: '', value: '' }],
      [
        { name: 'A', value: '1' },
        { name: 'A', value: '2' },
      ],
      { A: '1' },
    ],
    [
      'predicate.scope.user',
      'root',
      { uid: 0, gid: 1, groups: [] },
      { uid: 1, gid: 0, groups: [] },
      { uid: 1, gid: 1, groups: [0] },
      { uid: 1, gid: 1 },
    ],
    ['predicate.scope.stdio', { stdin: 'terminal', stdout: 'pipe', stderr: 'terminal' }, 'terminal'],
    ['predicate.scope.detach', 'any', null, 1],
    ['predicate.scope.sandbox.network', 'any', 'bridge'],
    ['predicate.scope.sandbox.writable', ['tmp'], 'any', ['/a', '/a']],
    ['predicate.scope.limits.pids', 0, null, -1, Number.POSITIVE_INFINITY],
    ['predicate.scope.devices', ['/etc/passwd'], ['/dev/../etc'], 'any'],
    [
      'predicate.scope.children',
      'any',
      { max: 0, atOnce: 'any', perMinute: 'any', depth: 1, programs: 'any' },
      { max: 1, atOnce: 0, perMinute: 'any', depth: 1, programs: 'any' },
      { max: 1, atOnce: 'any', perMinute: 0, depth: 1, programs: 'any' },
      { max: 1, atOnce: 'any', perMinute: 'any', depth: 0, programs: 'any' },
      { max: 1, atOnce: 'any', perMinute: 'any', depth: 17, programs: 'any' },
      { max: 1, atOnce: 'any', perMinute: 'any', depth: 1 },
      { max: 1, depth: 1, programs: 'any' },
    ],
    ['predicate.environment.simulated', 'any', true],
    ['predicate.environment.maxEvidenceAge', 0, '30'],
    ['predicate.onLapse', 'any', 'stop'],
    ['predicate.parent.execution', world.HOST, 'F'.repeat(32)],
    ['subject', [], 'any'],
    ['subject.0.digest.sha256', 'any', 'AB'.repeat(32), 'ab'.repeat(31)],
  ]
  describe('is refused for', () => {
    for (const [path, ...values] of REFUSED) {
      for (const value of values) {
        it(`${path} ${(JSON.stringify(value) ?? '').slice(0, 50)}`, () => {
          const bytes =
            value === Number.POSITIVE_INFINITY
              ? Buffer.from(
                  statement()
                    .toString()
                    .replace(/"pids":\d+/, '"pids":1e400'),
                )
              : set(path, value)
          expect(fault(bytes)).not.toBe('none')
        })
      }
    }
    it("a caller's program as the only limit: it is advisory", () => {
      const nothingElse = { uids: 'any', gids: 'any', units: 'any', cgroups: 'any' }
      const bytes = set('predicate.initiator', { ...nothingElse, programs: ['0'.repeat(64)] })
      expect(fault(bytes)).toBe('predicate.initiator.programs')
    })
    it('a subject that no path is given for', () => {
      const bytes = statement(it =>
        (it.subject as unknown as unknown[]).push({ name: 'x', digest: { sha256: '0'.repeat(64) } }),
      )
      expect(fault(bytes)).toBe('subject')
    })
    it('a path of a subject that is not there', () =>
      expect(fault(set('predicate.scope.program.subject', 'x'))).toBe('predicate.scope'))
    it('the program listed again among the files', () =>
      expect(fault(set('predicate.scope.files.0.path', world.PROGRAM))).toBe('predicate.scope.files'))
    it('a freeze together with devices', () => {
      const bytes = statement(it => {
        Object.assign(it.predicate as object, { onLapse: { freeze: { grace: 60 } } })
        Object.assign((it.predicate as { scope?: object } | undefined)?.scope as object, {
          devices: ['gpu'],
        })
      })
      expect(fault(bytes)).toBe('predicate.onLapse')
    })
    it('a key that is there twice', () => {
      const bytes = Buffer.from(statement().toString().replace('"maxUses":1', '"maxUses":1,"maxUses":2'))
      expect(fault(bytes)).not.toBe('none')
    })
    it('more bytes than a statement has', () => {
      expect(fault(Buffer.concat([statement(), Buffer.alloc(100_000, ' ')]))).not.toBe('none')
    })
  })

  it('is not made when nobody would read it', () => {
    const predicate = world.authorization(it => {
      it.validity.notAfter = it.validity.notBefore
    })
    expect(() => statementBytes(world.SUBJECTS, predicate)).toThrow(AuthorizationError)
  })

  it('tells directories from files by the name of their digest and by their role, which go together', () => {
    const sha256 = { sha256: 'c'.repeat(64) }
    const tree = { writTreeV1: 'c'.repeat(64) }
    const withFile = (digest: unknown, role: string, path = '/opt/lib'): Buffer =>
      statement(it => {
        const { subject, predicate } = it as unknown as {
          subject: unknown[]
          predicate: { scope: { files: unknown[] } }
        }
        subject.push({ name: 'lib', digest })
        predicate.scope.files.push({ subject: 'lib', path, role })
      })
    expect(fault(withFile(tree, 'tree'))).toBe('none')
    expect(fault(withFile(sha256, 'other'))).toBe('none')
    for (const [digest, role, path] of [
      [tree, 'other'],
      [tree, 'script'],
      [sha256, 'tree'],
      [{ ...sha256, ...tree }, 'tree'],
      [{}, 'tree'],
      [{ writTreeV2: 'c'.repeat(64) }, 'tree'],
      [{ writTreeV1: 'C'.repeat(64) }, 'tree'],
      [tree, 'tree', '/'],
    ] as const)
      expect([digest, role, fault(withFile(digest, role, path))]).not.toContain('none')
    expect(fault(set('subject.0.digest', tree))).not.toBe('none')
  })
})
