import { describe, expect, it } from 'vitest'
import type { Authorization, Decision, ExecutionRequest } from '../../authorization/index.ts'
import { isBelow } from '../../authorization/scope.ts'
import * as world from './scenario.ts'

/** What is just inside of a scope, and what is just outside. */

function ask(
  scope: Partial<Authorization['scope']>,
  request: Partial<ExecutionRequest>,
  change: (it: Authorization) => void = () => {},
): Decision {
  const artifact = world.artifact(it => {
    Object.assign(it.scope, scope)
    change(it)
  })
  return world.decide({ artifact, request: world.request(request) })
}
const places = (decision: Decision) => decision.reasons.map(({ code, at }) => `${code} ${at}`)
const user = (uid: number, gid: number, ...groups: number[]) => ({ uid, gid, groups })

describe('a request within its scope', () => {
  it('leaves out arguments that are signed word by word', () => {
    const argv = [world.PROGRAM, 'a', 'b']
    expect(ask({ argv }, { argv: null }).terms?.argv).toEqual(argv)
  })

  it('names the program where any path is signed', () => {
    expect(places(ask({ program: { subject: 'infer', path: 'any' } }, {}))).toEqual([])
  })

  it('gets the working directory that is signed', () => {
    expect(ask({ cwd: '/srv' }, { cwd: null }).terms?.cwd).toBe('/srv')
    expect(ask({ cwd: 'any' }, { cwd: null }).terms?.cwd).toBe('/')
  })

  it('may name the files that are signed, the program among them', () => {
    expect(places(ask({}, { files: [world.PROGRAM, world.MODEL] }))).toEqual([])
    expect(places(ask({}, { files: ['/opt/app/other'] }))).toEqual(['SCOPE_EXCEEDED request.files'])
    const [file] = ask({}, {}).terms?.files ?? []
    expect(file).toEqual({ path: world.MODEL, sha256: world.MODEL_DIGEST, role: 'other' })
  })

  it('may write below each place that is signed', () => {
    const sandbox = { network: 'none', seccomp: 'default', writable: ['/var/tmp/a', '/var/tmp/b'] } as const
    const writing = (...writable: string[]) => ({ sandbox: { network: null, seccomp: null, writable } })
    const signed = { sandbox: { ...sandbox, writable: [...sandbox.writable] } }
    expect(places(ask(signed, writing('/var/tmp/a/x', '/var/tmp/b')))).toEqual([])
    expect(places(ask(signed, writing('/var/tmp/bb')))).toEqual(['SCOPE_EXCEEDED request.sandbox.writable'])
  })

  it.each([
    ['/', '/', true],
    ['/a', '/', true],
    ['/a', '/a', true],
    ['/a/b', '/a', true],
    ['/ab', '/a', false],
    ['/', '/a', false],
  ])('%s below %s: %s', (path, top, below) => {
    expect(isBelow(path, top)).toBe(below)
  })

  it('has as much as is signed, and not one more', () => {
    const limits = world.request().limits
    expect(ask({}, { limits: { ...limits, pids: 16 } }).terms?.limits.pids).toBe(16)
    expect(ask({}, { limits: { ...limits, pids: 15 } }).terms?.limits.pids).toBe(15)
    expect(places(ask({}, { limits: { ...limits, pids: 17 } }))).toEqual([
      'SCOPE_EXCEEDED request.limits.pids',
    ])
  })

  it('is frozen for as many seconds as are signed', () => {
    const decision = ask({}, {}, it => {
      it.onLapse = { freeze: { grace: 5 } }
    })
    expect(decision.terms?.onLapse).toEqual({ freeze: { graceMs: 5000 } })
  })

  it('has its environment in the order of the names, in whatever order it asks', () => {
    const names = ['C', 'A', 'D', 'B', 'E']
    const env = names.map(name => ({ name, value: name }))
    const orders = [env, env.toReversed(), env.toSorted((a, b) => (a.name < b.name ? -1 : 1))]
    for (const asked of orders) {
      const given = ask({ env: 'any' }, { env: asked }).terms?.env.map(({ name }) => name)
      expect(given).toEqual(['A', 'B', 'C', 'D', 'E'])
    }
  })
})

describe('the user', () => {
  it.each([
    ['by uid', user(0, 5)],
    ['by gid', user(5, 0)],
    ['by group', user(5, 5, 44, 0)],
  ])('is never root: %s', (_, asked) => {
    expect(places(ask({ user: 'any' }, { user: asked }))).toEqual(['SCOPE_EXCEEDED request.user'])
  })

  it('may be any other where any is signed', () => {
    expect(ask({ user: 'any' }, { user: user(1, 1, 1) }).terms?.user).toEqual(user(1, 1, 1))
  })

  it('is the one that is signed, with no more groups', () => {
    const signed = { user: user(5, 6, 44, 45) }
    for (const same of [user(5, 6, 44, 45), user(5, 6, 45), user(5, 6)])
      expect(ask(signed, { user: same }).terms?.user).toEqual(same)
    expect(ask(signed, { user: null }).terms?.user).toEqual(signed.user)
    for (const other of [user(7, 6), user(5, 7), user(5, 6, 44, 46), 'own' as const])
      expect(places(ask(signed, { user: other }))).toEqual(['SCOPE_EXCEEDED request.user'])
  })

  it('is not shared where one of its own is signed', () => {
    expect(places(ask({ user: 'own' }, { user: user(5, 5) }))).toEqual(['SCOPE_EXCEEDED request.user'])
  })
})
