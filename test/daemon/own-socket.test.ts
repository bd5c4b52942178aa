import { describe, expect, test } from 'vitest'
import type { PeerCredentials } from '../../daemon/native.ts'
import { processOf, strangerTo } from '../../daemon/own-socket.ts'

const cgroup = '/system.slice/writ-launchd.service/executions/aa/own'
const execution = { executionId: 'a'.repeat(32), descriptor: -1, uid: 70_001, cgroup }
const peer = (fields: Partial<PeerCredentials> = {}): PeerCredentials => ({
  ...{ pid: 5, uid: 70_001, gid: 70_001, pidfd: null, bound: true, cgroup },
  ...fields,
})

describe('on the own socket of an execution', () => {
  test.each([
    ['one of its processes', {}],
    ['one in a cgroup below', { cgroup: `${cgroup}/deeper` }],
  ])('%s is served', (_, fields) => {
    expect(strangerTo(execution, peer(fields))).toBeNull()
  })

  test.each([
    ['a process of a shared uid elsewhere', { cgroup: '/user.slice' }],
    ['a process of nowhere that is known', { cgroup: null }],
    ['a child', { cgroup: '/system.slice/writ-launchd.service/executions/aa/bb' }],
    ['a cgroup with a longer name', { cgroup: `${cgroup}er` }],
    ['what is above', { cgroup: '/system.slice/writ-launchd.service/executions/aa' }],
    ['another uid', { uid: 70_002 }],
    ['root', { uid: 0 }],
  ])('%s is not', (_, fields) => {
    expect(strangerTo(execution, peer(fields))).not.toBeNull()
  })
})

describe('on the main socket', () => {
  const live = [
    { uid: 0, cgroup: '' },
    { uid: 1000, cgroup },
  ]
  const shared = (of: string | null, uid = 1000) => processOf(live, peer({ uid, cgroup: of }))

  test('a process of an execution with a shared uid is not served', () => {
    expect(shared(cgroup)).not.toBeNull()
    expect(shared(`${cgroup}/deeper`)).not.toBeNull()
    expect(shared(cgroup, 1001)).not.toBeNull()
    expect(shared(null)).not.toBeNull()
  })

  test('everybody else is', () => {
    expect(shared('/user.slice')).toBeNull()
    expect(shared(`${cgroup}er`)).toBeNull()
    expect(shared(null, 1001)).toBeNull()
    expect(shared('')).toBeNull()
    expect(shared(null, 0)).toBeNull()
  })
})
