import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isRoot, newId, TestHost, type Writd } from './host.ts'

/** Whose executions these are, and somebody else on the host. */
const USER = { uid: 64400, gid: 64400 }
const OTHER = 64409
/** A group that an order may name, and one that only the shell has that the launcher is started from. */
const [SIGNED, SHELL] = [64500, 54321]

const { EACCES, EINVAL, ELOOP, ESTALE } = constants.errno
const refused = (errno: number, index = 0) => `WRITABLE_REFUSED ${index} ${errno}`

describe.skipIf(!isRoot)('a writable path (needs root)', () => {
  const host = new TestHost({ shared_uids: `${USER.uid}`, groups: `${SIGNED}` }, [
    'setpriv',
    `--groups=0,${SHELL}`,
  ])
  // One that only root can change, the whole way down to it; one below /tmp, of which an execution has its own; one that is the host's.
  const ofRoot = isRoot ? mkdtempSync('/var/lib/writ-writable-') : ''
  const roots: readonly string[] = [host.directory, isRoot ? mkdtempSync('/var/tmp/writ-writable-') : '']
  let writd: Writd

  beforeAll(async () => {
    for (const root of [ofRoot, ...roots]) chmodSync(root, 0o755)
    await host.start()
    writd = await host.connect()
  })
  afterAll(async () => {
    writd?.client.close()
    await host.stop()
    for (const root of [ofRoot, ...roots]) rmSync(root, { recursive: true, force: true })
  })

  const directory = (path: string, mode: number, uid = 0, gid = uid): string => {
    mkdirSync(path)
    chownSync(path, uid, gid)
    chmodSync(path, mode)
    return path
  }
  const as = { stageAs: USER, user: USER }
  /** Writes a file there, as the user, and gives what became of it. */
  const write = (path: string, groups: number[] = []): Promise<string> =>
    writd.sh(`echo written >${path}/file`, { ...as, groups, writable: [path] }).then(
      ({ end }) => `exit ${end.exitCode}`,
      ({ code, index, errno }) => `${code} ${index} ${errno}`,
    )

  it.each([0, 1])('is not what a link says that somebody else has put on the way to it (%i)', async which => {
    const owned = directory(join(roots[which] ?? '', 'owned'), 0o755, OTHER)
    const home = directory(join('/var/tmp', `writ-home-${newId()}`), 0o700, USER.uid)
    try {
      directory(join(home, 'inner'), 0o755, USER.uid)
      symlinkSync(home, join(owned, 'link'))
      expect(await write(join(owned, 'link'))).toBe(refused(ELOOP))
      expect(await write(join(owned, 'link/inner'))).toBe(refused(ELOOP))
      expect(readdirSync(home, { recursive: true })).toEqual(['inner'])
      const real = directory(join(owned, 'real'), 0o755, USER.uid)
      expect(await write(real)).toBe('exit 0')
      expect(readdirSync(real)).toEqual(['file'])
    } finally {
      rmSync(home, { recursive: true })
    }
  })

  it('is what a link of root’s says, in a directory of root’s', async () => {
    const real = directory(join(ofRoot, 'real'), 0o755, USER.uid)
    symlinkSync('real', join(ofRoot, 'link'))
    expect(await write(join(ofRoot, 'link'))).toBe('exit 0')
    expect(readFileSync(join(real, 'file'), 'utf8')).toBe('written\n')
    symlinkSync('/proc/self/root', join(ofRoot, 'magic'))
    expect(await write(join(ofRoot, 'magic', real))).toBe(refused(ELOOP))
  })

  it.each([0, 1])(
    'is reached with the groups that are signed, and none of the launcher’s (%i)',
    async which => {
      expect(readFileSync(`/proc/${host.pid}/status`, 'utf8')).toMatch(/^Groups:\s*$/m)
      for (const [group, writing, entering] of [
        [SHELL, refused(EACCES), 'CWD_REFUSED'],
        [0, refused(EACCES), 'CWD_REFUSED'],
        [SIGNED, 'exit 0', ''],
      ] as const) {
        const locked = directory(join(roots[which] ?? '', `locked-${group}`), 0o750, 0, group)
        const inner = directory(join(locked, 'inner'), 0o777)
        expect([group, await write(inner, [SIGNED])]).toEqual([group, writing])
        expect(existsSync(join(inner, 'file'))).toBe(writing === 'exit 0')
        // Of /tmp there is nothing on the host to enter, but what is writable.
        if (which === 0) continue
        const entered = writd.sh('pwd', { ...as, groups: [SIGNED], cwd: inner }).then(
          () => '',
          ({ code }) => code,
        )
        expect([group, await entered]).toEqual([group, entering])
      }
    },
  )

  it('is nothing of the kernel’s: no processes, no settings, no devices', async () => {
    const controlled = dirname(host.cgroup)
    const paths = [
      '/proc',
      '/proc/sys',
      `/proc/${process.pid}`,
      '/sys',
      '/dev',
      '/dev/shm',
      '/dev/pts',
      controlled,
    ]
    for (const path of paths) {
      const run = writd.sh('ls /proc /dev', { ...as, writable: ['/var/tmp', path] })
      const said = run.then(
        ({ stdout }) => stdout,
        ({ code, index, errno }) => `${code} ${index} ${errno}`,
      )
      // Its own shared memory is no kernel's, but it is not the host's either.
      expect([path, await said]).toEqual([path, refused(path === '/dev/shm' ? ESTALE : EINVAL, 1)])
    }
  })
})
