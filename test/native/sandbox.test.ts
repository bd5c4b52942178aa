import { execFileSync } from 'node:child_process'
import { chmodSync, closeSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { peerCredentials } from '../../daemon/native.ts'
import { isRoot, newId, TestHost, until, type Writd } from './host.ts'

/** The baseline that no order can lower. Needs root, as the launcher does. */
describe.skipIf(!isRoot)('an execution is closed in', () => {
  const host = new TestHost({ shared_uids: '64400-64409', groups: '64500' })
  const attempts = join(host.directory, 'attempts')
  let writd: Writd

  beforeAll(async () => {
    execFileSync('gcc', ['-static', '-O1', '-o', attempts, join(import.meta.dirname, 'attempts.c')])
    await host.start()
    writd = await host.connect()
  })
  afterAll(async () => {
    writd?.client.close()
    await host.stop()
  })

  it('runs a program and gives its exit status', async () => {
    expect((await writd.run(['/bin/true'])).end).toMatchObject({ cause: 'EXITED', exitCode: 0, signal: null })
    expect((await writd.run(['/bin/false'])).end).toMatchObject({ cause: 'EXITED', exitCode: 1 })
    expect((await writd.sh('exit 42')).end).toMatchObject({ exitCode: 42, confirmedDead: true })
  })

  it('gives the signal that ended a program, with default dispositions whatever the launcher ignores', async () => {
    expect((await writd.sh('kill -TERM $$')).end).toMatchObject({
      cause: 'EXITED',
      exitCode: null,
      signal: 15,
    })
    expect((await writd.sh('kill -PIPE $$')).end).toMatchObject({ signal: 13 })
    const { stdout } = await writd.run(['/bin/cat', '/proc/self/status'])
    for (const field of ['SigIgn', 'SigBlk']) expect(stdout).toMatch(new RegExp(`^${field}:\\s+0+$`, 'm'))
  })

  it('has exactly the environment and the arguments that were ordered', async () => {
    const env = ['A=1', 'EMPTY=', 'SPACE=a b', 'LINES=x\ny']
    const { stdout } = await writd.run(['/bin/cat', '/proc/self/environ'], { env })
    expect(stdout).toBe(`${env.join('\0')}\0`)
    expect((await writd.run(['/bin/cat', '/proc/self/environ'])).stdout).toBe('')
    const argv = ['/bin/cat', '/proc/self/cmdline', '--', '/dev/null']
    expect((await writd.run(argv)).stdout).toBe(`${argv.join('\0')}\0`)
  })

  it('inherits no descriptor but its three', async () => {
    const { stdout } = await writd.run(['/bin/ls', '/proc/self/fd'])
    expect(stdout.split('\n').filter(Boolean)).toEqual(['0', '1', '2', '3']) // 3 is the directory that ls reads
  })

  it('carries stdin, stdout and stderr, which the workload may open again by name', async () => {
    const stdio = { stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' } as const
    const running = await writd.start(['/bin/sh', '-c', 'cat; echo named >/dev/stderr'], { stdio })
    running.stdin?.end('through')
    expect((await running.ended).exitCode).toBe(0)
    expect([await running.output, await running.errors]).toEqual(['through', 'named\n'])
  })

  it('has a uid of its own, no groups, no capabilities and no_new_privs', async () => {
    const one = (await writd.run(['/bin/cat', '/proc/self/status'])).stdout
    const two = (await writd.run(['/bin/cat', '/proc/self/status'])).stdout
    const field = (status: string, name: string) =>
      new RegExp(`^${name}:(.*)$`, 'm').exec(status)?.[1]?.trim()
    expect(field(one, 'Uid')).toMatch(/^(3001\d\d|3000\d\d)\t\1\t\1\t\1$/)
    expect(field(one, 'Uid')).not.toBe(field(two, 'Uid'))
    expect(field(one, 'Gid')).toBe(field(one, 'Uid'))
    expect(field(one, 'Groups')).toBe('')
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      expect(field(one, set)).toBe('0'.repeat(16))
    expect(field(one, 'NoNewPrivs')).toBe('1')
    expect(field(one, 'Seccomp')).toBe('2')
  })

  it('runs under a uid and groups that configuration and order name', async () => {
    const { stdout } = await writd.sh('id -u; id -g; id -G', {
      user: { uid: 64400, gid: 64400 },
      groups: [64500],
    })
    expect(stdout.split('\n')).toEqual(['64400', '64400', '64400 64500', ''])
  })

  it.each([
    ['root', { uid: 0, gid: 0 }],
    ['a uid that the configuration does not name', { uid: 64410, gid: 64410 }],
    ["writd's own uid", { uid: 64321, gid: 64321 }],
    ['a uid of the allocated range', { uid: 300001, gid: 300001 }],
    ['a uid below the least', { uid: 999, gid: 999 }],
  ])('refuses %s', async (_, user) => {
    await expect(writd.run(['/bin/true'], { user })).rejects.toMatchObject({ code: 'UID_REFUSED' })
    await expect(writd.run(['/bin/true'], { stageAs: user })).rejects.toMatchObject({ code: 'UID_REFUSED' })
  })

  it('refuses groups that the configuration does not name', async () => {
    const user = { uid: 64400, gid: 64400 }
    await expect(writd.run(['/bin/true'], { user: { ...user, gid: 6 } })).rejects.toMatchObject({
      code: 'GID_REFUSED',
    })
    await expect(writd.run(['/bin/true'], { user: { ...user, gid: 0 } })).rejects.toMatchObject({
      code: 'GID_REFUSED',
    })
    await expect(writd.run(['/bin/true'], { user, groups: [64501] })).rejects.toMatchObject({
      code: 'GID_REFUSED',
    })
    await expect(writd.run(['/bin/true'], { groups: [0] })).rejects.toMatchObject({ code: 'GID_REFUSED' })
  })

  it('is alone in its PID, mount, IPC, UTS and network namespace', async () => {
    const names = ['pid', 'mnt', 'ipc', 'uts', 'net', 'cgroup']
    const { stdout } = await writd.sh(
      `for n in ${names.join(' ')}; do readlink /proc/self/ns/$n; done; hostname; cat /proc/net/dev`,
    )
    const lines = stdout.split('\n')
    names.forEach((name, i) => {
      expect(lines[i]).not.toBe(
        execFileSync('readlink', [`/proc/self/ns/${name}`], { encoding: 'utf8' }).trim(),
      )
    })
    expect(lines[names.length]).toBe('writ')
    expect(stdout.match(/^ *\w+: /gm)?.map(device => device.trim())).toEqual(['lo:'])
    const others = (await writd.run(['/bin/ls', '/proc'])).stdout
      .split('\n')
      .filter(name => /^\d+$/.test(name))
    expect(others).toEqual(['2']) // not even its init
  })

  it('has a network that nobody else is or was in, whether it was made ahead or not', async () => {
    const networkOf = (pid: number | 'self') => readlinkSync(`/proc/${pid}/ns/net`)
    const seen = new Set([networkOf('self')])
    // More at once than are made ahead, and then some that come after the end of others.
    const first = await Promise.all(Array.from({ length: 12 }, () => writd.start(['/bin/sleep', '60'])))
    for (const { pid } of first) seen.add(networkOf(pid))
    expect(seen.size).toBe(13)
    for (const { executionId } of first.splice(0, 6)) writd.client.kill(executionId, 'TERMINATED')
    await until(() => host.leaves().length === 6)
    const second = await Promise.all(Array.from({ length: 12 }, () => writd.start(['/bin/sleep', '60'])))
    const now = [...first, ...second].map(({ pid }) => networkOf(pid))
    expect(new Set([networkOf('self'), ...now]).size).toBe(19)
    for (const { executionId } of [...first, ...second]) writd.client.kill(executionId, 'TERMINATED')
    await until(() => host.leaves().length === 0)
  })

  it("shares the host's network when ordered, and only that", async () => {
    const { stdout } = await writd.sh('readlink /proc/self/ns/net; readlink /proc/self/ns/mnt', {
      network: 'host',
    })
    const [net, mnt] = stdout.split('\n')
    expect(net).toBe(execFileSync('readlink', ['/proc/self/ns/net'], { encoding: 'utf8' }).trim())
    expect(mnt).not.toBe(execFileSync('readlink', ['/proc/self/ns/mnt'], { encoding: 'utf8' }).trim())
  })

  it('reaches no abstract socket of the host, even on its network (Landlock, ABI 6)', async () => {
    const name = `writ-${newId()}`
    const server = createServer(socket => socket.on('error', () => undefined).end('reached')).listen(
      `\0${name}`,
    )
    await new Promise(resolve => server.once('listening', resolve))
    try {
      const { stdout } = await writd.run([attempts, 'connect', name], { network: 'host' })
      expect(stdout).toBe(writd.client.features.landlockAbi >= 6 ? 'connect EPERM\n' : 'connect done\n')
    } finally {
      server.close()
    }
  })

  it('is denied what no workload needs', async () => {
    const { stdout, end } = await writd.run([attempts])
    const outcome = Object.fromEntries(
      stdout
        .split('\n')
        .filter(line => line.includes(' '))
        .map(line => line.split(' ')),
    )
    const denied = [
      'mount',
      'umount',
      'unshare-user',
      'clone-user',
      'ptrace',
      'bpf',
      'io_uring',
      'keyctl',
      'userfaultfd',
    ]
    const also = ['perf', 'module', 'kexec', 'tiocsti', 'tiocsti-wide', 'setuid', 'setgid', 'handle']
    for (const name of [...denied, ...also]) expect([name, outcome[name]]).toEqual([name, 'EPERM'])
    expect(outcome).toMatchObject({
      clone3: 'ENOSYS',
      vsock: 'EAFNOSUPPORT',
      packet: 'EAFNOSUPPORT',
      unix: 'done',
    })
    for (const name of ['etc', 'var-tmp', 'cgroup', 'sysctl', 'mknod', 'init-memory', 'init-environment'])
      expect([name, outcome[name]]).toEqual([name, expect.stringMatching(/^(EACCES|EROFS|EPERM|ENOENT)$/)])
    // The mount says no before anybody else is asked.
    expect(outcome).toMatchObject({ 'var-tmp': 'EROFS' })
    expect(outcome).toMatchObject({ tmp: 'done', shm: 'done', 'execute-tmp': 'EACCES' })
    if (process.arch === 'x64') expect(outcome).toMatchObject({ x32: 'SIGSYS', i386: 'SIGSYS' })
    expect(stdout).toContain('survived') // a signal to its init did nothing
    expect(end.exitCode).toBe(0)
  })

  it('reaches a socket that was ordered, and is known there by its cgroup', async () => {
    const path = join(host.directory, 'children.sock')
    let cgroup: string | null = null
    const server = createServer(socket => {
      const peer = peerCredentials((socket as unknown as { _handle: { fd: number } })._handle.fd)
      if (peer.pidfd !== null) closeSync(peer.pidfd)
      cgroup = peer.cgroup
      socket.on('error', () => undefined).end('reached')
    }).listen(path)
    await new Promise(resolve => server.once('listening', resolve))
    chmodSync(path, 0o777)
    try {
      const running = await writd.start([attempts, 'connect', path], { writable: [path] })
      expect(await running.output).toBe('connect done\n')
      expect(cgroup).toBe(running.cgroup)
      expect((await writd.run([attempts, 'connect', path])).stdout).toBe('connect ENOENT\n')
    } finally {
      server.close()
    }
  })

  it('is an ordinary process: umask, priority, out-of-memory score', async () => {
    const { stdout } = await writd.sh('umask; nice; cat /proc/self/oom_score_adj')
    expect(stdout).toBe('0022\n0\n0\n')
  })

  it('runs what needs more than a shell', async () => {
    const script = 'setTimeout(async () => console.log(await Promise.resolve(6) * 7), 5)'
    const { stdout, stderr } = await writd.run([process.execPath, '-e', script])
    expect([stdout, stderr]).toEqual(['42\n', ''])
  })

  it('keeps /tmp to itself and throws it away', async () => {
    await writd.sh('echo secret >/tmp/left; echo secret >/dev/shm/left')
    const { stdout } = await writd.sh('ls -A /tmp /dev/shm')
    expect(stdout).toBe('/dev/shm:\n\n/tmp:\n')
  })

  it('writes only where it was ordered that it may, and executes nothing from there', async () => {
    const writable = join(host.directory, 'writable')
    const other = join(host.directory, 'other')
    for (const path of [writable, other]) {
      mkdirSync(path)
      chmodSync(path, 0o777)
    }
    const script = `echo yes >${writable}/file; echo no >${other}/file; cp /bin/true ${writable}/t && ${writable}/t; echo $?`
    const { stdout } = await writd.sh(script, { writable: [writable] })
    expect(readFileSync(join(writable, 'file'), 'utf8')).toBe('yes\n')
    expect(() => readFileSync(join(other, 'file'))).toThrow('ENOENT')
    expect(stdout.trim()).toBe('126')
  })

  it('gets no writable path that its uid could not reach, nor a device', async () => {
    const locked = join(host.directory, 'locked')
    mkdirSync(join(locked, 'inner'), { recursive: true })
    chmodSync(join(locked, 'inner'), 0o777)
    chmodSync(locked, 0o700)
    const refused = { code: 'WRITABLE_REFUSED', index: 0 }
    await expect(writd.run(['/bin/true'], { writable: [join(locked, 'inner')] })).rejects.toMatchObject(
      refused,
    )
    await expect(writd.run(['/bin/true'], { writable: ['/dev/null'] })).rejects.toMatchObject(refused)
    await expect(writd.run(['/bin/true'], { writable: ['/nonexistent'] })).rejects.toMatchObject(refused)
    await expect(writd.run(['/bin/true'], { writable: ['/tmp/../etc'] })).rejects.toMatchObject(refused)
  })

  it('starts in the directory that was ordered, if its uid may enter it', async () => {
    expect((await writd.run(['/bin/pwd'], { cwd: '/usr/bin' })).stdout).toBe('/usr/bin\n')
    await expect(writd.run(['/bin/true'], { cwd: '/root' })).rejects.toMatchObject({ code: 'CWD_REFUSED' })
    await expect(writd.run(['/bin/true'], { cwd: '/nonexistent' })).rejects.toMatchObject({
      code: 'CWD_REFUSED',
    })
  })

  it('keeps to its limits, and refuses those that this host cannot hold', async () => {
    expect((await writd.sh('ulimit -n; ulimit -c', { limits: { openFiles: 64 } })).stdout).toBe('64\n0\n')
    const { stderr } = await writd.sh('for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait', {
      limits: { pids: 4 },
    })
    expect(stderr).toMatch(/fork/i)
    const big = join(host.directory, 'writable')
    const file = await writd.sh(`head -c 100000 /dev/zero >${big}/big`, {
      writable: [big],
      limits: { fileBytes: 4096 },
    })
    expect(readFileSync(join(big, 'big')).length).toBe(4096)
    expect(file.end.exitCode).not.toBe(0)
    const asked = { limits: { memoryBytes: 1 << 26 } }
    if (writd.client.features.controllers.includes('memory'))
      expect((await writd.sh('true', asked)).end.exitCode).toBe(0)
    else await expect(writd.sh('true', asked)).rejects.toMatchObject({ code: 'LIMIT_UNENFORCEABLE' })
    const quarter = { limits: { cpuPercent: 25 } }
    const busy = "timeout 1 sh -c 'while :; do :; done'"
    if (writd.client.features.controllers.includes('cpu')) {
      const { userUs, systemUs } = (await writd.sh(busy, quarter)).end.rusage
      expect(userUs + systemUs).toBeLessThan(500_000)
    } else await expect(writd.sh(busy, quarter)).rejects.toMatchObject({ code: 'LIMIT_UNENFORCEABLE' })
    await expect(writd.sh('true', { limits: { cpuPercent: 1_000_001 } })).rejects.toMatchObject({
      code: 'LIMIT_UNENFORCEABLE',
    })
    const shared = { user: { uid: 64400, gid: 64400 }, limits: { pids: 4 } }
    if (!writd.client.features.controllers.includes('pids'))
      await expect(writd.sh('true', shared)).rejects.toMatchObject({ code: 'LIMIT_UNENFORCEABLE' })
  })

  it('says why a program could not be executed', async () => {
    const text = join(host.directory, 'text')
    writeFileSync(text, 'no program')
    await expect(writd.run([text])).rejects.toMatchObject({ code: 'PROGRAM_REFUSED' })
    const tooLong = ['/bin/true', 'x'.repeat(200_000)]
    await expect(writd.run(tooLong)).rejects.toMatchObject({ code: 'EXEC_FAILED', errno: 7 }) // E2BIG
    await until(() => host.leaves().length === 0)
  })
})
