import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { isRoot, TestHost, until, type Writd } from './host.ts'

/** CAP_KILL, the fifth (linux/capability.h), as /proc shows a set of it alone. */
const KILL = '0000000000000020'
const NOTHING = '0'.repeat(16)

describe.skipIf(!isRoot)('a supervisor (needs root)', () => {
  let host: TestHost
  afterEach(() => host.stop())

  /** The capabilities of the supervisor of one execution, of a launcher that was started by a wrapper. */
  async function capabilities(wrapper: readonly string[]): Promise<Record<string, string>> {
    host = new TestHost({}, wrapper)
    await host.start()
    const writd = await host.connect()
    const { pid, executionId, ended } = await writd.start(['/bin/sleep', '60'])
    const field = (of: number, name: string) =>
      new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(readFileSync(`/proc/${of}/status`, 'utf8'))?.[1] ?? ''
    const supervisor = Number(field(pid, 'PPid'))
    expect(field(supervisor, 'Name')).toBe('writ-supervisor')
    const sets = Object.fromEntries(['CapPrm', 'CapEff'].map(name => [name, field(supervisor, name)]))
    writd.client.kill(executionId, 'TERMINATED')
    await ended
    writd.client.close()
    return sets
  }

  test('keeps one right, to kill', async () => {
    expect(await capabilities([])).toEqual({ CapPrm: KILL, CapEff: KILL })
  })

  test('keeps none where the launcher does not have that one', async () => {
    expect(await capabilities(['setpriv', '--bounding-set=-kill'])).toEqual({
      CapPrm: NOTHING,
      CapEff: NOTHING,
    })
  })
})

const UNIT = join(import.meta.dirname, '../../packaging/systemd/writ-launchd.service')
/** Whose directory nobody else may enter. */
const USER = { uid: 64400, gid: 64400 }

/** What the shipped unit leaves the launcher, as setpriv(1) names it. */
const SHIPPED = readFileSync(UNIT, 'utf8')
  .split('\n')
  .flatMap(line => /^CapabilityBoundingSet=(.*)$/.exec(line)?.[1]?.split(' ') ?? [])
  .map(name => name.replace(/^CAP_/, '').toLowerCase())

/** What is missing without each of them, by what an execution or the launcher then says. */
const MISSING: Readonly<Record<string, RegExp>> = {
  sys_admin: /^no device filter; .*SANDBOX_FAILED \(clone: EPERM\)/,
  setuid: /STAGE: INTERNAL \(EPERM\)/,
  setgid: /the launcher ended: .*setgroups: Operation not permitted/,
  setpcap: /STAGE: INTERNAL \(EPERM\)/,
  kill: /outlived its supervisor/,
  mknod: /SANDBOX_FAILED \(devices: EPERM\)/,
  net_admin: /SANDBOX_FAILED \(network: EPERM\)/,
  chown: /the launcher ended: .*launchd\.sock: Operation not permitted/,
  dac_read_search: /WRITABLE_REFUSED/,
  lease: /copied again/,
}

/** A file of the host that the store takes, and that has settled: nobody has changed it for long. */
const LARGE = '/usr/bin/bash'
const SIZE = statSync(LARGE).size
/** ext4, XFS, Btrfs: file systems by whose change times a copy is found again. */
const remembers = [0xef53, 0x58465342, 0x9123683e].includes(statfsSync(LARGE).type)

describe.skipIf(!isRoot)('the capabilities of the launcher (needs root)', () => {
  let host: TestHost
  // Not below /tmp, of which an execution has its own.
  const directory = mkdtempSync('/var/tmp/writ-private-')
  const inside = join(directory, 'inside')
  mkdirSync(inside)
  for (const path of [inside, directory]) chownSync(path, USER.uid, USER.gid)
  afterAll(() => rmSync(directory, { recursive: true, force: true }))
  afterEach(() => host.stop())

  /** What a launcher with the shipped capabilities but one says of itself, and what becomes of executions. */
  async function without(missing: string | null): Promise<string> {
    const left = SHIPPED.filter(name => name !== missing).map(name => `+${name}`)
    host = new TestHost({ shared_uids: `${USER.uid}` }, ['setpriv', `--bounding-set=-all,${left.join()}`])
    host.config.store = join(host.directory, 'store')
    // As a service manager does it that hands over a cgroup.
    mkdirSync(host.cgroup)
    try {
      await host.start()
    } catch (error) {
      return String(error)
    }
    const writd = await host.connect()
    const shared = { user: USER, stageAs: USER, writable: [inside] }
    const said = [
      host.log.includes(' no device filter') ? 'no device filter' : '',
      await outcome(writd.run(['/bin/true'], { network: 'loopback' })),
      await outcome(writd.run(['/bin/touch', join(inside, 'file')], shared)),
      (await copies(writd)) ? 'copied again' : '',
      await outcome(abandoned(writd)),
    ]
    writd.client.close()
    return said.filter(Boolean).join('; ')
  }

  const outcome = (running: Promise<{ end: { exitCode: number | null } } | string>): Promise<string> =>
    running.then(
      result => (typeof result === 'string' ? result : result.end.exitCode === 0 ? '' : 'another end'),
      (error: Error) => error.message,
    )

  /** Whether what was kept once is read and written once more. proc(5): a process's io has that of the children that it has waited for. */
  async function copies(writd: Writd): Promise<boolean> {
    const subjects = ['/bin/true', LARGE]
    const written = () => Number(/^wchar: (\d+)$/m.exec(readFileSync(`/proc/${host.pid}/io`, 'utf8'))?.[1])
    try {
      await writd.run(['/bin/true'], { subjects })
      const before = written()
      await writd.run(['/bin/true'], { subjects })
      return written() - before >= SIZE
    } catch {
      return false
    }
  }

  /** A supervisor is killed while the launcher stands still: its parent-death signal is all that ends the execution. */
  async function abandoned(writd: Writd): Promise<string> {
    const { pid, ended } = await writd.start(['/bin/sleep', '60'])
    const supervisor = Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
    process.kill(host.pid, 'SIGSTOP')
    process.kill(supervisor, 'SIGKILL')
    const gone = () =>
      !existsSync(`/proc/${pid}`) || /^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
    const outlived = await until(gone, 1000).then(
      () => '',
      () => 'it outlived its supervisor',
    )
    process.kill(host.pid, 'SIGCONT')
    await ended
    return outlived
  }

  test('are enough', async () => {
    expect(await without(null)).toBe(remembers ? '' : 'copied again')
  })

  test('are all accounted for here', () => {
    expect(Object.keys(MISSING).sort()).toEqual(SHIPPED.toSorted())
  })

  test.each(Object.entries(MISSING))('are each needed: %s', async (name, says) => {
    expect(await without(name)).toMatch(says)
  })
})
