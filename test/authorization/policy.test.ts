import { describe, expect, it } from 'vitest'
import { begin } from '../../authorization/evaluation.ts'
import { AuthorizationError, type PolicyBundleFields } from '../../authorization/index.ts'
import { POLICY_STAGE } from '../../authorization/stages/policy.ts'
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
