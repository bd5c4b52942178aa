import { describe, expect, it } from 'vitest'
import {
  type Authorization,
  type Decision,
  decideAfterOpen,
  type LaunchTerms,
  type ParentState,
} from '../../authorization/index.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import * as world from './scenario.ts'
import { codes } from './scenario.ts'

const PARENT = 'f'.repeat(32)
const parentDecision = decideAfterOpen(
  world.input({
    artifact: world.artifact(it => {
      it.scope.children = { max: 2, atOnce: 'any', perMinute: 'any', depth: 2, programs: 'any' }
    }),
    request: world.request({ executionId: PARENT, children: true }),
  }),
  world.observed(),
)

function parent(
  change: (terms: LaunchTerms) => void = () => {},
  fields: Partial<ParentState> = {},
): ParentState {
  const { terms, record } = parentDecision
  if (terms === null) throw new Error(JSON.stringify(parentDecision.reasons))
  const copy = structuredClone(terms)
  change(copy)
  return {
    executionId: PARENT,
    live: true,
    childrenStarted: 0,
    childrenRunning: 0,
    childrenLastMinute: 0,
    ancestors: [],
    decisionRecord: sha256Hex(record),
    terms: copy,
    ...fields,
  }
}

function child(of: ParentState | null, change: (it: Authorization) => void = () => {}): Decision {
  const artifact = world.artifact(it => {
    it.id = 'child'
    it.parent.execution = PARENT
    change(it)
  })
  const caller = world.caller({ parentExecution: PARENT })
  return decideAfterOpen(
    world.input({ artifact, caller, parent: of, request: world.request() }),
    world.observed(),
  )
}

describe('a child', () => {
  it('is permitted within what its parent has', () => {
    expect(child(parent()).reasons).toEqual([])
  })

  it('is denied when its parent is unknown, another, or ending', () => {
    for (const of of [
      null,
      parent(undefined, { executionId: 'a'.repeat(32) }),
      parent(undefined, { live: false }),
    ]) {
      expect(codes(child(of))).toEqual(['PARENT_ENDED'])
    }
  })

  it('outlives its call only if its parent does', () => {
    const artifact = world.artifact(it => {
      it.id = 'child'
      it.parent.execution = PARENT
      it.scope.detach = true
    })
    const caller = world.caller({ parentExecution: PARENT })
    const of = (detach: boolean) =>
      decideAfterOpen(
        world.input({
          ...{ artifact, caller, request: world.request({ detach: true }) },
          parent: parent(it => (it.detach = detach)),
        }),
        world.observed(),
      )
    expect(of(false).reasons.map(({ at }) => at)).toEqual(['parent.detach'])
    expect(of(true).reasons).toEqual([])
  })

  it('needs an artifact for children', () => {
    expect(codes(child(parent(), it => (it.parent.execution = 'none')))).toEqual(['INITIATOR_MISMATCH'])
  })

  const WIDER: [at: string, parent: (terms: LaunchTerms) => void, child?: (it: Authorization) => void][] = [
    ['children', it => (it.children = 'none')],
    [
      'children.programs',
      it => (it.children = { max: 1, atOnce: 'any', perMinute: 'any', depth: 1, programs: ['0'.repeat(64)] }),
    ],
    ['user', () => {}, it => (it.scope.user = { uid: 5, gid: 5, groups: [] })],
    [
      'user',
      it => (it.user = { uid: 5, gid: 5, groups: [] }),
      it => (it.scope.user = { uid: 6, gid: 5, groups: [] }),
    ],
    [
      'user',
      it => (it.user = { uid: 5, gid: 5, groups: [] }),
      it => (it.scope.user = { uid: 5, gid: 5, groups: [44] }),
    ],
    ['sandbox.network', () => {}, it => (it.scope.sandbox.network = 'host')],
    ['sandbox.writable', it => (it.sandbox.writable = ['/var/tmp/job/sub'])],
    ['limits.runTimeMs', it => (it.limits.runTimeMs = 59_999)],
    ['limits.memoryBytes', it => (it.limits.memoryBytes = 1)],
    ['limits.pids', it => (it.limits.pids = 15)],
    ['limits.cpuSeconds', it => (it.limits.cpuSeconds = 1)],
    ['limits.openFiles', it => (it.limits.openFiles = 63)],
    ['limits.outputBytes', it => (it.limits.outputBytes = 0)],
    ['devices', () => {}, it => (it.scope.devices = ['gpu'])],
    ['onLapse', () => {}, it => (it.onLapse = { freeze: { grace: 1 } })],
    ['maxEvidenceAgeMs', it => (it.maxEvidenceAgeMs = 29_999)],
    ['maxEvidenceAgeMs', () => {}, it => (it.environment.maxEvidenceAge = 'any')],
    ['notAfter', it => (it.notAfter = '2026-11-21T03:00:00.000Z')],
  ]
  for (const [at, change, childChange] of WIDER) {
    it(`cannot be wider: ${at}`, () => {
      const decision = child(parent(change), childChange)
      expect(decision.reasons.map(reason => [reason.code, reason.at])).toEqual([
        ['SCOPE_EXCEEDED', `parent.${at}`],
      ])
    })
  }

  it.each([
    ['max', 'childrenStarted'],
    ['atOnce', 'childrenRunning'],
    ['perMinute', 'childrenLastMinute'],
  ] as const)('is the last one that its parent may start (%s)', (limit, count) => {
    const limited = (started: number) =>
      child(
        parent(
          it => {
            it.children = {
              max: 'any',
              atOnce: 'any',
              perMinute: 'any',
              depth: 2,
              programs: 'any',
              [limit]: 2,
            }
          },
          { [count]: started },
        ),
      )
    expect(limited(1).outcome).toBe('permit')
    expect(limited(2).reasons.map(({ code, at }) => [code, at])).toEqual([
      ['SCOPE_EXCEEDED', `parent.children.${limit}`],
    ])
  })

  it('is denied when an ancestor of any degree is revoked', () => {
    const ancestors = ['a'.repeat(32), 'b'.repeat(32)]
    const decision = (id: string) =>
      decideAfterOpen(
        world.input({
          artifact: world.artifact(it => {
            it.parent.execution = PARENT
          }),
          caller: world.caller({ parentExecution: PARENT }),
          parent: parent(undefined, { ancestors }),
          revocations: world.revoked({ kind: 'execution', id }),
        }),
        world.observed(),
      )
    for (const id of [...ancestors, PARENT]) expect(codes(decision(id))).toEqual(['REVOKED'])
    expect(decision('c'.repeat(32)).outcome).toBe('permit')
  })

  const grandchildren = (
    children: Authorization['scope']['children'],
    of: LaunchTerms['children'],
  ): Decision => {
    const artifact = world.artifact(it => {
      it.parent.execution = 'any'
      it.scope.children = children
    })
    const caller = world.caller({ parentExecution: PARENT })
    const request = world.request({ children: true })
    const state = parent(it => {
      it.children = of
    })
    return decideAfterOpen(world.input({ artifact, caller, parent: state, request }), world.observed())
  }

  it('may have children of its own one level less deep, and no more of them', () => {
    const of = { max: 2, atOnce: 'any', perMinute: 'any', depth: 2, programs: 'any' } as const
    expect(
      grandchildren({ max: 2, atOnce: 'any', perMinute: 'any', depth: 1, programs: 'any' }, of).reasons,
    ).toEqual([])
    for (const wider of [
      { max: 2, atOnce: 'any', perMinute: 'any', depth: 2, programs: 'any' },
      { max: 3, atOnce: 'any', perMinute: 'any', depth: 1, programs: 'any' },
      { max: 'any', atOnce: 'any', perMinute: 'any', depth: 1, programs: 'any' },
    ] as const) {
      expect(grandchildren(wider, of).reasons.map(({ at }) => at)).toEqual(['parent.children'])
    }
    for (const limit of ['atOnce', 'perMinute'] as const) {
      const limited = { ...of, [limit]: 2 }
      expect(grandchildren({ ...of, depth: 1, [limit]: 2 }, limited).reasons).toEqual([])
      for (const wider of [3, 'any'] as const)
        expect(grandchildren({ ...of, depth: 1, [limit]: wider }, limited).outcome).toBe('deny')
    }
    const limited = { ...of, programs: [world.PROGRAM_DIGEST] }
    expect(
      grandchildren(
        { max: 1, atOnce: 'any', perMinute: 'any', depth: 1, programs: [world.PROGRAM_DIGEST] },
        limited,
      ).reasons,
    ).toEqual([])
    expect(
      grandchildren({ max: 1, atOnce: 'any', perMinute: 'any', depth: 1, programs: 'any' }, limited).outcome,
    ).toBe('deny')
  })
})
