import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DEFAULT_SCHEMA, type PolicyQuestion } from '../../authorization/index.ts'
import { AnswerCache } from '../../authorization/policy/answer-cache.ts'
import { PolicyEngine } from '../../authorization/policy/engine.ts'
import { contextKey } from '../../authorization/policy/usage.ts'
import { policy } from './scenario.ts'

const CLAIMS = [
  ...['instanceIdentity', 'configuration', 'executables', 'fileSystem', 'hardware'],
  ...['runtimeOpaque', 'storageOpaque', 'sourcedData'],
]

/** The engine over policies with these conditions. */
const engine = (...conditions: string[]) => create(conditions, DEFAULT_SCHEMA)
const checkedEngine = (...conditions: string[]) => create(conditions, `${DEFAULT_SCHEMA}\n`)

function create(conditions: string[], schema: string): PolicyEngine {
  const policies = conditions.map((condition, i) => {
    const text = `${i === 0 ? 'permit' : 'forbid'}(principal, action, resource) when { ${condition} };`
    return [`p${i}`, text] as const
  })
  const made = PolicyEngine.create({ policies, schema })
  return made instanceof PolicyEngine ? made : expect.fail(made.message)
}
const use = (...conditions: string[]) => engine(...conditions).contextUse.toSorted()

describe('what policies can see of the context', () => {
  it.each<[string, string, string[][]]>([
    ['nothing', 'principal == Writ::User::"1"', []],
    [
      'a record and a part of it',
      'context.caller.uid == 1 && context.caller == {uid: 1, gid: 1, cgroup: ""}',
      [['caller']],
    ],
    ['one attribute', 'context.caller.uid == 1', [['caller', 'uid']]],
    ['a whole record', 'context.caller == {uid: 1, gid: 1, cgroup: ""}', [['caller']]],
    ['whether something is there', 'context.request.limits has pids', [['request', 'limits', 'pids']]],
    [
      'whether something is there, and it',
      'context has request.limits.pids && context.request.limits.pids == 3',
      [['request', 'limits', 'pids']],
    ],
    [
      'what is within other expressions',
      'if context.request.children then false else ["a"].contains(context.host)',
      [['host'], ['request', 'children']],
    ],
    ['what is in a record of the policy', '{a: context.host, Var: "context"}.a == "x"', [['host']]],
    ['all of it', 'context == context', [[]]],
  ])('%s', (_, condition, paths) => {
    expect(use(condition)).toEqual(paths)
  })

  it('of several policies is what any of them sees, once', () => {
    expect(use('context.now > 1', 'context.now > 2 && context.host == "x"')).toEqual([['host'], ['now']])
  })
})

describe('the key of a context', () => {
  const paths = [['a', 'b'], ['c']]
  const key = (context: unknown) => contextKey(context, paths)

  it('is the same when only what nobody sees differs', () => {
    expect(key({ a: { b: 1, x: 2 }, c: 'c', d: 1 })).toBe(key({ a: { b: 1, x: 3 }, c: 'c', e: {} }))
  })

  it('differs in what is seen, in its place, and in whether it is there', () => {
    const contexts = [
      { a: { b: 1 }, c: 2 },
      { a: { b: 2 }, c: 1 },
      { a: { b: '1' }, c: 2 },
      { a: {}, c: 2 },
      { a: { b: 1 } },
      { a: { b: [] }, c: 2 },
      { c: [2] },
      {},
    ]
    expect(new Set(contexts.map(key)).size).toBe(contexts.length)
  })

  it('takes nothing from a prototype', () => {
    expect(contextKey({}, [['constructor', 'name']])).toBe(contextKey({ a: 1 }, [['toString']]))
  })
})

/** A request that asks for so much memory, or says nothing of it. */
function question(memoryBytes: number | null): PolicyQuestion {
  const zeros = '0'.repeat(64)
  const limits = {
    runTimeMs: 1,
    memoryBytes,
    pids: 1,
    cpuSeconds: 1,
    openFiles: 1,
    outputBytes: 1,
    cpuPercent: 1,
    fileBytes: 1,
  }
  return {
    operation: 'execute',
    now: '2026-01-01T00:00:00.000Z',
    hostId: `000b${zeros}`,
    caller: { uid: 1, gid: 1, pid: 1, cgroup: '/', unit: null, program: null, parentExecution: null },
    gate: {
      state: 'ATTESTED',
      epoch: 1,
      evidenceAgeMs: 0,
      deadlineInMs: 1,
      referenceValuesDigest: zeros,
      tier: 'simulated',
      resetCount: 0,
      claims: null,
      appraisalIndex: '0',
      reasons: [],
    },
    artifact: {
      kind: 'signed',
      issuer: 'r',
      id: 'i',
      digest: zeros,
      keyIds: [],
      approvers: [],
      requester: '',
      secrets: [],
    },
    hostLabels: [],
    parents: [],
    terms: {
      program: { path: '/bin/true', sha256: zeros },
      files: [],
      argv: ['true'],
      env: [],
      cwd: '/',
      user: 'own',
      stdio: { stdin: 'null', stdout: 'null', stderr: 'null' },
      sandbox: { network: 'none', seccomp: 'default', writable: [] },
      limits,
      devices: [],
      detach: false,
      children: 'none',
      onLapse: 'kill',
      maxEvidenceAgeMs: null,
      notAfter: '2026-01-01T00:00:00.000Z',
    },
  }
}

describe('answers', () => {
  it.each([
    ['the shipped schema', DEFAULT_SCHEMA, 'allow'],
    [
      'a schema that some requests do not fit',
      DEFAULT_SCHEMA.replace('memoryBytes?:', 'memoryBytes:'),
      'failed',
    ],
  ])('under %s are the same in any order, and for whoever asks first', (_, schema, absent) => {
    const bundle = () => policy({ policies: { all: 'permit(principal, action, resource);' }, schema })
    const asked = (memory: (number | null)[], of = bundle()) =>
      memory.map(bytes => of.evaluate(question(bytes)).outcome)
    expect(asked([null, 1, null, 2, null])).toEqual([absent, 'allow', absent, 'allow', absent])
    expect(asked([1, null, 1])).toEqual(['allow', absent, 'allow'])
  })

  it('are what Cedar says without them, whatever is asked in whatever order', () => {
    const conditions = [
      'context.caller.uid < 3 && context.attestation.claims.hardware < 3',
      'context.attestation has resetCount && context.attestation.resetCount == 1 || context.hostLabels.contains("gpu")',
      'context.advisory.program == "p" || context.artifact.approvers.contains(context.artifact.requester)',
      'context.request.argv.contains("x") || context.request.network == "host"',
      'context.request.limits has pids && context.request.limits.pids > 1',
      'context.request has limits.memoryBytes || context.parents == {depth: 1, executions: ["e"], programs: ["p"]}',
      '!context.request.children && context.artifact.id like "a*"',
    ]
    const small = fc.integer({ min: 0, max: 4 })
    const context = fc.record({
      now: small,
      host: fc.constantFrom('h', 'i'),
      hostLabels: fc.subarray(['gpu', 'edge']),
      caller: fc.record({ uid: small, gid: small, cgroup: fc.constant('/') }),
      attestation: fc
        .record({
          tier: fc.constantFrom('simulated', 'unknown'),
          ageMs: small,
          referenceValues: fc.constant(''),
          claims: fc.record({
            ...Object.fromEntries(CLAIMS.map(name => [name, fc.constant(0)])),
            hardware: small,
          }),
        })
        .chain(attestation =>
          fc.oneof(
            fc.constant(attestation),
            small.map(resetCount => ({ ...attestation, resetCount })),
          ),
        ),
      artifact: fc.record({
        kind: fc.constant('signed'),
        issuer: fc.constant('r'),
        id: fc.constantFrom('a1', 'b1'),
        digest: fc.constant(''),
        keys: fc.constant([]),
        approvers: fc.subarray(['ann', 'bob']),
        requester: fc.constantFrom('', 'ann'),
      }),
      parents: fc.constantFrom(
        { depth: 0, executions: [], programs: [] },
        { depth: 1, executions: ['e'], programs: ['p'] },
      ),
      advisory: fc.record({ program: fc.constantFrom('', 'p') }),
      files: fc.constant([]),
      request: fc.record({
        argv: fc.subarray(['x', 'y']),
        argvJson: fc.constant('[]'),
        environment: fc.constant([]),
        cwd: fc.constant('/'),
        user: fc.constant('own'),
        network: fc.constantFrom('none', 'loopback', 'host'),
        seccomp: fc.constantFrom('default', 'strict'),
        writable: fc.constant([]),
        devices: fc.constant([]),
        secrets: fc.constant([]),
        detach: fc.boolean(),
        children: fc.boolean(),
        limits: fc.oneof(fc.constant({}), fc.record({ pids: small })),
      }),
    })
    fc.assert(
      fc.property(
        fc.shuffledSubarray(conditions, { minLength: 1 }),
        fc.array(context, { minLength: 1, maxLength: 40 }),
        (chosen, contexts) => {
          const cedar = engine(...chosen)
          // Any change of the schema has the whole request given to Cedar, and checked.
          const whole = checkedEngine(...chosen)
          const ask = (asked: (typeof contexts)[number], by = cedar) =>
            by.evaluate({
              principal: { type: 'Writ::User', id: '1' },
              action: { type: 'Writ::Action', id: 'Execute' },
              resource: { type: 'Writ::Program', id: 'p' },
              context: asked,
              entities: [
                { uid: { type: 'Writ::User', id: '1' }, attrs: {}, parents: [] },
                { uid: { type: 'Writ::Program', id: 'p' }, attrs: { path: '/p', labels: [] }, parents: [] },
              ],
            })
          const answers = new Map<string, unknown>()
          for (const asked of contexts) {
            const key = contextKey(asked, cedar.contextUse)
            const answer = ask(asked)
            expect(answer).toEqual(ask(asked, whole))
            expect(answer).toMatchObject({ type: 'answer', failed: [] })
            if (answers.has(key)) expect(answer).toEqual(answers.get(key))
            answers.set(key, answer)
          }
        },
      ),
      { numRuns: 60 },
    )
  })

  it('are asked for once, save failures and what is too long to be kept', () => {
    const cache = new AnswerCache()
    let asked = 0
    const get = (key: string, outcome: 'allow' | 'failed' = 'allow') =>
      cache.get(key, () => {
        asked++
        return outcome === 'failed'
          ? { outcome, failed: [], message: '' }
          : { outcome, determining: [key.slice(0, 9)] }
      })
    for (const key of ['a', 'b', 'a', 'b']) expect(get(key)).toMatchObject({ determining: [key] })
    expect(asked).toBe(2)
    for (let i = 0; i < 2; i++) get('c', 'failed')
    for (let i = 0; i < 2; i++) get('d'.repeat(5000))
    expect(asked).toBe(6)
    for (let i = 0; i < 1100; i++) get(`key ${i}`)
    get('key 1099')
    expect(asked).toBe(1106)
    get('a')
    expect(asked).toBe(1107)
  })
})
