import { closeSync, fstatSync, readSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** The measurement logs of this host. The launcher opens them, since only root may. */
export type LogKind = 'eventlog' | 'userspace' | 'ima'

/** Opens a log for reading; null when the host has none. The caller closes the descriptor. */
export type OpenLog = (kind: LogKind) => Promise<number | null>

/** Most bytes of a log that are read at all (an IMA log of a million entries has about 130 MB). */
export const MAX_LOG_BYTES = 256 << 20

export interface HostLogs {
  readonly eventLog: Buffer
  readonly userspaceLog: Buffer | null
  readonly imaLog: Buffer | null
  /** Bytes of `imaLog` that are new since the read before; all of them when the log did not go on from there. */
  readonly imaNew: Buffer | null
}

/**
 * systemd sets the sticky bit of its log before it extends a register and takes it off when the record is written (src/shared/tpm2-util.c,
 * tpm2_userspace_log_open): while it is set, the log may miss what was quoted.
 */
const STICKY = 0o1000
const SETTLE = { attempts: 20, delayMs: 10 } as const

/** Reads the logs, the IMA log only as far as it has grown: it is the one that grows, and without bound. */
export class HostLogReader {
  readonly #open: OpenLog
  #ima: Buffer = Buffer.alloc(0)

  constructor(open: OpenLog) {
    this.#open = open
  }

  /** To be called after the quote: what lies beyond the quoted state is then not yet attested, which is normal. */
  async read(): Promise<HostLogs> {
    const eventLog = await this.#whole('eventlog')
    const userspaceLog = await this.#whole('userspace')
    const imaNew = await this.#grown()
    return {
      eventLog: eventLog ?? Buffer.alloc(0),
      userspaceLog,
      imaLog: imaNew === null ? null : this.#ima,
      imaNew,
    }
  }

  /** Forgets what was read of the IMA log, so that the next read starts over. After an appraisal that did not pass. */
  reset(): void {
    this.#ima = Buffer.alloc(0)
  }

  async #whole(kind: LogKind): Promise<Buffer | null> {
    const fd = await this.#open(kind)
    if (fd === null) return null
    try {
      if (kind === 'userspace') await settled(fd)
      return readFrom(fd, 0)
    } finally {
      closeSync(fd)
    }
  }

  async #grown(): Promise<Buffer | null> {
    const fd = await this.#open('ima')
    if (fd === null) return null
    try {
      // A regular file that got shorter was replaced. securityfs says 0, and its log only ever grows.
      const { size } = fstatSync(fd)
      if (size !== 0 && size < this.#ima.length) this.reset()
      const fresh = readFrom(fd, this.#ima.length)
      if (fresh.length > 0) this.#ima = Buffer.concat([this.#ima, fresh])
      return fresh
    } finally {
      closeSync(fd)
    }
  }
}

/** Waits a little while systemd writes a record. One that never gets written, because its writer died, is not waited for. */
async function settled(fd: number): Promise<void> {
  for (let i = 0; i < SETTLE.attempts && (fstatSync(fd).mode & STICKY) !== 0; i++) await sleep(SETTLE.delayMs)
}

/** The bytes from `position` to the end. securityfs files have no size, so it reads until nothing comes. */
function readFrom(fd: number, position: number): Buffer {
  const parts: Buffer[] = []
  let at = position
  for (;;) {
    const part = Buffer.allocUnsafe(64 << 10)
    const count = readSync(fd, part, 0, part.length, at)
    if (count === 0) return Buffer.concat(parts)
    parts.push(part.subarray(0, count))
    at += count
    if (at > MAX_LOG_BYTES) throw new RangeError(`a measurement log has more than ${MAX_LOG_BYTES} bytes`)
  }
}
