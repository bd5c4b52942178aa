import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs'
import { basename, join } from 'node:path'

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

/** Whether descendants.c has said that all are there, and that it could make no namespace. */
export function allAreThere(said: string): boolean {
  if (!said.includes('ready')) return false
  if (said.includes('made') || said.split('EPERM').length !== 5) throw new Error(`namespaces: ${said}`)
  return true
}

/** The leaf cgroup of an execution, by what the kernel says of it and by nothing else. */
export class Leaf {
  readonly #path: string
  readonly #events: number

  /** @param path of the cgroup, which is there */
  constructor(path: string) {
    this.#path = path
    this.#events = openSync(join(path, 'cgroup.events'), 'r')
  }

  pids(): number[] {
    return readFileSync(join(this.#path, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number)
  }

  /** Throws unless there is a process of every kind in it, and `others` more. */
  expectAllKinds(others = 0): void {
    const pids = this.pids()
    const names = new Set(pids.map(nameOf))
    // Whoever flees may be between two of its selves.
    const absent = KINDS.filter(kind => kind !== 'fleeing' && !names.has(kind))
    if (absent.length > 0 || pids.length < others + KINDS.length) throw new Error(`only ${[...names]}`)
  }

  /** Whether nobody is in it any more; also when it is gone. */
  isEmpty(): boolean {
    return this.#read().includes('populated 0')
  }

  isFrozen(): boolean {
    return this.#read().includes('frozen 1')
  }

  /** Resolves to the milliseconds until nobody was in it. */
  async emptied(withinMs: number): Promise<number> {
    const from = performance.now()
    while (!this.isEmpty()) {
      const passed = performance.now() - from
      if (passed > withinMs) throw new Error(`after ${passed} ms: ${this.#read()}`)
      await new Promise(resolve => setTimeout(resolve, 1))
    }
    return performance.now() - from
  }

  /** What is left anywhere in /proc: whatever says that it is in this cgroup, or has the uid; zombies included. */
  remains(uid?: number): string[] {
    return everybody().flatMap(it =>
      it.uid === uid || it.cgroup.includes(basename(this.#path)) ? [`${it.pid} ${it.name}`] : [],
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
