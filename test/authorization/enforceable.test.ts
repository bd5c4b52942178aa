import { describe, expect, it } from 'vitest'
import type { Authorization } from '../../authorization/index.ts'
import * as world from './scenario.ts'
import { decide } from './scenario.ts'

const ALL = ['memory', 'pids', 'cpu'] as const

/** A decision on a host that enforces only this. */
function on(
  controllers: readonly (typeof ALL)[number][],
  devices: readonly string[],
  change: (it: Authorization) => void,
) {
  return decide({
    host: { id: world.HOST, enforces: { controllers: [...controllers], devices: [...devices] } },
    artifact: world.artifact(it => {
      it.scope.limits = { ...it.scope.limits, memoryBytes: 'any', pids: 'any' }
      change(it)
    }),
  })
}

describe('what a host cannot hold an execution to', () => {
  const cases: [string, Parameters<typeof on>, string | null][] = [
    ['a class of devices that it has', [ALL, ['gpu'], it => (it.scope.devices = ['gpu'])], null],
    [
      'a class of devices that it does not have',
      [ALL, ['fpga'], it => (it.scope.devices = ['gpu'])],
      'predicate.scope.devices',
    ],
    [
      'memory',
      [['pids', 'cpu'], [], it => (it.scope.limits.memoryBytes = 1)],
      'predicate.scope.limits.memoryBytes',
    ],
    ['memory where it can', [['memory'], [], it => (it.scope.limits.memoryBytes = 1)], null],
    [
      'processors',
      [['memory', 'pids'], [], it => (it.scope.limits.cpuPercent = 50)],
      'predicate.scope.limits.cpuPercent',
    ],
    ['processors where it can', [['cpu'], [], it => (it.scope.limits.cpuPercent = 50)], null],
    ['processes of an own user, which rlimits count', [[], [], it => (it.scope.limits.pids = 5)], null],
    [
      'processes of a shared user',
      [
        ['memory', 'cpu'],
        [],
        it => {
          it.scope.limits.pids = 5
          it.scope.user = { uid: 5, gid: 5, groups: [] }
        },
      ],
      'predicate.scope.limits.pids',
    ],
    ['nothing special', [[], [], () => undefined], null],
  ]
  it.each(cases)('is denied, never left out: %s', (_, asked, at) => {
    const decision = on(...asked)
    expect(decision.reasons.map(({ code, at }) => [code, at])).toEqual(
      at === null ? [] : [['ENVIRONMENT_MISMATCH', at]],
    )
    expect(decision.outcome).toBe(at === null ? 'permit' : 'deny')
  })
})

describe('walls within what is signed', () => {
  const asked = (signed: Partial<Authorization['scope']['sandbox']>, request: object) =>
    decide({
      artifact: world.artifact(it => Object.assign(it.scope.sandbox, signed)),
      request: world.request({ sandbox: { network: null, seccomp: null, writable: null, ...request } }),
    }).reasons.map(({ at }) => at)

  it('may be asked for, and nothing wider', () => {
    const order = ['none', 'loopback', 'host'] as const
    for (const [i, signed] of order.entries())
      for (const [j, network] of order.entries())
        expect([signed, network, asked({ network: signed }, { network })]).toEqual([
          signed,
          network,
          j <= i ? [] : ['request.sandbox.network'],
        ])
    expect(asked({ seccomp: 'default' }, { seccomp: 'strict' })).toEqual([])
    expect(asked({ seccomp: 'strict' }, { seccomp: 'default' })).toEqual(['request.sandbox.seccomp'])
    expect(asked({ seccomp: 'strict' }, {})).toEqual([])
  })
})
