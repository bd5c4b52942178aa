import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import {
  replayMeasuredBoot,
  type SimulatedTpm,
  startSimulatedTpm,
} from '../../attestation/tpm2/swtpm/index.ts'
import { api, WritClient } from '../../proto/client.ts'
import { compiledDirectory } from '../support/compiled.ts'
import { putPrepared } from '../support/prepared.ts'
import { CHECKOUT, programs } from '../support/programs.ts'
import { enroll } from './enroll.ts'
import { type Place, WRITD, writeConfigs, writeLauncherConfig } from './governed-config.ts'
import { furnish, provision, RECORDED } from './governed-provision.ts'

export { WRITD }

const PROGRAMS = await programs()
const COMPILED = compiledDirectory()

export const NEEDS_ROOT =
  process.getuid?.() === 0 ? null : 'needs root: the launcher makes namespaces and cgroups'

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A whole governed host on a simulated TPM that carries a recorded boot: real processes, own directory, own sockets. */
export class GovernedHost {
  readonly dir: string
  tpm: SimulatedTpm
  #launcher: ChildProcess | undefined
  #daemon: ChildProcess | undefined
  /** Its own: a launcher ends, at its start, whatever it finds in its cgroup. */
  readonly #cgroup: string
  /** Whether root keeps the secrets, and the daemon is handed them as the service manager does it (LoadCredential=). */
  readonly #credentials: boolean
  daemonLog = ''
  launcherLog = ''
  hostId = ''

  private constructor(dir: string, tpm: SimulatedTpm, credentials: boolean) {
    this.#credentials = credentials
    this.dir = dir
    this.tpm = tpm
    const mount = existsSync('/sys/fs/cgroup/cgroup.controllers')
      ? '/sys/fs/cgroup'
      : '/sys/fs/cgroup/unified'
    this.#cgroup = join(mount, basename(dir))
  }

  /** Provisioned, with keys, trust roots, reference values and a policy, and both daemons running and attested. */
  static async start(
    options: {
      config?: Record<string, string>
      credentials?: boolean
      /** Whether the operator has certified the host's attestation key. */
      enrolled?: boolean
      /** Called when all is provisioned and the launcher runs, and no daemon was ever started. */
      beforeStart?: (host: GovernedHost) => Promise<void> | void
      /** As of {@link startDaemon}. */
      through?: readonly string[]
    } = {},
  ): Promise<GovernedHost> {
    const credentials = options.credentials === true
    const dir = mkdtempSync(join(tmpdir(), 'writ-'))
    const kind = `${credentials ? 'credentials' : 'host'}${options.enrolled ? '-enrolled' : ''}`
    await putPrepared(kind, dir, made => GovernedHost.#prepare(made, credentials, options.enrolled === true))
    const host = await GovernedHost.#in(dir, credentials)
    try {
      await host.boot()
      host.hostId = readFileSync(host.path('host-id'), 'utf8')
      writeConfigs(host.#place, options.config ?? {})
      await host.startLauncher()
      await options.beforeStart?.(host)
      await host.startDaemon({}, options.through)
      await host.attested()
      return host
    } catch (error) {
      await host.close()
      throw error
    }
  }

  /** One that has booted, with the launcher's configuration, and no more: nobody has given it an identity. */
  static async booted(): Promise<GovernedHost> {
    const host = await GovernedHost.#in(mkdtempSync(join(tmpdir(), 'writ-')), false)
    try {
      furnish({ path: name => host.path(name) })
      writeLauncherConfig(host.#place)
      await host.boot()
      return host
    } catch (error) {
      await host.close()
      throw error
    }
  }

  /** Everything up to the configuration and the daemons, the simulated TPM stopped. */
  static async #prepare(dir: string, credentials: boolean, enrolled: boolean): Promise<void> {
    const host = await GovernedHost.#in(dir, credentials)
    try {
      await host.boot()
      writeFileSync(host.path('host-id'), await provision(host, credentials))
      if (enrolled) await enroll(host)
    } finally {
      await host.tpm.stop()
    }
  }

  static async #in(dir: string, credentials: boolean): Promise<GovernedHost> {
    chmodSync(dir, 0o755)
    const tpm = await startSimulatedTpm({ dir: join(dir, 'tpm') })
    chmodSync(join(dir, 'tpm'), 0o755)
    return new GovernedHost(dir, tpm, credentials)
  }

  path(name: string): string {
    return join(this.dir, name)
  }

  get #place(): Place {
    return { path: name => this.path(name), tpmSocket: this.tpm.paths.socket, cgroup: this.#cgroup }
  }

  get socket(): string {
    return this.path('run/writd.sock')
  }

  /** The launcher's cgroup. */
  get cgroup(): string {
    return this.#cgroup
  }

  get daemonPid(): number {
    return this.#daemon?.pid ?? 0
  }

  get launcherPid(): number {
    return this.#launcher?.pid ?? 0
  }

  /** Runs `writ`. Ends it after a minute. */
  async writ(
    args: readonly string[],
    options: { input?: string | Buffer; uid?: number } = {},
  ): Promise<Finished> {
    const child = this.spawnWrit(args, options.uid)
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout?.on('data', piece => out.push(piece))
    child.stderr?.on('data', piece => err.push(piece))
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(options.input ?? '')
    const timer = setTimeout(() => child.kill('SIGKILL'), 60_000)
    const [code] = (await once(child, 'close')) as [number | null]
    clearTimeout(timer)
    return { code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }
  }

  spawnWrit(args: readonly string[], uid?: number): ChildProcess {
    return spawn(process.execPath, [join(PROGRAMS, 'cli/main.ts'), ...args], {
      env: { PATH: process.env.PATH, WRIT_SOCKET: this.socket, NODE_COMPILE_CACHE: COMPILED },
      stdio: 'pipe',
      ...(uid === undefined ? {} : { uid, gid: uid }),
    })
  }

  /** As {@link writ}, and throws unless it exits with 0. Gives its standard output. */
  async ok(...args: string[]): Promise<string> {
    const done = await this.writ(args)
    if (done.code !== 0)
      throw new Error(`writ ${args.join(' ')}: ${done.code}\n${done.stdout}${done.stderr}\n${this.daemonLog}`)
    return done.stdout
  }

  /** Signs an artifact for a program and gives its path. */
  async issue(name: string, program: readonly string[], options: readonly string[] = []): Promise<string> {
    const out = this.path(`${name}.artifact.json`)
    const given = new Set(options)
    const defaults: [string, string][] = [
      ['--key', this.path('authority.key')],
      ['--issuer', 'release'],
      ['--host', this.hostId],
      ['--valid', '1h'],
      ['--uses', 'any'],
      ['--uid', 'any'],
      ['--policy', 'any'],
      ['--reference-values', 'any'],
      ['--simulated', 'allow'],
      ['--network', 'none'],
    ]
    const rest = defaults.filter(([option]) => !given.has(option)).flat()
    await this.ok('issue', ...rest, ...options, '--out', out, '--', ...program)
    return out
  }

  async status(): Promise<{ state: string; [key: string]: unknown }> {
    return JSON.parse(await this.ok('status', '--json'))
  }

  /** Waits for a state of the gate. */
  async until(state: string, withinMs = 15_000): Promise<void> {
    const client = new WritClient(this.socket, { deadlineMs: 2000, retry: { attempts: 1 } })
    const deadline = Date.now() + withinMs
    let last = 'unknown'
    try {
      while (Date.now() < deadline) {
        const answer = await client.call(api.attestation.GetStatus, {}).catch(() => null)
        last = answer?.status?.state ?? last
        if (last === `GATE_STATE_${state}`) return
        await new Promise(resolve => setTimeout(resolve, 50))
      }
    } finally {
      client.close()
    }
    throw new Error(`the gate is ${last}, not ${state}\n${this.daemonLog}`)
  }

  async attested(): Promise<void> {
    await this.until('ATTESTED')
  }

  async startLauncher(): Promise<void> {
    const child = spawn(
      join(CHECKOUT, 'native/build/writ-launchd'),
      ['--config', this.path('launchd.conf')],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    )
    this.#launcher = child
    child.stderr?.on('data', piece => (this.launcherLog += piece))
    // The daemon's user gets the socket last of all, when it is listened on.
    await this.#appears(
      () => statSync(this.path('launchd/launchd.sock'), { throwIfNoEntry: false })?.uid === WRITD.uid,
    )
  }

  /**
   * @param env more of its environment
   * @param through a program of root that becomes the daemon's user and executes what is appended to it
   */
  async startDaemon(env: Record<string, string> = {}, through: readonly string[] = []): Promise<void> {
    const cache = this.path('cache')
    const [program = '', ...args] = [...through, join(PROGRAMS, 'writd'), '--config', this.path('writd.toml')]
    const child = spawn(program, args, {
      ...(through.length === 0 ? WRITD : {}),
      env: {
        PATH: process.env.PATH,
        ...(existsSync(cache) ? { CACHE_DIRECTORY: cache } : { NODE_COMPILE_CACHE: COMPILED }),
        ...(this.#credentials ? { CREDENTIALS_DIRECTORY: this.#handOver() } : {}),
        ...env,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#daemon = child
    child.stderr?.on('data', piece => (this.daemonLog += piece))
    let ended = false
    child.once('exit', () => {
      ended = true
    })
    await this.#appears(() => {
      if (ended) throw new Error(`writd ended\n${this.daemonLog}\n${this.launcherLog}`)
      return socketExists(this.socket)
    })
  }

  async stopDaemon(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    return end(this.#daemon, signal)
  }

  /** As the service manager does it: a copy for this start alone, root's, readable by the daemon's user by way of the group's bits. */
  #handOver(): string {
    const handed = this.path('handed')
    rmSync(handed, { recursive: true, force: true })
    cpSync(this.path('credentials'), handed, { recursive: true })
    chownSync(handed, WRITD.uid, WRITD.gid)
    for (const name of readdirSync(handed)) {
      chownSync(join(handed, name), 0, WRITD.gid)
      chmodSync(join(handed, name), 0o440)
    }
    return handed
  }

  /** Waits for the daemon to end by itself and gives its exit status. */
  async daemonExit(): Promise<number | null> {
    const child = this.#daemon
    if (child === undefined || child.exitCode !== null || child.signalCode !== null)
      return child?.exitCode ?? null
    const [code] = (await once(child, 'exit')) as [number | null]
    return code
  }

  async stopLauncher(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    return end(this.#launcher, signal)
  }

  /** Puts another TPM in the place of this one, of the same maker, booted as the host was. */
  async replaceTpm(): Promise<void> {
    await this.tpm.stop()
    rmSync(this.path('tpm'), { recursive: true })
    this.tpm = await startSimulatedTpm({ dir: this.path('tpm') })
    chmodSync(this.path('tpm'), 0o755)
    await this.boot()
  }

  /** Lets the daemon's user reach the simulated TPM. To be called again after the TPM was started again. */
  openTpm(): void {
    for (const path of [this.tpm.paths.socket, this.tpm.paths.control]) chownSync(path, WRITD.uid, WRITD.gid)
  }

  /** Boots the simulated TPM as the recorded host was booted. */
  async boot(): Promise<void> {
    await replayMeasuredBoot(this.tpm, {
      eventLog: readFileSync(join(RECORDED, 'eventlog.bin')),
      userspaceLog: readFileSync(join(RECORDED, 'userspace.jsonseq')),
      imaLog: readFileSync(join(RECORDED, 'ima.bin')),
    })
    this.openTpm()
  }

  async close(): Promise<void> {
    await end(this.#daemon, 'SIGTERM')
    await end(this.#launcher, 'SIGTERM')
    await this.tpm.stop()
    for (const cgroup of [join(this.#cgroup, 'executions'), this.#cgroup])
      if (existsSync(cgroup)) rmdirSync(cgroup)
    rmSync(this.dir, { recursive: true, force: true })
  }

  async #appears(there: () => boolean): Promise<void> {
    const deadline = Date.now() + 15_000
    while (!there()) {
      if (Date.now() > deadline) throw new Error(`no socket\n${this.daemonLog}\n${this.launcherLog}`)
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }
}

function socketExists(path: string): boolean {
  return readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .some(line => line.endsWith(` ${path}`))
}

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<number | null> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null)
    return child?.exitCode ?? null
  const gone = once(child, 'exit')
  child.kill(signal)
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000)
  const [code] = (await gone) as [number | null]
  clearTimeout(timer)
  return code
}
