import { describe, expect, it } from 'vitest'
import type { LaunchTerms, ParentState } from '../../authorization/index.ts'
import { checkNarrower } from '../../authorization/narrow.ts'

/** Terms with a limit on everything. */
const TERMS: LaunchTerms = {
  program: { path: '/opt/tool', sha256: 'a'.repeat(64) },
  files: [],
  argv: ['/opt/tool'],
  env: [],
  cwd: '/',
  user: { uid: 5, gid: 5, groups: [44, 45] },
  stdio: { stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' },
  sandbox: { network: 'loopback', seccomp: 'strict', writable: ['/var/tmp/a', '/var/tmp/b'] },
  limits: {
    runTimeMs: 100,
    memoryBytes: 100,
    pids: 100,
    cpuSeconds: 100,
    cpuPercent: 100,
    openFiles: 100,
    outputBytes: 100,
    fileBytes: 100,
  },
  devices: ['gpu', 'tpu'],
  detach: false,
  children: 'none',
  onLapse: { freeze: { graceMs: 100 } },
  maxEvidenceAgeMs: 100,
  notAfter: '2026-11-22T00:00:00.000Z',
}
const A = 'a'.repeat(64)
const B = 'b'.repeat(64)
const CHILDREN = { max: 5, atOnce: 5, perMinute: 5, depth: 3, programs: [A, B] }

/** Where a child with these terms is wider than its parent. */
function wider(
  child: Partial<LaunchTerms>,
  parent: Partial<LaunchTerms> = {},
  state: Partial<ParentState> = {},
) {
  const terms = { ...TERMS, children: CHILDREN, ...parent }
  const of: ParentState = {
    executionId: 'f'.repeat(32),
    live: true,
    childrenStarted: 0,
    childrenRunning: 0,
    childrenLastMinute: 0,
    ancestors: [],
    decisionRecord: A,
    ...state,
    terms,
  }
  return checkNarrower({ ...TERMS, ...child }, of).map(({ code, at }) => {
    expect(code).toBe('SCOPE_EXCEEDED')
    return at
  })
}

const sandbox = (fields: Partial<LaunchTerms['sandbox']>) => ({ sandbox: { ...TERMS.sandbox, ...fields } })
const freeze = (graceMs: number) => ({ onLapse: { freeze: { graceMs } } })
const user = (uid: number, gid: number, ...groups: number[]) => ({ user: { uid, gid, groups } })
const children = (fields: Partial<Exclude<LaunchTerms['children'], 'none'>>) => ({
  children: { ...CHILDREN, depth: 2, ...fields },
})

type Case = readonly [what: string, child: Partial<LaunchTerms>, parent?: Partial<LaunchTerms>]

type Wider = readonly [at: string, what: string, child: Partial<LaunchTerms>, parent?: Partial<LaunchTerms>]

const NARROWER: readonly Case[] = [
  ['the same terms', {}],
  ['a uid of its own', { user: 'own' }],
  ['a uid of its own under one that has one', { user: 'own' }, { user: 'own' }],
  ['fewer groups', user(5, 5, 45)],
  ['no network', sandbox({ network: 'none' })],
  ['fewer system calls', sandbox({ seccomp: 'strict' }), sandbox({ seccomp: 'default' })],
  ['a part of what may be written', sandbox({ writable: ['/var/tmp/b/c'] })],
  ['nothing to write', sandbox({ writable: [] })],
  ['no devices', { devices: [] }],
  ['one of the devices', { devices: ['tpu'] }],
  ['to end with its call', { detach: false }, { detach: true }],
  ['to outlive its call as its parent does', { detach: true }, { detach: true }],
  ['no children', { children: 'none' }],
  ['a shorter grace', freeze(99)],
  ['no grace', { onLapse: 'kill' }],
  ['no grace under one that has none', { onLapse: 'kill' }, { onLapse: 'kill' }],
  ['younger evidence', { maxEvidenceAgeMs: 99 }],
  ['any evidence, as its parent', { maxEvidenceAgeMs: null }, { maxEvidenceAgeMs: null }],
  ['an earlier end', { notAfter: '2026-11-21T23:59:59.999Z' }],
  ['children one level less deep', children({})],
  ['fewer children', children({ max: 4, atOnce: 4, perMinute: 4, programs: [B] })],
  [
    'any number of children, as its parent',
    children({ max: 'any' }),
    { children: { ...CHILDREN, max: 'any' } },
  ],
  [
    'a number of children where its parent has none',
    children({}),
    {
      children: { max: 'any', atOnce: 'any', perMinute: 'any', depth: 3, programs: 'any' },
    },
  ],
]

const LIMITS = Object.keys(TERMS.limits) as (keyof LaunchTerms['limits'])[]
const limit = (name: keyof LaunchTerms['limits'], value: number | null) => ({
  limits: { ...TERMS.limits, [name]: value },
})

const WIDER: readonly Wider[] = [
  ['user', 'another uid', user(6, 5)],
  ['user', 'another gid', user(5, 6)],
  ['user', 'one more group', user(5, 5, 44, 46)],
  ['user', 'a shared uid under one with its own', user(5, 5), { user: 'own' }],
  ['sandbox.network', 'the network of the host', sandbox({ network: 'host' })],
  ['sandbox.seccomp', 'more system calls', sandbox({ seccomp: 'default' })],
  ['sandbox.writable', 'a place beside', sandbox({ writable: ['/var/tmp/a', '/var/tmp/c'] })],
  ['sandbox.writable', 'the place above', sandbox({ writable: ['/var/tmp'] })],
  ['devices', 'one more device', { devices: ['gpu', 'npu'] }],
  ['detach', 'to outlive its call', { detach: true }],
  ['children', 'children under one that has none', children({}), { children: 'none' }],
  ['children', 'children as deep', children({ depth: 3 })],
  ['children', 'deeper children', children({ depth: 4 })],
  ...(['max', 'atOnce', 'perMinute'] as const).flatMap((name): Wider[] => [
    ['children', `more children (${name})`, children({ [name]: 6 })],
    ['children', `any number of children (${name})`, children({ [name]: 'any' })],
  ]),
  ['children', 'children of any program', children({ programs: 'any' })],
  ['children', 'children of one more program', children({ programs: [A, 'c'.repeat(64)] })],
  ['onLapse', 'a longer grace', freeze(101)],
  ['onLapse', 'a grace under one that has none', freeze(1), { onLapse: 'kill' }],
  ['maxEvidenceAgeMs', 'older evidence', { maxEvidenceAgeMs: 101 }],
  ['maxEvidenceAgeMs', 'evidence of any age', { maxEvidenceAgeMs: null }],
  ['notAfter', 'a later end', { notAfter: '2026-11-22T00:00:00.001Z' }],
  ...LIMITS.flatMap((name): Wider[] => [
    [`limits.${name}`, 'more', limit(name, 101)],
    [`limits.${name}`, 'no limit', limit(name, null)],
  ]),
]

describe("a child's terms", () => {
  for (const [what, child, parent] of NARROWER) {
    it(`may be ${what}`, () => {
      expect(wider(child, parent)).toEqual([])
    })
  }

  it.each(LIMITS)('may be less: %s', name => {
    expect(wider(limit(name, 99))).toEqual([])
    expect(wider(limit(name, 99), limit(name, null))).toEqual([])
    expect(wider(limit(name, null), limit(name, null))).toEqual([])
  })

  for (const [at, what, child, parent] of WIDER) {
    it(`${at}: may not be ${what}`, () => {
      // A parent without children denies for that as well.
      const also = parent?.children === 'none' ? ['parent.children'] : []
      expect(wider(child, parent)).toEqual([...also, `parent.${at}`])
    })
  }

  it('are denied for all of it at once, in one order', () => {
    const nothing: Partial<LaunchTerms> = {
      ...{ user: 'own', devices: [], children: 'none', onLapse: 'kill', maxEvidenceAgeMs: 1, detach: false },
      sandbox: { network: 'none', seccomp: 'strict', writable: [] },
      limits: Object.fromEntries(LIMITS.map(name => [name, 1])) as LaunchTerms['limits'],
      notAfter: '2026-11-20T00:00:00.000Z',
    }
    const all = { detach: true, children: CHILDREN, ...sandbox({ seccomp: 'default' }) }
    expect(wider(all, nothing)).toEqual(
      [
        ...['children', 'user', 'sandbox.network', 'sandbox.seccomp', 'sandbox.writable'],
        ...[
          'runTimeMs',
          'memoryBytes',
          'pids',
          'cpuSeconds',
          'openFiles',
          'outputBytes',
          'cpuPercent',
          'fileBytes',
        ].map(name => `limits.${name}`),
        ...['devices', 'detach', 'children', 'onLapse', 'maxEvidenceAgeMs', 'notAfter'],
      ].map(at => `parent.${at}`),
    )
  })

  it.each([
    ['max', 'childrenStarted'],
    ['atOnce', 'childrenRunning'],
    ['perMinute', 'childrenLastMinute'],
  ] as const)('count against what its parent may start (%s)', (name, count) => {
    expect(wider({}, {}, { [count]: 4 })).toEqual([])
    expect(wider({}, {}, { [count]: 5 })).toEqual([`parent.children.${name}`])
    expect(wider({}, { children: { ...CHILDREN, [name]: 'any' } }, { [count]: 1_000_000 })).toEqual([])
  })

  it('are of a program that its parent may start', () => {
    const program = { path: '/opt/tool', sha256: 'c'.repeat(64) }
    expect(wider({ program })).toEqual(['parent.children.programs'])
    expect(wider({ program }, { children: { ...CHILDREN, programs: 'any' } })).toEqual([])
    expect(wider({ program: { ...program, sha256: B } })).toEqual([])
  })
})
