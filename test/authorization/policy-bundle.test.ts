import { describe, expect, it } from 'vitest'
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
