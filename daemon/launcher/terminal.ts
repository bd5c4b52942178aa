import { Socket } from 'node:net'
import { Readable, Writable } from 'node:stream'
import { terminalResize } from '../native.ts'
import { descriptorOf } from './descriptor-of.ts'
import { LauncherError } from './error.ts'
import { heldBy, writtenTo } from './release.ts'
import type { Prepared } from './types.ts'

/** What a person types to end input (VEOF, Ctrl-D, termios(3)); a program that reads bytes as they are sees it as one. */
const END_OF_INPUT = Buffer.from([4])

interface PipeHandle {
  open(fd: number): number
}
interface PipeBinding {
  readonly Pipe: new (type: number) => PipeHandle
  readonly constants: { readonly SOCKET: number }
}

/**
 * A stream over a descriptor of any kind, which never blocks.
 *
 * This file rests on undocumented ground: node:net takes no terminals, and node:tty writes to the master of one by blocking, so that a
 * program that does not read its terminal would hold the daemon. The handle below both is the one of pipes, which asks of its descriptor
 * only that it can be polled. Where it is not there any more, no terminal is opened, and what asked for one does not start.
 */
function pollable(fd: number): Socket {
  const binding = (process as unknown as { binding(name: string): PipeBinding }).binding('pipe_wrap')
  const handle = new binding.Pipe(binding.constants.SOCKET)
  const error = handle.open(fd)
  if (error !== 0) throw new LauncherError('PROTOCOL', 'the terminal cannot be opened', { errno: -error })
  // One piece at most waits in it: only what takes a piece has it read on, and see the end.
  const options: unknown = {
    ...{ handle, readable: true, writable: true, readableHighWaterMark: 1 },
    // And nothing is read before somebody asks for it.
    manualStart: true,
  }
  return new Socket(options as ConstructorParameters<typeof Socket>[0])
}

/** The streams of a terminal by its master: what is typed goes to `stdin`, what it shows comes from `stdout`. Owns the descriptor. */
export function openTerminal(
  master: number,
): Pick<Prepared, 'stdin' | 'stdout' | 'stderr' | 'resize' | 'descriptors' | 'release'> {
  const terminal = pollable(master)
  // EIO: the last process that had it open is gone (pty(7)). That is its end, after all that it has shown: an error would take away what
  // nobody has read yet.
  terminal.on('error', () => undefined)
  const stdout = new Readable({
    read: () => void terminal.resume(),
    destroy: (error, done) => {
      terminal.destroy()
      done(error)
    },
  })
  terminal.on('data', (piece: Buffer) => {
    if (!stdout.push(piece)) terminal.pause()
  })
  terminal.pause()
  let typed = 0
  const stdin = new Writable({
    highWaterMark: 4096,
    write: (bytes: Buffer, _encoding, done) => {
      if (terminal.destroyed) done()
      else {
        typed += bytes.length
        terminal.write(bytes, () => done())
      }
    },
    final: done => {
      if (!terminal.destroyed) terminal.write(END_OF_INPUT)
      done()
    },
  })
  terminal.on('close', () => {
    stdout.push(null)
    stdin.destroy()
  })
  return {
    stdin,
    stdout,
    stderr: null,
    resize: ({ rows, columns }) => {
      if (!terminal.destroyed) terminalResize(master, rows, columns)
    },
    descriptors: () => ({ terminal: descriptorOf(terminal) }),
    release: () => {
      // The end is a byte too, which nobody sent: the next daemon types it only if it is not there.
      const written = writtenTo(terminal)
      const inputEnded = written > typed
      // What reads on would take its pieces on their way from the one stream to the other.
      terminal.removeAllListeners('data')
      const rest = [...heldBy(stdout), ...heldBy(terminal)]
      terminal.destroy()
      return { stdinBytes: Math.min(written, typed), inputEnded, stdout: rest, stderr: [] }
    },
  }
}
