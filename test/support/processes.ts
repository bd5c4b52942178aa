import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** What a process holds: descriptors by number, memory in KiB (VmRSS), and the mounts that it sees. */
export interface Holding {
  readonly descriptors: number
  readonly kib: number
  readonly mounts: string
}

export function holdingOf(pid: number): Holding {
  return {
    descriptors: descriptors(pid),
    kib: Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]),
    mounts: readFileSync(`/proc/${pid}/mountinfo`, 'utf8'),
  }
}

/** How many files a process has open, but for the network namespaces that a launcher has ready for the executions to come. */
export function descriptors(pid: number | 'self'): number {
  const target = (fd: string): string | null => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`)
    } catch {
      return null // closed since
    }
  }
  const targets = readdirSync(`/proc/${pid}/fd`).map(target)
  return targets.filter(found => found !== null && !found.startsWith('net:[')).length
}

/** The children of a process; none if it is gone. */
export function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}
