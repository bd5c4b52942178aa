import { describe, expect, it } from 'vitest'
import type { Authorization, ExecutionRequest, LaunchTerms } from '../../authorization/index.ts'
import * as world from './scenario.ts'
import { codes, decide } from './scenario.ts'

type Change = (it: Authorization) => void
const ask = (fields: Partial<ExecutionRequest>, change?: Change) =>
  decide({ artifact: world.artifact(change), request: world.request(fields) })
const terms = (fields: Partial<ExecutionRequest> = {}, change?: Change): LaunchTerms => {
  const decision = ask(fields, change)
  if (decision.terms === null) throw new Error(JSON.stringify(decision.reasons))
  return decision.terms
}
const where = (fields: Partial<ExecutionRequest>, change?: Change) => {
  const decision = ask(fields, change)
  expect(new Set(codes(decision))).toEqual(new Set(['SCOPE_EXCEEDED']))
  return decision.reasons.map(({ at }) => at)
}
const scope =
  (part: Partial<Authorization['scope']>): Change =>
  it =>
    Object.assign(it.scope, part)
const TERMINAL = { stdin: 'terminal', stdout: 'terminal', stderr: 'terminal' } as const
const noLimits = world.request().limits

describe('what a request leaves open', () => {
  it('is as the artifact has it', () => {
    expect(terms()).toEqual({
      program: { path: world.PROGRAM, sha256: world.PROGRAM_DIGEST },
      files: [{ path: world.MODEL, sha256: world.MODEL_DIGEST, role: 'other' }],
      argv: [world.PROGRAM, '--digits', '7'],
      env: [{ name: 'LANG', value: 'C' }],
      cwd: '/',
      user: 'own',
      stdio: { stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' },
      sandbox: { network: 'none', seccomp: 'default', writable: ['/var/tmp/job'] },
      detach: false,
      limits: {
        runTimeMs: 60_000,
        memoryBytes: 1 << 28,
        pids: 16,
        cpuSeconds: null,
        openFiles: 64,
        outputBytes: 1 << 20,
        cpuPercent: null,
        fileBytes: null,
      },
      devices: [],
      children: 'none',
      onLapse: 'kill',
      maxEvidenceAgeMs: 30_000,
      notAfter: '2026-11-22T00:00:00.000Z',
    })
  })

  it('is the least where the artifact leaves it open too', () => {
    const open = scope({ argv: 'any', env: 'any', cwd: 'any', user: 'any', stdio: 'any' })
    expect(terms({ argv: null }, open)).toMatchObject({
      argv: [world.PROGRAM],
      env: [],
      cwd: '/',
      user: 'own',
    })
  })

  it('is refused where the artifact waits for the caller', () => {
    expect(where({ argv: null })).toEqual(['request.argv'])
    expect(where({ env: null }, scope({ env: [{ name: 'A', value: { any: true } }] }))).toEqual([
      'request.env',
    ])
  })
})

describe('the environment', () => {
  const env = (...names: string[]) => names.map(name => ({ name, value: 'x' }))
  it('is exactly the signed one', () => {
    const signed = scope({
      env: [
        { name: 'B', value: { any: true } },
        { name: 'A', value: 'x' },
      ],
    })
    expect(terms({ env: env('B', 'A') }, signed).env).toEqual(env('A', 'B'))
    expect(where({ env: env('A') }, signed)).toEqual(['request.env'])
    expect(where({ env: env('A', 'B', 'C') }, signed)).toEqual(['request.env'])
    expect(where({ env: [{ name: 'A', value: 'y' }, ...env('B')] }, signed)).toEqual(['request.env'])
  })

  it('has what loads other code only if that is signed by name', () => {
    const names = [
      'LD_PRELOAD',
      'LD_AUDIT',
      'GLIBC_TUNABLES',
      'PYTHONPATH',
      'NODE_OPTIONS',
      'BASH_ENV',
      'CUDA_INJECTION64_PATH',
    ]
    for (const name of names) {
      expect(where({ env: env(name) }, scope({ env: 'any' }))).toEqual(['request.env'])
      expect(terms({ env: env(name) }, scope({ env: [{ name, value: { any: true } }] })).env).toEqual(
        env(name),
      )
    }
    expect(terms({ env: env('HOME') }, scope({ env: 'any' })).env).toEqual(env('HOME'))
  })
})

describe('a request goes beyond', () => {
  const cases: [what: string, at: string, fields: Partial<ExecutionRequest>, change?: Change][] = [
    ['the program', 'request.program', { program: '/bin/sh' }],
    ['an argument', 'request.argv[1]', { argv: [world.PROGRAM, '--other', '7'] }],
    ['the number of arguments', 'request.argv', { argv: [world.PROGRAM, '--digits', '7', '--x'] }],
    ['the directory', 'request.cwd', { cwd: '/tmp' }],
    ['an own user', 'request.user', { user: { uid: 1000, gid: 1000, groups: [] } }],
    [
      'root, whatever is signed',
      'request.user',
      { user: { uid: 0, gid: 0, groups: [] } },
      scope({ user: 'any' }),
    ],
    ['root as a group', 'request.user', { user: { uid: 1, gid: 1, groups: [0] } }, scope({ user: 'any' })],
    [
      'the signed groups',
      'request.user',
      { user: { uid: 5, gid: 5, groups: [44] } },
      scope({ user: { uid: 5, gid: 5, groups: [] } }),
    ],
    [
      'the streams',
      'request.stdio.stdin',
      { stdio: { stdin: 'pipe', stdout: 'null', stderr: 'null' } },
      scope({ stdio: { stdin: 'null', stdout: 'null', stderr: 'null' } }),
    ],
    [
      'the network',
      'request.sandbox.network',
      { sandbox: { network: 'host', seccomp: null, writable: null } },
    ],
    [
      'a loopback device',
      'request.sandbox.network',
      { sandbox: { network: 'loopback', seccomp: null, writable: null } },
    ],
    ['that it outlives its call', 'request.detach', { detach: true }],
    [
      'the writable paths',
      'request.sandbox.writable',
      { sandbox: { network: null, seccomp: null, writable: ['/var/tmp'] } },
    ],
    [
      'a path that only begins alike',
      'request.sandbox.writable',
      { sandbox: { network: null, seccomp: null, writable: ['/var/tmp/job2'] } },
    ],
    ['the run time', 'request.limits.runTimeMs', { limits: { ...noLimits, runTimeMs: 60_001 } }],
    ['the memory', 'request.limits.memoryBytes', { limits: { ...noLimits, memoryBytes: 2 ** 40 } }],
    ['the devices', 'request.devices', { devices: ['gpu'] }],
    ['no children', 'request.children', { children: true }],
    ['the files', 'request.files', { files: ['/etc/passwd'] }],
  ]
  for (const [what, at, fields, change] of cases) it(what, () => expect(where(fields, change)).toEqual([at]))
})

describe('a terminal', () => {
  const pipes = { stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' } as const
  const everywhere = ['request.stdio.stdin', 'request.stdio.stdout', 'request.stdio.stderr']
  it('is given only where it is signed, and `any` does not sign it', () => {
    expect(where({ stdio: TERMINAL })).toEqual(everywhere)
    expect(where({ stdio: TERMINAL }, scope({ stdio: 'any' }))).toEqual(everywhere)
    expect(terms({ stdio: TERMINAL }, scope({ stdio: TERMINAL })).stdio).toEqual(TERMINAL)
  })

  it('is given only to whoever asks for it; pipes stay allowed', () => {
    expect(terms({}, scope({ stdio: TERMINAL })).stdio).toEqual(pipes)
    expect(terms({ stdio: pipes }, scope({ stdio: TERMINAL })).stdio).toEqual(pipes)
  })
})

describe('a detached execution', () => {
  it('is one only where that is signed, for whoever asks', () => {
    expect(terms({ detach: true }, scope({ detach: true })).detach).toBe(true)
    expect(terms({}, scope({ detach: true })).detach).toBe(false)
    expect(where({ detach: true }, scope({ detach: false }))).toEqual(['request.detach'])
  })
})

describe('a request stays within', () => {
  it('and may ask for less', () => {
    const asked = terms(
      {
        sandbox: { network: 'none', seccomp: 'strict', writable: ['/var/tmp/job/out'] },
        limits: { ...noLimits, pids: 1, cpuSeconds: 5 },
        stdio: { stdin: 'null', stdout: 'pipe', stderr: 'null' },
        files: [world.MODEL],
        devices: [],
      },
      scope({
        sandbox: { network: 'host', seccomp: 'default', writable: ['/var/tmp/job'] },
        devices: ['gpu'],
      }),
    )
    expect(asked.sandbox).toEqual({
      network: 'none',
      seccomp: 'strict',
      writable: ['/var/tmp/job/out'],
    })
    expect(asked.limits).toMatchObject({ pids: 1, cpuSeconds: 5, runTimeMs: 60_000 })
    expect(asked.devices).toEqual([])
    expect(asked.stdio.stdin).toBe('null')
  })

  it('with the user that is signed', () => {
    const user = { uid: 5, gid: 5, groups: [44] }
    expect(terms({}, scope({ user })).user).toEqual(user)
    expect(terms({ user: { ...user, groups: [] } }, scope({ user })).user).toEqual({ ...user, groups: [] })
  })
})
