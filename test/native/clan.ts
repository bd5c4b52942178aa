import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { type Running, sleep, type TestHost, until, type Writd } from './host.ts'

/** What descendants.c calls its processes. */
export const KINDS = [
  ...['doubleforked', 'own-session', 'deaf', 'multiplying', 'stopped', 'fleeing', 'vforking', 'vforked'],
  ...['headless', 'no-namespaces', 'bomb'],
]

/** Compiles descendants.c, statically: it needs nothing of the host to run. */
export function compileDescendants(out: string): string {
  const source = join(import.meta.dirname, 'descendants.c')
  execFileSync('gcc', ['-static', '-O1', '-pthread', '-Wall', '-Wextra', '-Werror', '-o', out, source])
  return out
}

/** An execution with a process of every kind, seen from the host by what the kernel says of it and by nothing else. */
export class Clan {
  readonly running: Running
  readonly #events: number
  /** As they were at its beginning. */
  readonly pids: readonly number[]
  readonly supervisor: number

  private constructor(running: Running, events: number, pids: readonly number[]) {
    this.running = running
    this.#events = events
    this.pids = pids
    this.supervisor = parentOf(running.pid)
  }

  /**
   * Starts the program and waits until it has a process of every kind.
   *
   * @param others how many more there are to be
   */
  static async start(
    host: TestHost,
    writd: Writd,
    program: string,
    options: Parameters<Writd['start']>[1] = {},
    others = 0,
  ): Promise<Clan> {
    const running = await writd.prepare([program, String(others)], { ...options, unread: true })
    const events = openSync(join(host.cgroup, 'executions', running.executionId, 'cgroup.events'), 'r')
    let said = ''
    running.stdout?.on('data', piece => (said += piece))
    await writd.client.start(running.executionId, writd.page.read().epoch)
    await until(() => said.includes('ready'), 30_000)
    if (/made/.test(said) || said.split('EPERM').length !== 5) throw new Error(`namespaces: ${said}`)
    const pids = host.processes(running.executionId)
    const clan = new Clan(running, events, pids)
    const names = new Set(pids.map(nameOf))
    // Whoever flees may have been between two of its selves.
    const absent = KINDS.filter(kind => kind !== 'fleeing' && !names.has(kind))
    if (absent.length > 0 || pids.length < others + KINDS.length) throw new Error(`only ${[...names]}`)
    return clan
  }

  get executionId(): string {
    return this.running.executionId
  }

  /** Whether the kernel has nobody in its cgroup any more; also when the cgroup is gone. */
  isEmpty(): boolean {
    return this.#read().includes('populated 0')
  }

  isFrozen(): boolean {
    return this.#read().includes('frozen 1')
  }

  /** Resolves to the milliseconds until its cgroup had nobody in it. */
  async emptied(withinMs: number): Promise<number> {
    const from = performance.now()
    while (!this.isEmpty()) {
      const passed = performance.now() - from
      if (passed > withinMs) throw new Error(`after ${passed} ms: ${this.#read()}`)
      await sleep(1)
    }
    return performance.now() - from
  }

  /** What is left of it anywhere in /proc: whatever is in its cgroup or has its uid; zombies included. */
  remains(): string[] {
    return everybody().flatMap(({ pid, uid, cgroup, name }) =>
      uid === this.running.uid || cgroup.includes(this.executionId) ? [`${pid} ${name}`] : [],
    )
  }

  close(): void {
    closeSync(this.#events)
  }

  /** cgroup.events through a descriptor from before; ENODEV: the cgroup was removed, which the kernel does to empty ones only. */
  #read(): string {
    const bytes = Buffer.alloc(128)
    try {
      return bytes.toString('latin1', 0, readSync(this.#events, bytes, 0, bytes.length, 0))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENODEV') return 'populated 0'
      throw error
    }
  }
}

interface Somebody {
  readonly pid: number
  readonly uid: number
  readonly cgroup: string
  readonly name: string
}

/** All processes of the machine. */
function everybody(): Somebody[] {
  return readdirSync('/proc').flatMap(name => {
    if (!/^\d+$/.test(name)) return []
    try {
      const status = readFileSync(`/proc/${name}/status`, 'latin1')
      const cgroup = readFileSync(`/proc/${name}/cgroup`, 'latin1')
      const uid = Number(/^Uid:\s+(\d+)/m.exec(status)?.[1])
      return [{ pid: Number(name), uid, cgroup, name: status.split('\n', 1)[0] ?? '' }]
    } catch {
      return [] // it has ended meanwhile
    }
  })
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return ''
  }
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
}
