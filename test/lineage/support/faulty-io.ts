import { type Io, systemIo } from '../../../lineage/writer/io.ts'

export type Call = Exclude<keyof Io, 'close'>

/** When a call fails: before it has done anything, or after it has done all (its answer alone is lost). */
export type Effect = 'did not persist' | 'did persist'

/** System calls of which one fails, once. */
export interface FaultyIo extends Io {
  /** Arms a fault: the `nth` call of this kind from now (1 is the next) fails with `code`. */
  fail(call: Call, nth: number, effect: Effect, code?: string): void
  /** Calls of each kind so far. */
  readonly counts: Readonly<Record<Call, number>>
  /** Whether the armed fault has happened. */
  readonly happened: boolean
}

class IoFault extends Error {
  readonly code: string
  readonly syscall: string
  constructor(call: Call, code: string) {
    super(`${code}: injected, ${call}`)
    this.code = code
    this.syscall = call === 'writeLarge' ? 'write' : call
  }
}

export function faultyIo(): FaultyIo {
  const counts = { open: 0, write: 0, writeLarge: 0, fdatasync: 0, fsync: 0, rename: 0, unlink: 0, mkdir: 0 }
  let fault: { call: Call; at: number; effect: Effect; code: string } | undefined
  let happened = false
  const due = (call: Call) => {
    counts[call]++
    if (fault?.call !== call || counts[call] !== fault.at) return undefined
    happened = true
    return fault
  }
  const watched =
    <Args extends unknown[], T>(call: Call, run: (...args: Args) => Promise<T>) =>
    async (...args: Args): Promise<T> => {
      const now = due(call)
      if (now?.effect === 'did not persist') throw new IoFault(call, now.code)
      const result = await run(...args)
      if (now !== undefined) throw new IoFault(call, now.code)
      return result
    }
  return {
    counts,
    get happened() {
      return happened
    },
    fail(call, nth, effect, code = 'EIO') {
      happened = false
      fault = { call, at: counts[call] + nth, effect, code }
    },
    open: watched('open', systemIo.open),
    write(fd, bytes, position) {
      const now = due('write')
      if (now?.effect !== 'did not persist') systemIo.write(fd, bytes, position)
      if (now !== undefined) throw new IoFault('write', now.code)
    },
    writeLarge: watched('writeLarge', systemIo.writeLarge),
    fdatasync: watched('fdatasync', systemIo.fdatasync),
    fsync: watched('fsync', systemIo.fsync),
    close: systemIo.close,
    rename: watched('rename', systemIo.rename),
    unlink: watched('unlink', systemIo.unlink),
    mkdir: watched('mkdir', systemIo.mkdir),
  }
}
