import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { LauncherClient } from '../../daemon/launcher/client.ts'
import type {
  LaunchEnded,
  LaunchOrder,
  Prepared,
  StagedSubject,
  SubjectPath,
} from '../../daemon/launcher/types.ts'
import { bootTimeNs, LeasePage } from '../../daemon/native.ts'

export const isRoot = process.getuid?.() === 0
export const LAUNCHD =
  process.env.WRIT_LAUNCHD ?? join(import.meta.dirname, '../../native/build/writ-launchd')
export const WRITD_UID = 64321
export const SECOND = 1_000_000_000n
const CGROUP2_MAGIC = 0x63677270
const MOUNT = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].find(
  path => existsSync(path) && statfsSync(path).type === CGROUP2_MAGIC,
)

/** Of the v2 hierarchy: what a cgroup there can be limited in. */
export const CONTROLLERS =
  MOUNT === undefined ? [] : readFileSync(join(MOUNT, 'cgroup.controllers'), 'utf8').trim().split(' ')

export const newId = (): string => randomBytes(16).toString('hex')
export const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

/** Waits until `condition` holds; fails after `ms`. */
export async function until(condition: () => boolean, ms = 5000): Promise<void> {
  const deadline = Date.now() + ms
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${condition}`)
    await sleep(5)
  }
}

/** Of an execution's init, that is its supervisor. */
export function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
}

/** Does something with the effective user id `uid`, such as connecting: that is what SO_PEERCRED shows. */
export function asUser<T>(uid: number, action: () => T): T {
  process.setegid?.(uid)
  process.seteuid?.(uid)
  try {
    return action()
  } finally {
    process.seteuid?.(0)
    process.setegid?.(0)
  }
}

/** A real launcher with directory, socket and cgroup of its own. {@link stop} leaves nothing behind. */
export class TestHost {
  readonly directory = mkdtempSync(join(tmpdir(), 'writ-native-'))
  readonly cgroup = `${MOUNT}/writ-test-${newId().slice(0, 8)}`
  readonly socket = join(this.directory, 'run', 'launchd.sock')
  readonly config: Record<string, string>
  #process: ChildProcess | null = null
  log = ''

  readonly #wrapper: readonly string[]

  /** @param wrapper a command that executes the launcher, its own command line following */
  constructor(config: Record<string, string> = {}, wrapper: readonly string[] = []) {
    this.#wrapper = wrapper
    chmodSync(this.directory, 0o755)
    this.config = {
      socket: this.socket,
      cgroup: this.cgroup,
      writd_uid: String(WRITD_UID),
      writd_gid: String(WRITD_UID),
      uids: '300000-300199',
      ...config,
    }
  }

  get pid(): number {
    return this.#process?.pid ?? 0
  }

  writeConfig(): string {
    const file = join(this.directory, 'launchd.conf')
    const lines = Object.entries(this.config).map(([key, value]) => `${key} = ${value}`)
    writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600 })
    return file
  }

  async start(wrapper = this.#wrapper): Promise<void> {
    const [command = '', ...args] = [...wrapper, LAUNCHD, '--config', this.writeConfig()]
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#process = child
    this.log = ''
    await new Promise<void>((resolve, reject) => {
      child.stderr.on('data', (piece: Buffer) => {
        this.log += piece
        if (this.log.includes('ready;')) resolve()
      })
      child.once('exit', () => reject(new Error(`the launcher ended: ${this.log}`)))
    })
  }

  /** Sends the launcher a signal and waits for its end. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise(resolve => child.once('exit', resolve))
    child.kill(signal)
    await ended
  }

  async stop(): Promise<void> {
    await this.end('SIGTERM')
    rmSync(this.directory, { recursive: true, force: true })
    for (const leaf of this.leaves()) rmdirSync(join(this.cgroup, 'executions', leaf))
    for (const part of ['executions', '']) {
      if (existsSync(join(this.cgroup, part))) rmdirSync(join(this.cgroup, part))
    }
  }

  /** How many files, pipes and terminals the launcher has open. Not its sockets: who makes network namespaces for it has one as long as that takes. */
  descriptors(): number {
    const links = readdirSync(`/proc/${this.pid}/fd`).map(fd => {
      try {
        return readlinkSync(`/proc/${this.pid}/fd/${fd}`)
      } catch {
        return 'net:' // closed since
      }
    })
    return links.filter(link => !/^(net|socket):/.test(link)).length
  }

  /** The same once it has stayed as it is for a tenth of a second: a launcher prepares its next start behind each one. */
  async settledDescriptors(): Promise<number> {
    let [count, sinceMs] = [this.descriptors(), Date.now()]
    await until(() => {
      const now = this.descriptors()
      if (now !== count) [count, sinceMs] = [now, Date.now()]
      return Date.now() - sinceMs > 100
    })
    return count
  }

  /** Names of the leaf cgroups that there are. */
  leaves(): string[] {
    const executions = join(this.cgroup, 'executions')
    if (!existsSync(executions)) return []
    return readdirSync(executions, { withFileTypes: true })
      .filter(entry => entry.isDirectory())
      .map(entry => entry.name)
  }

  /** Host process ids of an execution itself, in its leaf. */
  processes(executionId: string): number[] {
    const cgroup = this.#cgroupOf(executionId)
    const own = ['own/cgroup.procs', 'cgroup.procs'].map(file => join(cgroup, file)).find(existsSync)
    return own === undefined ? [] : readFileSync(own, 'utf8').split('\n').filter(Boolean).map(Number)
  }

  /** A file of an execution's cgroup, in which those of its children are. */
  leafFile(executionId: string, file: string): string {
    return readFileSync(join(this.#cgroupOf(executionId), file), 'utf8')
  }

  /** It may be a child's, below its parent's. */
  #cgroupOf(executionId: string): string {
    const executions = join(this.cgroup, 'executions')
    const all = existsSync(executions) ? readdirSync(executions, { recursive: true, encoding: 'utf8' }) : []
    return join(executions, all.find(path => path.endsWith(executionId)) ?? executionId)
  }

  /** Connects as writd, with a page of fresh evidence unless another is given. */
  async connect(page = freshPage()): Promise<Writd> {
    const connecting = asUser(WRITD_UID, () => LauncherClient.connect(this.socket, page))
    return new Writd(await connecting, page)
  }
}

export function freshPage(): LeasePage {
  const page = LeasePage.create()
  page.renew(1n, bootTimeNs())
  return page
}

export interface Running extends Prepared {
  readonly executionId: string
  readonly staged: StagedSubject[]
  readonly ended: Promise<LaunchEnded>
  readonly output: Promise<string>
  readonly errors: Promise<string>
}

export interface Result {
  readonly end: LaunchEnded
  readonly stdout: string
  readonly stderr: string
}

type Options = Partial<Omit<LaunchOrder, 'executionId'>> & {
  subjects?: (string | SubjectPath)[]
  stageAs?: { uid: number; gid: number }
  /** Its output is left to the test. */
  unread?: boolean
}

/** Deadlines of an ADOPT that take nothing away. */
export const NO_EARLIER = { expiryBootNs: 2n ** 64n - 1n, maxEvidenceAgeNs: 2n ** 64n - 1n } as const

/** What a test does as writd. */
export class Writd {
  readonly client: LauncherClient
  readonly page: LeasePage
  readonly events: string[] = []
  readonly #ends = new Map<string, LaunchEnded>()
  readonly #waiting = new Map<string, (end: LaunchEnded) => void>()

  constructor(client: LauncherClient, page: LeasePage) {
    this.client = client
    this.page = page
    for (const end of client.earlierEnds) this.#ends.set(end.executionId, end)
    client.on('held', ({ executionId, cause }) => this.events.push(`held ${executionId} ${cause}`))
    client.on('kill-sent', ({ executionId, cause }) => this.events.push(`kill-sent ${executionId} ${cause}`))
    client.on('ended', end => {
      this.events.push(`ended ${end.executionId} ${end.cause}`)
      this.#ends.set(end.executionId, end)
      this.#waiting.get(end.executionId)?.(end)
    })
  }

  /** Whether its end was told. */
  hasEnded(executionId: string): boolean {
    return this.#ends.has(executionId)
  }

  ended(executionId: string): Promise<LaunchEnded> {
    const end = this.#ends.get(executionId)
    return end === undefined
      ? new Promise(resolve => this.#waiting.set(executionId, resolve))
      : Promise.resolve(end)
  }

  /** Stages and prepares `argv` (its first string is the program's path); the order's other fields can be given. */
  async prepare(argv: string[], options: Options = {}, executionId = newId()): Promise<Running> {
    const { subjects, stageAs, unread, ...rest } = options
    const staged = await this.client.stage(executionId, subjects ?? [argv[0] ?? ''], stageAs)
    const order: LaunchOrder = {
      executionId,
      parentExecution: null,
      epoch: this.page.read().epoch,
      expiryBootNs: bootTimeNs() + 60n * SECOND,
      maxEvidenceAgeNs: 60n * SECOND,
      digests: staged.map(subject => ('sha256' in subject ? subject.sha256 : '0'.repeat(64))),
      argv,
      env: [],
      cwd: '/',
      network: 'none',
      writable: [],
      stdio: { stdin: 'null', stdout: 'pipe', stderr: 'pipe' },
      limits: {},
      ...rest,
    }
    const prepared = await this.client.prepare(order)
    return {
      ...prepared,
      executionId,
      staged,
      ended: this.ended(executionId),
      output: unread ? Promise.resolve('') : collect(prepared.stdout),
      errors: unread ? Promise.resolve('') : collect(prepared.stderr),
    }
  }

  async start(argv: string[], options: Options = {}, executionId = newId()): Promise<Running> {
    const running = await this.prepare(argv, options, executionId)
    await this.client.start(running.executionId, this.page.read().epoch)
    return running
  }

  /** Runs `argv` to its end. */
  async run(argv: string[], options: Options = {}): Promise<Result> {
    const running = await this.start(argv, options)
    const lost = Promise.withResolvers<never>()
    this.client.once('disconnected', lost.reject)
    const end = await Promise.race([running.ended, lost.promise])
    this.client.off('disconnected', lost.reject)
    return { end, stdout: await running.output, stderr: await running.errors }
  }

  /** Runs a script with `sh -c`. */
  sh(script: string, options: Options = {}): Promise<Result> {
    return this.run(['/bin/sh', '-c', script], options)
  }
}

async function collect(stream: Readable | null): Promise<string> {
  let text = ''
  if (stream === null) return text
  try {
    for await (const piece of stream) text += piece
  } catch {
    // Destroyed, because its execution was abandoned.
  }
  return text
}
