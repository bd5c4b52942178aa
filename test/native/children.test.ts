import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { listeningSocket } from '../../daemon/native.ts'
import { CONTROLLERS, isRoot, type Running, SECOND, TestHost, until, type Writd } from './host.ts'

const SLEEP = ['/bin/sleep', '1000']
const STDIN = { stdio: { stdin: 'pipe', stdout: 'null', stderr: 'null' } } as const
const SOCKET = '/run/writ/parent.sock'

describe.skipIf(!isRoot)('an execution that may be a parent (needs root)', () => {
  const host = new TestHost()
  let writd: Writd

  beforeAll(async () => {
    await host.start()
    writd = await host.connect()
  })
  afterAll(async () => {
    writd.client.close()
    await host.stop()
  })

  const end = async (running: Running) => {
    writd.client.kill(running.executionId, 'TERMINATED')
    return await running.ended
  }

  it('has a socket of its own, which listens, and which nobody else can reach', async () => {
    const parent = await writd.start(SLEEP, { children: true })
    const fd = parent.socket?.take() ?? -1
    expect(listeningSocket(fd)).toMatchObject({ unix: true, stream: true, listening: true, path: SOCKET })
    expect(parent.socket?.take()).toBeNull()
    expect(existsSync(SOCKET)).toBe(false)
    const other = await writd.run(['/bin/sh', '-c', `ls -A /run/writ`])
    expect(other.stdout).toBe('')
    expect(other.end.exitCode).not.toBe(0)
    await end(parent)
    // The mount namespace that it was in is gone.
    const refused = new Promise(resolve =>
      connect(`/proc/${parent.pid}/root${SOCKET}`).once('error', resolve),
    )
    expect(await refused).toMatchObject({ code: expect.stringMatching(/ENOENT|ECONNREFUSED/) })
  })

  it('finds it under one path, its own and in a directory that it cannot change', async () => {
    const { stdout } = await writd.run(
      [
        '/bin/sh',
        '-c',
        `stat -c "%A %u" ${SOCKET} /run/writ; id -u; rm -f ${SOCKET} 2>/dev/null; ls -A /run/writ; touch /run/writ/x 2>/dev/null; mv /run/writ /run/w 2>/dev/null; ls -A /run/writ`,
      ],
      { children: true },
    )
    const [socket = '', directory, uid, ...rest] = stdout.trim().split('\n')
    expect(socket).toBe(`srw------- ${uid}`)
    expect(directory).toBe('drwxr-xr-x 0')
    expect(rest).toEqual(['parent.sock', 'parent.sock'])
  })

  it('does not start where something else that is signed would lie over the socket', async () => {
    const file = join(host.directory, 'state')
    writeFileSync(file, '')
    for (const writable of ['/run', '/run/writ']) {
      if (!existsSync(writable)) continue
      const covered = writd.run(['/bin/true'], { children: true, writable: [writable] })
      await expect(covered).rejects.toMatchObject({
        code: expect.stringMatching(/SANDBOX_FAILED|WRITABLE_REFUSED/),
      })
    }
  })

  it('has the cgroups of its children below its own, each beside its own processes', async () => {
    const parent = await writd.start(SLEEP, { children: true })
    const child = await writd.start(SLEEP, { parentExecution: parent.executionId, children: true })
    const grandchild = await writd.start(SLEEP, { parentExecution: child.executionId })
    const top = `${host.cgroup.replace(/^\/sys\/fs\/cgroup(\/unified)?/, '')}/executions/${parent.executionId}`
    expect(parent.cgroup).toBe(`${top}/own`)
    expect(child.cgroup).toBe(`${top}/${child.executionId}/own`)
    expect(grandchild.cgroup).toBe(`${top}/${child.executionId}/${grandchild.executionId}`)
    for (const { pid, cgroup } of [parent, child, grandchild])
      expect(readFileSync(`/proc/${pid}/cgroup`, 'utf8')).toContain(`0::${cgroup}\n`)
    await end(parent)
    await Promise.all([child.ended, grandchild.ended])
    await until(() => host.leaves().length === 0)
  })

  it('takes all below it along in one step, whoever ends it', async () => {
    const family = async (options = {}) => {
      const parent = await writd.start(['/bin/sh', '-c', 'read line'], {
        children: true,
        ...STDIN,
        ...options,
      })
      const child = await writd.start(SLEEP, { parentExecution: parent.executionId, children: true })
      const below = await Promise.all(
        [1, 2, 3].map(() => writd.start(SLEEP, { parentExecution: child.executionId })),
      )
      return { parent, all: [child, ...below] }
    }
    const cases: [string, object, (parent: Running) => void][] = [
      ['TERMINATED', {}, ({ executionId }) => writd.client.kill(executionId, 'TERMINATED')],
      ['EXITED', {}, ({ stdin }) => stdin?.end()],
      ['RUN_TIME', { limits: { runTimeNs: SECOND / 2n } }, () => undefined],
      ['INIT_LOST', {}, ({ pid }) => process.kill(pid, 'SIGKILL')],
    ]
    for (const [cause, options, act] of cases) {
      const { parent, all } = await family(options)
      act(parent)
      expect((await parent.ended).cause).toBe(cause)
      // What has left its cgroup may still be on its way out.
      await until(() => all.every(({ pid }) => isDead(pid)), 200)
      for (const { ended } of all) expect((await ended).cause, cause).toBe('PARENT')
    }
    await until(() => host.leaves().length === 0)
  })

  it('uses up processor time with its children together', async () => {
    const parent = await writd.start(SLEEP, { children: true, limits: { cpuTimeNs: SECOND / 5n } })
    const child = await writd.start(['/bin/sh', '-c', 'while :; do :; done'], {
      parentExecution: parent.executionId,
    })
    expect((await parent.ended).cause).toBe('CPU_TIME')
    expect((await child.ended).cause).toBe('PARENT')
  })

  it.skipIf(!['memory', 'pids'].every(name => CONTROLLERS.includes(name)))(
    'has limits that hold for its children as well (needs the memory and pids controllers)',
    async () => {
      const parent = await writd.start(SLEEP, { children: true, limits: { pids: 4, memoryBytes: 64 << 20 } })
      const child = await writd.run(['/bin/sh', '-c', 'for i in 1 2 3 4 5 6; do sleep 1 & done; wait'], {
        parentExecution: parent.executionId,
      })
      expect(child.stderr).toMatch(/fork|resource/i)
      const greedy = await writd.start(['/usr/bin/tail', '/dev/zero'], {
        parentExecution: parent.executionId,
      })
      expect((await parent.ended).cause).toBe('OUT_OF_MEMORY')
      expect((await greedy.ended).cause).toMatch(/PARENT|INIT_LOST|OUT_OF_MEMORY/)
    },
  )

  it('is none unless that was ordered, nor one of too many generations', async () => {
    const childless = await writd.start(SLEEP)
    expect(childless.socket).toBeNull()
    const refused = writd.prepare(SLEEP, { parentExecution: childless.executionId })
    await expect(refused).rejects.toMatchObject({ code: 'CHILDREN_REFUSED' })
    await end(childless)
    let parent = await writd.start(SLEEP, { children: true })
    const first = parent
    for (let i = 1; i <= 16; i++)
      parent = await writd.start(SLEEP, { parentExecution: parent.executionId, children: true })
    expect(parent.cgroup.split('/').filter(part => /^[0-9a-f]{32}$/.test(part))).toHaveLength(17)
    expect(readFileSync(`/proc/${parent.pid}/cgroup`, 'utf8')).toContain(`0::${parent.cgroup}\n`)
    const seventeenth = writd.prepare(SLEEP, { parentExecution: parent.executionId })
    await expect(seventeenth).rejects.toMatchObject({ code: 'CHILDREN_REFUSED' })
    await end(first)
    await parent.ended
    await until(() => host.leaves().length === 0)
  })

  it('leaves nothing to the next launcher, whatever was below it', async () => {
    const parent = await writd.start(SLEEP, { children: true })
    const child = await writd.start(SLEEP, { parentExecution: parent.executionId, children: true })
    const below = await writd.start(SLEEP, { parentExecution: child.executionId })
    await host.end('SIGKILL')
    await host.start()
    await until(() => [parent, child, below].every(({ pid }) => isDead(pid)), 200)
    expect(host.leaves()).toEqual([])
    writd = await host.connect()
  })

  it('closes the socket of what was made ready and not started', async () => {
    const before = readdirSync('/proc/self/fd').length
    const ready = await writd.prepare(SLEEP, { children: true })
    writd.client.abandon(ready.executionId)
    expect(ready.socket?.take()).toBeNull()
    await ready.ended
    await until(() => readdirSync('/proc/self/fd').length <= before)
  })
})

function isDead(pid: number): boolean {
  return !existsSync(`/proc/${pid}`) || /^State:\t[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
}
