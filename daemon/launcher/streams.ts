import { Socket } from 'node:net'
import { LauncherError } from './error.ts'
import { HeldDescriptor } from './held-descriptor.ts'
import { openTerminal } from './terminal.ts'
import type { LaunchOrder, Prepared } from './types.ts'

/** The descriptors, when there are as many as expected. */
export function exactly(descriptors: number[], count: number): number[] {
  if (descriptors.length !== count) {
    throw new LauncherError(
      'PROTOCOL',
      `the launcher sent ${descriptors.length} descriptors, expected ${count}`,
    )
  }
  return descriptors
}

type Streams = Pick<Prepared, 'stdin' | 'stdout' | 'stderr' | 'resize'>

/** The descriptors of the streams, and that of the execution's own socket, which is the last, if it has one. */
export function splitSocket(
  { children }: Pick<LaunchOrder, 'children'>,
  descriptors: number[],
): { ends: number[]; socket: HeldDescriptor | null } {
  if (children !== true) return { ends: descriptors, socket: null }
  const socket = descriptors.at(-1)
  if (socket === undefined) throw new LauncherError('PROTOCOL', 'the launcher sent no socket')
  return { ends: descriptors.slice(0, -1), socket: new HeldDescriptor(socket) }
}

/** The descriptors in the order stdin, stdout, stderr, as far as each was asked for; of a terminal its one master. */
export function openStreams(stdio: LaunchOrder['stdio'], descriptors: number[]): Streams {
  if (stdio === 'terminal') {
    const [master = -1] = exactly(descriptors, 1)
    return openTerminal(master)
  }
  const wanted = [stdio.stdin, stdio.stdout, stdio.stderr].filter(end => end === 'pipe').length
  const ends = exactly(descriptors, wanted)[Symbol.iterator]()
  const open = (end: 'pipe' | 'null', writable: boolean): Socket | null => {
    const next = end === 'pipe' ? ends.next().value : undefined
    // A workload that goes away is no error of ours: one listener is always there.
    return next === undefined
      ? null
      : new Socket({ fd: next, readable: !writable, writable }).on('error', () => undefined)
  }
  return {
    stdin: open(stdio.stdin, true),
    stdout: open(stdio.stdout, false),
    stderr: open(stdio.stderr, false),
    resize: null,
  }
}
