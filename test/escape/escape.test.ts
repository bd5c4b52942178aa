import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LauncherError } from '../../daemon/launcher/error.ts'
import { isRoot, newId, type Result, TestHost, type Writd } from '../native/host.ts'
import { type Attempt, CALLER, type Places } from './attempt.ts'
import { ATTEMPTS } from './attempts.ts'

const SOURCES = join(import.meta.dirname, 'attempts')
const SECRET = 'known to the launcher alone'

interface Outcome {
  readonly status: number | null
  /** "done", or what refused it. */
  readonly said: string
}

/** Needs root, as the launcher does, and as the naive one does that it is held against. */
describe.skipIf(!isRoot)('escape', () => {
  const host = new TestHost({ shared_uids: String(CALLER) })
  // Not below /tmp, which every execution has its own of: nothing here is out of reach for being covered.
  const directory = mkdtempSync('/var/tmp/writ-escape-')
  const at = (name: string) => join(directory, name)
  const [program, naive] = [at('escape'), at('naive')]
  const servers: Server[] = []
  let victim: ChildProcess
  let places: Places
  let writd: Writd

  const file = (name: string, text: string, mode: number, uid = 0): void => {
    writeFileSync(at(name), text)
    chmodSync(at(name), mode)
    chownSync(at(name), uid, 0)
  }

  /** What attempts are made at, as it is before each of them. */
  const lay = (): void => {
    file('victim', 'unharmed', 0o644)
    file('removable', 'unharmed', 0o644)
    file('callers-secret', SECRET, 0o600, CALLER)
    file('roots-secret', SECRET, 0o600)
    file('for-group-0', SECRET, 0o640)
    file('leaked', 'unharmed', 0o600)
    rmSync(at('created'), { force: true })
  }

  const listen = async (address: string | number): Promise<AddressInfo | string | null> => {
    const server = createServer(socket => socket.on('error', () => undefined).end())
    servers.push(server)
    await new Promise<void>(resolve =>
      typeof address === 'number'
        ? server.listen(address, '0.0.0.0', resolve)
        : server.listen(address, resolve),
    )
    if (typeof address === 'string' && address.startsWith('/')) chmodSync(address, 0o777)
    return server.address()
  }

  const build = (): void => {
    const sources = readdirSync(SOURCES).filter(name => name.endsWith('.c') && name !== 'naive.c')
    const flags = ['-D_GNU_SOURCE', '-std=gnu17', '-O1']
    execFileSync('gcc', [...flags, '-static', '-o', program, ...sources.map(name => join(SOURCES, name))])
    execFileSync('gcc', [...flags, '-static', '-o', naive, join(SOURCES, 'naive.c')])
    copyFileSync(program, at('set-user-id'))
    chmodSync(at('set-user-id'), 0o4755)
    copyFileSync(program, at('capable'))
    execFileSync(program, ['give-capability', at('capable')])
    copyFileSync('/bin/echo', at('dynamic'))
  }

  beforeAll(async () => {
    process.env.WRIT_ESCAPE_SECRET = SECRET
    chmodSync(directory, 0o755)
    build()
    mkdirSync(at('writable'), { mode: 0o777 })
    chmodSync(at('writable'), 0o777)
    symlinkSync(directory, at('writable/link'))
    mkdirSync(at('locked/inner'), { recursive: true })
    writeFileSync(at('locked/inner/secret'), SECRET)
    chmodSync(at('locked'), 0o700)
    victim = spawn('/bin/sleep', ['300'], { uid: CALLER, gid: CALLER, stdio: 'ignore' })
    const segment = execFileSync('ipcmk', ['-M', '4096', '-p', '0666'], { encoding: 'utf8' })
    const name = `writ-escape-${newId().slice(0, 8)}`
    places = {
      directory,
      cgroup: dirname(host.cgroup),
      socket: `/run/${name}.sock`,
      abstract: name,
      port: ((await listen(0)) as AddressInfo).port,
      victim: victim.pid ?? 0,
      sharedMemory: Number(/\d+/.exec(segment)?.[0]),
      writable: at('writable'),
      temporary: `/tmp/${name}`,
      loader: interpreterOf('/bin/echo'),
    }
    writeFileSync(places.temporary, SECRET, { mode: 0o644 })
    await listen(places.socket)
    await listen(`\0${places.abstract}`)
    await host.start()
    writd = await host.connect()
  })

  afterAll(async () => {
    writd?.client.close()
    await host.stop()
    victim?.kill('SIGKILL')
    for (const server of servers) server.close()
    if (places !== undefined) {
      spawnSync('ipcrm', ['-m', String(places.sharedMemory)])
      rmSync(places.temporary, { force: true })
      for (const name of readdirSync('/tmp').filter(name => /^writ-escape-\d+$/.test(name)))
        rmSync(join('/tmp', name), { force: true })
    }
    rmSync(directory, { recursive: true, force: true })
  })

  /** With a directory and a file of root's left open, in a directory of root's, and with all of the environment. */
  const runNaively = (attempt: Attempt): Outcome => {
    const descriptors = [openSync(at('locked/inner'), 'r'), openSync(at('leaked'), 'r+')]
    try {
      const argv = [...(attempt.naive ?? []), program, ...attempt.run(places)]
      const { status, stdout } = spawnSync(naive, argv, {
        cwd: at('locked/inner'),
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit', ...descriptors],
        timeout: 10_000,
      })
      return { status, said: stdout.trim() }
    } finally {
      for (const descriptor of descriptors) closeSync(descriptor)
    }
  }

  const runGoverned = async (attempt: Attempt): Promise<Outcome> => {
    const order = attempt.order?.(places) ?? {}
    const result = await writd.run([program, ...attempt.run(places)], order).catch((error: unknown) => error)
    if (result instanceof LauncherError) return { status: null, said: result.code }
    const { end, stdout } = result as Result
    const signal = end.signal === 31 ? 'SIGSYS' : `signal ${end.signal}`
    const silent = end.exitCode === null ? signal : `exit ${end.exitCode}`
    return { status: end.exitCode, said: stdout.trim() || silent }
  }

  const unharmed = (): void => {
    expect(readFileSync(at('victim'), 'utf8')).toBe('unharmed')
    expect(readFileSync(at('removable'), 'utf8')).toBe('unharmed')
    expect(readFileSync(at('leaked'), 'utf8')).toBe('unharmed')
    expect(existsSync(at('created'))).toBe(false)
  }

  it('is tried in at least forty ways', () => {
    expect(new Set(ATTEMPTS.map(({ name }) => name)).size).toBe(ATTEMPTS.length)
    expect(ATTEMPTS.length).toBeGreaterThanOrEqual(40)
  })

  describe.each(ATTEMPTS)('$name', attempt => {
    it.skipIf(attempt.on !== undefined && !attempt.on())('works under a naive launcher', () => {
      lay()
      expect(runNaively(attempt)).toMatchObject({ said: expect.stringMatching(/^done/) })
    })

    it.skipIf(attempt.on !== undefined && !attempt.on())('fails under Writ', async () => {
      lay()
      const { status, said } = await runGoverned(attempt)
      expect(said).toMatch(attempt.refused)
      expect(status).not.toBe(0)
      unharmed()
    })
  })

  // Those that are not one program's doing.

  it('an empty argument vector is executed by a naive launcher, and is no order (CVE-2021-4034, pkexec)', async () => {
    const { stdout } = spawnSync(naive, ['empty', program], { encoding: 'utf8' })
    expect(stdout).toBe('done\n')
    await expect(writd.prepare([program], { argv: [] })).rejects.toMatchObject({ code: 'MALFORMED' })
  })

  it('a writable path that is exchanged for a link in time gives root’s directory away, and nothing under Writ (CVE-2021-30465)', async () => {
    const place = at('exchanged')
    for (const name of ['', 'path', '../target']) mkdirSync(join(place, name))
    symlinkSync(at('target'), join(place, 'link'))
    for (const name of ['', 'path']) chownSync(join(place, name), CALLER, CALLER)
    const racer = spawn(program, ['exchange', join(place, 'path'), join(place, 'link')], {
      uid: CALLER,
      gid: CALLER,
    })
    const write = ['create', join(place, 'path', 'created')]
    const arrived = () => existsSync(join(at('target'), 'created'))
    try {
      for (let left = 300; left > 0 && !arrived(); left--)
        spawnSync(naive, [`uid=${CALLER}`, `writable=${join(place, 'path')}`, program, ...write])
      expect(arrived()).toBe(true)
      rmSync(join(at('target'), 'created'))
      const tryGoverned = async (times: number): Promise<void> => {
        for (let left = times; left > 0; left--)
          await writd
            .run([program, ...write], { writable: [join(place, 'path')], user: { uid: CALLER, gid: CALLER } })
            .catch((error: unknown) => expect(error).toBeInstanceOf(LauncherError))
        expect(arrived()).toBe(false)
      }
      chownSync(at('target'), 0, 0)
      await tryGoverned(25)
      expect(statSync(at('target')).uid).toBe(0)
      // Nor is another directory of the user's own written to than the one that was signed.
      chownSync(at('target'), CALLER, CALLER)
      await tryGoverned(60)
    } finally {
      racer.kill('SIGKILL')
    }
  })

  it('a detached grandchild outlives a naive launcher’s child, and ends with Writ’s', async () => {
    expect(runNaively({ name: '', run: () => ['outlive'], refused: /./ }).said).toContain('done')
    const { stdout } = await writd.run([program, 'outlive'])
    expect(stdout).not.toContain('done')
  })
})

/** What PT_INTERP of a dynamic program names. */
function interpreterOf(program: string): string {
  return /\/lib[\w/.-]*ld-[\w.-]+\.so\.\d+/.exec(readFileSync(program, 'latin1'))?.[0] ?? ''
}
