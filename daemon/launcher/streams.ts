import { Socket } from 'node:net'
import type { StreamBits } from './decode.ts'
import { descriptorOf } from './descriptor-of.ts'
import { LauncherError } from './error.ts'
import { HeldDescriptor } from './held-descriptor.ts'
import { heldBy, writtenTo } from './release.ts'
import { openTerminal } from './terminal.ts'
import type { LastOutput, LaunchOrder, Prepared } from './types.ts'

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

type Streams = Pick<Prepared, 'stdin' | 'stdout' | 'stderr' | 'resize' | 'descriptors' | 'release'>

/** The descriptors of the streams, and that of the execution's own socket, which is the last, if it has one. */
export function splitSocket(
  has: boolean,
  descriptors: number[],
): { ends: number[]; socket: HeldDescriptor | null } {
  if (!has) return { ends: descriptors, socket: null }
  const socket = descriptors.at(-1)
  if (socket === undefined) throw new LauncherError('PROTOCOL', 'the launcher sent no socket')
  return { ends: descriptors.slice(0, -1), socket: new HeldDescriptor(socket) }
}

/** Which streams an order asks for. */
export function streamsOf(stdio: LaunchOrder['stdio']): StreamBits {
  if (stdio === 'terminal') return { stdin: false, stdout: false, stderr: false, terminal: true }
  const [stdin, stdout, stderr] = [stdio.stdin, stdio.stdout, stdio.stderr].map(end => end === 'pipe')
  return { stdin: stdin === true, stdout: stdout === true, stderr: stderr === true, terminal: false }
}

/** The descriptors in the order stdin, stdout, stderr, as far as each is there; of a terminal its one master. */
export function openStreams(there: StreamBits, descriptors: number[]): Streams {
  if (there.terminal) {
    const [master = -1] = exactly(descriptors, 1)
    return openTerminal(master)
  }
  const wanted = [there.stdin, there.stdout, there.stderr].filter(Boolean).length
  const ends = exactly(descriptors, wanted)[Symbol.iterator]()
  const open = (isThere: boolean, writable: boolean): Socket | null => {
    const next = isThere ? ends.next().value : undefined
    // A workload that goes away is no error of ours: one listener is always there.
    return next === undefined ? null : new Socket(optionsOf(next, writable)).on('error', () => undefined)
  }
  const stdin = open(there.stdin, true)
  const stdout = open(there.stdout, false)
  const stderr = open(there.stderr, false)
  return {
    stdin,
    stdout,
    stderr,
    resize: null,
    descriptors: () => ({
      stdin: descriptorOf(stdin),
      stdout: descriptorOf(stdout),
      stderr: descriptorOf(stderr),
    }),
    release: () => {
      const stdinBytes = writtenTo(stdin)
      const inputEnded = descriptorOf(stdin) === null
      const rest = { stdout: heldBy(stdout), stderr: heldBy(stderr) }
      for (const stream of [stdin, stdout, stderr]) stream?.destroy()
      return { stdinBytes, inputEnded, ...rest }
    },
  }
}

/**
 * Nothing is read before somebody asks for it: what nobody has asked for stays in the pipe, for the next daemon. The last option is what node:net
 * itself opens its sockets with, and undocumented.
 */
function optionsOf(fd: number, writable: boolean): ConstructorParameters<typeof Socket>[0] {
  const manual: object = { manualStart: true }
  return { fd, readable: !writable, writable, ...manual }
}

/** The streams that came along with an end; null for none. */
export function openLastOutput(there: StreamBits, descriptors: number[]): LastOutput | null {
  const { stdout, stderr } = openStreams({ ...there, stdin: false }, descriptors)
  return stdout === null && stderr === null ? null : { stdout, stderr }
}
