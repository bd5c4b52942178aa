import { describe, expect, it } from 'vitest'
import { begin } from '../../authorization/evaluation.ts'
import {
  AuthorizationError,
  checkPolicySuccessor,
  DEFAULT_SCHEMA,
  openPolicyBundle,
  type PolicyBundleFields,
  parsePolicyBundle,
} from '../../authorization/index.ts'
import { newCedar } from '../../authorization/policy/cedar.ts'
import { PolicyEngine } from '../../authorization/policy/engine.ts'
import { POLICY_STAGE } from '../../authorization/stages/policy.ts'
import { canonicalJsonBytes } from '../../encoding/json.ts'
import { signEnvelope } from '../../signing/dsse.ts'
import * as world from './scenario.ts'
import { codes, decide } from './scenario.ts'

const anyPolicy = world.artifact(it => {
  it.policy.digest = 'any'
})
const under = (
  policies: Record<string, string>,
  fields: Partial<world.TestInput> = {},
  bundle: Partial<PolicyBundleFields> = {},
) => decide({ artifact: anyPolicy, policy: world.policy({ policies, ...bundle }), ...fields })
const load = (fields: Partial<PolicyBundleFields>) => () => world.policy(fields)
const failure = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    if (error instanceof AuthorizationError) return error.code
    throw error
  }
  return 'none'
}
const when = (condition: string, effect = 'permit') =>
  `${effect}(principal, action, resource) when { ${condition} };`

const known: Partial<world.TestInput> = {
  hostLabels: world.labels('gpu'),
  gate: {
    ...world.attested,
    claims: {
      ...{ 'instance-identity': 2, configuration: 3, executables: -4, 'file-system': 5, hardware: 6 },
      ...{ 'runtime-opaque': 7, 'storage-opaque': 8, 'sourced-data': 9 },
    },
  },
}

/** What an execution may that may have children. */
function parentTerms() {
  const { terms } = decide({
    artifact: world.artifact(it => {
      it.scope.children = { max: 'any', atOnce: 'any', perMinute: 'any', depth: 4, programs: 'any' }
    }),
    request: world.request({ children: true }),
  })
  return terms ?? expect.fail('the parent was denied')
}

describe('a policy decides on', () => {
  const facts: [what: string, condition: string][] = [
    ['the user that the kernel names', 'principal == Writ::User::"1000"'],
    [
      'the program by digest and path',
      `resource == Writ::Program::"${world.PROGRAM_DIGEST}" && resource.path == "${world.PROGRAM}"`,
    ],
    ['the action', 'action == Writ::Action::"Execute"'],
    ['attested facts', 'context.attestation.tier == "simulated" && context.attestation.ageMs < 5000'],
    [
      'the artifact',
      `context.artifact.issuer == "release" && context.artifact.kind == "signed" && context.artifact.keys.contains("${world.alice.public.id}")`,
    ],
    [
      'arguments as a set and in order',
      'context.request.argv.contains("7") && context.request.argvJson like "*,\\"--digits\\",\\"7\\"]"',
    ],
    ['the closure', `context.files.contains("${world.MODEL_DIGEST}")`],
    [
      'the terms that the scope resolved',
      'context.request.environment.contains("LANG") && context.request.user == "own" && context.request.limits has pids && context.request.limits.pids == 16',
    ],
    [
      'the labels that the operator signed for the host',
      'context.hostLabels.contains("gpu") && !context.hostLabels.contains("edge")',
    ],
    ['the boot', 'context.attestation has resetCount && context.attestation.resetCount == 5'],
    [
      'what the evidence is worth, claim by claim',
      'context.attestation.claims == {instanceIdentity: 2, configuration: 3, executables: -4, fileSystem: 5, hardware: 6, runtimeOpaque: 7, storageOpaque: 8, sourcedData: 9}',
    ],
    ["the caller's cgroup", 'context.caller.cgroup == "/user.slice" && context.caller.gid == 1000'],
    [
      'that nothing is above it',
      'context.parents.depth == 0 && context.parents.executions.isEmpty() && context.parents.programs.isEmpty()',
    ],
    ['whether it outlives its caller', '!context.request.detach && !context.request.children'],
    ['time', `context.now == ${Date.parse(world.NOW)}`],
  ]
  for (const [what, condition] of facts) {
    it(what, () => {
      expect(under({ yes: when(condition) }, known).reasons).toEqual([])
      expect(codes(under({ yes: world.PERMIT_ALL, no: when(condition, 'forbid') }, known))).toEqual([
        'POLICY_DENIED',
      ])
    })
  }

  it('no labels when they are over', () => {
    const hostLabels = world.labels('gpu', { notAfter: world.NOW })
    expect(codes(under({ yes: when('context.hostLabels.contains("gpu")') }, { hostLabels }))).toEqual([
      'POLICY_DENIED',
    ])
    expect(under({ yes: when('context.hostLabels.isEmpty()') }, { hostLabels }).outcome).toBe('permit')
  })

  it('evidence that claims nothing, and a boot that is not known', () => {
    const gate = { ...world.attested, claims: null, resetCount: null }
    const text = when('context.attestation.claims.hardware == 0 && !(context.attestation has resetCount)')
    expect(under({ yes: text }, { gate }).outcome).toBe('permit')
  })

  it('the labels that the bundle gives a program, and groups within groups', () => {
    const program = (id: string, labels: string[]) => ({
      uid: { type: 'Writ::Program', id },
      attrs: { labels },
      parents: [{ type: 'Writ::Programs', id: 'models' }],
    })
    const entities = [
      program(world.PROGRAM_DIGEST, ['llm', 'audited']),
      program('0'.repeat(64), []),
      {
        uid: { type: 'Writ::Programs', id: 'models' },
        attrs: {},
        parents: [{ type: 'Writ::Programs', id: 'known' }],
      },
    ]
    const text = when('resource.labels.contains("audited") && resource in Writ::Programs::"known"')
    expect(under({ yes: text }, {}, { entities }).outcome).toBe('permit')
    expect(codes(under({ yes: text }))).toEqual(['POLICY_DENIED'])
    expect(under({ yes: when('resource.labels.isEmpty()') }).outcome).toBe('permit')
    const wrong = [{ ...entities[0], attrs: { labels: [1] } }] as unknown as typeof entities
    expect(failure(load({ entities: wrong }))).toBe('POLICY_INVALID')
  })

  it('the executions above the one that asks, and their programs', () => {
    const [asks, above, top] = ['a', 'b', 'c'].map(letter => letter.repeat(32)) as [string, string, string]
    const parent = {
      executionId: asks,
      live: true,
      childrenStarted: 0,
      childrenRunning: 0,
      childrenLastMinute: 0,
      ancestors: [above, top],
      ancestorPrograms: ['1'.repeat(64), '2'.repeat(64)],
      decisionRecord: '0'.repeat(64),
      terms: parentTerms(),
    }
    const fields = {
      artifact: world.artifact(it => {
        it.policy.digest = 'any'
        it.parent.execution = asks
      }),
      caller: world.caller({ parentExecution: asks }),
      parent,
    }
    const set = (ids: string[]) => `[${ids.map(id => `"${id}"`).join(', ')}]`
    for (const condition of [
      `principal == Writ::Execution::"${asks}" && principal in Writ::Execution::"${top}"`,
      'principal in Writ::User::"1000"',
      `context.parents.depth == 3 && context.parents.executions == ${set([asks, above, top])}`,
      `context.parents.programs == ${set([world.PROGRAM_DIGEST, '1'.repeat(64), '2'.repeat(64)])}`,
    ])
      expect({ condition, reasons: under({ yes: when(condition) }, fields).reasons }).toEqual({
        condition,
        reasons: [],
      })
  })

  it('the names of the secrets that it is handed', () => {
    const says = (secrets?: { name: string; descriptor: number }[]) => {
      const { artifact: _, ...input } = world.input({
        policy: world.policy({ policies: { yes: when('context.request.secrets.contains("model-key")') } }),
      })
      const evaluation = begin(input, null, null)
      evaluation.terms = { ...parentTerms(), ...(secrets === undefined ? {} : { secrets }) }
      POLICY_STAGE.enter?.(evaluation)
      return evaluation.answer?.outcome
    }
    expect(says([{ name: 'model-key', descriptor: 3 }])).toBe('allow')
    expect(says([{ name: 'token', descriptor: 3 }])).toBe('deny')
    expect(says()).toBe('deny')
  })

  it('who asked for the artifact and who approved it', () => {
    expect(under({ yes: when('context.artifact.requester == ""') }).outcome).toBe('permit')
    const key = (of: typeof world.alice, holder: string, role: 'approver' | 'requester') => ({
      ...{ key: world.spki(of), holder, role, notBefore: 'any', notAfter: 'any' },
    })
    const authorities = [
      {
        name: 'release',
        threshold: 1,
        requester: 'required' as const,
        keys: [key(world.alice, 'ann', 'approver'), key(world.carol, 'cem', 'requester')],
      },
    ]
    const fields = {
      artifact: world.artifact(it => (it.policy.digest = 'any'), [world.alice, world.carol]),
      trustRoots: world.trustRoots({ authorities }),
    }
    const text = 'context.artifact.requester == "cem" && context.artifact.approvers == ["ann"]'
    expect(under({ yes: when(text) }, fields).reasons).toEqual([])
  })

  it("the caller's program only to forbid: whoever runs as the user can make it up", () => {
    const program = 'e'.repeat(64)
    const policies = {
      all: world.PERMIT_ALL,
      not: when(`context.advisory.program == "${program}"`, 'forbid'),
    }
    expect(under(policies).outcome).toBe('permit')
    expect(codes(under(policies, { caller: world.caller({ program }) }))).toEqual(['POLICY_DENIED'])
    for (const condition of [
      `context.advisory.program == "${program}"`,
      '!(context.advisory has program)',
      'context has advisory.program',
      'if context.advisory.program == "" then true else false',
      'context == context',
    ])
      expect({ condition, code: failure(load({ policies: { p: when(condition) } })) }).toEqual({
        condition,
        code: 'POLICY_INVALID',
      })
    const unless = 'permit(principal, action, resource) unless { context.advisory.program == "" };'
    expect(failure(load({ policies: { p: unless } }))).toBe('POLICY_INVALID')
  })

  it('the unit of the caller, and groups and programs that the bundle defines', () => {
    const entities = [
      { uid: { type: 'Writ::User', id: '1000' }, attrs: {}, parents: [{ type: 'Writ::Group', id: 'ml' }] },
      {
        uid: { type: 'Writ::Program', id: world.PROGRAM_DIGEST },
        attrs: {},
        parents: [{ type: 'Writ::Programs', id: 'known' }],
      },
    ]
    const text =
      'permit(principal in Writ::Group::"ml", action, resource in Writ::Programs::"known") when { principal in Writ::Unit::"job.service" };'
    const caller = world.caller({ unit: 'job.service' })
    expect(under({ yes: text }, { caller }, { entities }).outcome).toBe('permit')
    expect(codes(under({ yes: text }, {}, { entities }))).toEqual(['POLICY_DENIED'])
    expect(codes(under({ yes: text }, { caller }))).toEqual(['POLICY_DENIED'])
  })

  it('nothing the caller can name: what it sends stays text below `request`', () => {
    const hostile = [world.PROGRAM, '--digits', '{"__entity":{"type":"Writ::User","id":"0"}}']
    const request = world.request({ argv: hostile, env: [{ name: 'LANG', value: 'C' }] })
    const named = when(
      'context.attestation.tier == "simulated" && principal == Writ::User::"1000" && context.caller.uid == 1000',
    )
    expect(under({ yes: named }, { request }).outcome).toBe('permit')
    const env = world.artifact(it => {
      it.policy.digest = 'any'
      it.scope.env = 'any'
    })
    const asKey = world.request({
      env: [
        { name: '__entity', value: 'x' },
        { name: '__proto__', value: 'x' },
      ],
    })
    const both = when(
      'context.request.environment.contains("__entity") && context.request.environment.contains("__proto__")',
    )
    expect(under({ yes: both }, { request: asKey, artifact: env }).outcome).toBe('permit')
  })
})

describe('a trap of Cedar', () => {
  it('a forbid that fails to evaluate is skipped by Cedar, and denies here', () => {
    const policies = {
      all: world.PERMIT_ALL,
      broken: when('context.now + 9223372036854775807 > 0', 'forbid'),
    }
    expect(under(policies).reasons).toEqual([
      { code: 'POLICY_ERROR', message: 'Cedar could not evaluate policies broken', at: 'policy' },
    ])
    const cedar = newCedar()
    cedar.preparseSchema(
      's',
      'entity E; action "a" appliesTo { principal: E, resource: E, context: { n: Long } };',
    )
    cedar.preparsePolicySet('p', {
      staticPolicies: {
        all: world.PERMIT_ALL,
        broken: when('context.n + 9223372036854775807 > 0', 'forbid'),
      },
    })
    const uid = { type: 'E', id: '' }
    const bare = cedar.statefulIsAuthorized({
      principal: uid,
      action: { type: 'Action', id: 'a' },
      resource: uid,
      context: { n: 1 },
      entities: [],
      preparsedPolicySetId: 'p',
      preparsedSchemaName: 's',
    })
    expect(bare).toMatchObject({ type: 'success', response: { decision: 'allow' } })
  })

  it('a permit that fails to evaluate denies even when another permits', () => {
    const policies = { all: world.PERMIT_ALL, broken: when('context.now + 9223372036854775807 > 0') }
    expect(codes(under(policies))).toEqual(['POLICY_ERROR'])
  })

  it('a bundle that fails to parse leaves what is in force alone', () => {
    const good = world.policy({ policies: { all: world.PERMIT_ALL } })
    expect(failure(load({ policies: { all: 'permit(' } }))).toBe('POLICY_INVALID')
    expect(decide({ artifact: anyPolicy, policy: good }).outcome).toBe('permit')
  })

  it('input nested too deep throws and spoils the instance: it is refused, and other bundles go on', () => {
    const deep = (n: number) => when(`${'('.repeat(n)}true${')'.repeat(n)}`)
    const cedar = newCedar()
    expect(() => cedar.checkParsePolicySet({ staticPolicies: { deep: deep(400) } })).toThrow()
    expect(() => cedar.getCedarVersion()).toThrow()
    const good = world.policy()
    expect(failure(load({ policies: { deep: deep(400) } }))).toBe('POLICY_MALFORMED')
    // Depth that no bracket shows.
    expect(failure(load({ policies: { deep: when(`context${'.a'.repeat(5000)} == 1`) } }))).toBe(
      'POLICY_INVALID',
    )
    expect(decide({ policy: good }).outcome).toBe('permit')
  })

  it('brackets in strings and comments are not nesting', () => {
    const text = `// ${'('.repeat(99)}\n${when(`context.request.cwd != "${'['.repeat(99)}"`)}`
    expect(under({ yes: text }).outcome).toBe('permit')
  })

  it('integers beyond 2^53 lose digits on the way in: no such number gets there', () => {
    const payload = canonicalJsonBytes({
      version: 1,
      notBefore: 'any',
      notAfter: 'any',
      cedarVersion: '4.5',
      policies: {},
      schema: DEFAULT_SCHEMA,
      entities: [],
    })
      .toString()
      .replace(
        '"entities":[]',
        '"entities":[{"uid":{"type":"Writ::Group","id":"g"},"attrs":{"n":9007199254740993},"parents":[]}]',
      )
    expect(failure(() => parsePolicyBundle(Buffer.from(payload)))).toBe('POLICY_MALFORMED')
  })

  it('a policy that an object would lose is kept: one called constructor', () => {
    const policies = { all: world.PERMIT_ALL, constructor: 'forbid(principal, action, resource);' }
    expect(codes(under(policies))).toEqual(['POLICY_DENIED'])
  })

  it('a policy that runs out of stack only when it is evaluated denies, and the instance is replaced', () => {
    const long = `${Array(400).fill('1').join('+')} == 400`
    const schema = 'entity E; action "a" appliesTo { principal: E, resource: E, context: { x: Bool } };'
    const engine = PolicyEngine.create({ policies: [['long', when(`!context.x || ${long}`)]], schema })
    if (!(engine instanceof PolicyEngine)) throw new Error(engine.message)
    const uid = { type: 'E', id: '' }
    const call = { principal: uid, action: { type: 'Action', id: 'a' }, resource: uid, entities: [] }
    expect(engine.evaluate({ ...call, context: { x: true } })).toMatchObject({ type: 'failure' })
    expect(engine.evaluate({ ...call, context: { x: false } })).toMatchObject({ type: 'answer', allow: true })
  })
})

describe('a bundle is refused', () => {
  const group = { type: 'Writ::Group', id: 'g' }
  const cases: [what: string, fields: Partial<PolicyBundleFields>, code: string][] = [
    [
      'with an attribute that the schema does not have',
      { policies: { p: when('context.root') } },
      'POLICY_INVALID',
    ],
    ['with a type error', { policies: { p: when('context.now == "now"') } }, 'POLICY_INVALID'],
    ['with two policies in one text', { policies: { p: world.PERMIT_ALL.repeat(2) } }, 'POLICY_INVALID'],
    [
      'with a template',
      { policies: { p: 'permit(principal == ?principal, action, resource);' } },
      'POLICY_INVALID',
    ],
    ['without a schema', { schema: ' ' }, 'POLICY_INVALID'],
    [
      'with a schema that the requests do not fit',
      { schema: DEFAULT_SCHEMA.replace('host: String,', '') },
      'POLICY_INVALID',
    ],
    ['with a schema that cannot be parsed', { schema: 'namespace' }, 'POLICY_INVALID'],
    ['written in a later Cedar', { cedarVersion: '4.99' }, 'POLICY_INVALID'],
    ['written in an older major Cedar', { cedarVersion: '3.0' }, 'POLICY_INVALID'],
    [
      'with an entity that the schema does not have',
      { entities: [{ uid: { type: 'Writ::Root', id: 'x' }, attrs: {}, parents: [] }] },
      'POLICY_INVALID',
    ],
    [
      'with an entity twice',
      { entities: [1, 2].map(() => ({ uid: group, attrs: {}, parents: [] })) },
      'POLICY_MALFORMED',
    ],
    [
      'that defines an execution',
      { entities: [{ uid: { type: 'Writ::Execution', id: 'x' }, attrs: {}, parents: [] }] },
      'POLICY_MALFORMED',
    ],
    [
      'that defines the path of a program',
      { entities: [{ uid: { type: 'Writ::Program', id: 'x' }, attrs: { path: '/' }, parents: [] }] },
      'POLICY_MALFORMED',
    ],
    ['with an id that is none', { policies: { __proto__x: 'x', '': world.PERMIT_ALL } }, 'POLICY_MALFORMED'],
  ]
  for (const [what, fields, code] of cases) it(what, () => expect(failure(load(fields))).toBe(code))

  it('when another key signed it', () => {
    expect(failure(() => openPolicyBundle(world.policyEnvelope(), [world.mallory.public]))).toBe(
      'DOCUMENT_UNSIGNED',
    )
    expect(failure(() => openPolicyBundle(world.policyEnvelope(), []))).toBe('DOCUMENT_UNSIGNED')
  })

  it('when it was signed as something else', () => {
    const envelope = signEnvelope('application/vnd.writ.trust.v1+json', Buffer.from('{}'), [world.governance])
    expect(failure(() => openPolicyBundle(envelope, [world.governance.public]))).toBe('DOCUMENT_MALFORMED')
  })

  it('when its version does not go up', () => {
    const [one, two] = [world.policy({ version: 1 }), world.policy({ version: 2 })]
    expect(failure(() => checkPolicySuccessor(two, one))).toBe('ROLLED_BACK')
    expect(failure(() => checkPolicySuccessor(two, world.policy({ version: 2, policies: {} })))).toBe(
      'ROLLED_BACK',
    )
    expect(failure(() => checkPolicySuccessor(one, two))).toBe('none')
    expect(failure(() => checkPolicySuccessor(one, one))).toBe('none')
  })
})

describe('a bundle has its time', () => {
  const [before, now, after] = ['2026-11-21T01:59:59.999Z', world.NOW, '2026-11-21T02:00:00.001Z']
  it.each<[what: string, notBefore: string, notAfter: string, message: string | null]>([
    ['open', 'any', 'any', null],
    ['from this instant', now, 'any', null],
    ['until the next', 'any', after, null],
    ['not begun', after, 'any', `the policy is valid from ${after}`],
    ['over', 'any', now, `the policy was valid until ${now}`],
    ['long over', before, now, `the policy was valid until ${now}`],
  ])('%s', (_, notBefore, notAfter, message) => {
    const { outcome, reasons } = under({ all: world.PERMIT_ALL }, {}, { notBefore, notAfter })
    expect(outcome).toBe(message === null ? 'permit' : 'deny')
    expect(reasons).toEqual(message === null ? [] : [{ code: 'POLICY_ERROR', message, at: 'policy' }])
  })

  it('outside of which it says nothing, not even no, and it is still not the one that the artifact names', () => {
    const fields = { policies: { no: 'forbid(principal, action, resource);' }, notAfter: world.NOW }
    expect(codes(decide({ policy: world.policy(fields) }))).toEqual(['POLICY_ERROR', 'POLICY_MISMATCH'])
  })

  it.each([
    ['that is left out', { notAfter: undefined }],
    ['that ends before it begins', { notBefore: after, notAfter: now }],
    ['that ends when it begins', { notBefore: now, notAfter: now }],
    ['that is another spelling', { notAfter: '2027-11-21T02:00:00Z' }],
    ['that is no instant', { notAfter: '2026-02-30T00:00:00.000Z' }],
  ])('and none %s', (_, fields) => {
    expect(failure(load(fields as Partial<PolicyBundleFields>))).toBe('POLICY_MALFORMED')
  })
})

it('a bundle that was opened just now is not compiled again, and another one is', () => {
  const [one, two] = [world.policy({ version: 1 }), world.policy({ version: 2 })]
  expect(world.policy({ version: 2 }).evaluate).toBe(two.evaluate)
  expect(two.evaluate).not.toBe(one.evaluate)
  expect(world.policy({ version: 2, policies: {} }).evaluate).not.toBe(two.evaluate)
  // It is signed all the same.
  const envelope = world.policyEnvelope({ version: 2, policies: {} })
  expect(failure(() => openPolicyBundle(envelope, [world.mallory.public]))).toBe('DOCUMENT_UNSIGNED')
})
