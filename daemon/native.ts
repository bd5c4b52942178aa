import { addonPath } from '../encoding/shipped.ts'

/**
 * Typed face of the N-API addon (`native/addon`). Every function returns at once; a failing system call throws an
 * `Error` whose `code` is the errno name (`ECONNREFUSED`).
 */

declare const handle: unique symbol
type ChannelHandle = { readonly [handle]: 'channel' }
type LeaseHandle = { readonly [handle]: 'lease' }

/** The process at the other end of a Unix socket, as the kernel recorded it at `connect(2)`. */
export interface PeerCredentials {
  readonly pid: number
  readonly uid: number
  readonly gid: number
  /** A descriptor that stays with this process whatever becomes of its number; the caller closes it. */
  readonly pidfd: number | null
  /** Whether `pidfd` is the kernel's own record of the peer (SO_PEERPIDFD, Linux 6.5), not a look-up by number. */
  readonly bound: boolean
  /** The peer's cgroup v2 path, read while `pidfd` was alive; null when the peer has ended or has none. */
  readonly cgroup: string | null
}

/** A socket that a service manager passed. */
export interface PassedSocketFacts {
  readonly unix: boolean
  readonly stream: boolean
  readonly listening: boolean
  /** Where in the file system it is bound; null if nowhere. */
  readonly path: string | null
}

interface Addon {
  bootTimeNs(): bigint
  sdNotify(state: string): boolean
  peerCredentials(fd: number): PeerCredentials
  listeningSocket(fd: number): PassedSocketFacts
  stderrIsJournal(): boolean
  journalSend(entry: Buffer): boolean
  stderrWrite(line: Buffer): boolean
  processAlive(pidfd: number): boolean
  cgroupOf(pid: number, pidfd: number): string | null
  sealedMemfd(bytes: Buffer): number
  exitAtTheLatest(status: number, patienceMs: number): void
  releaseFreeMemory(): void
  terminalResize(fd: number, rows: number, columns: number): void
  leaseCreate(epoch: bigint): { handle: LeaseHandle; fd: number }
  leaseRead(page: LeaseHandle): { epoch: bigint; instantNs: bigint }
  leaseRenew(page: LeaseHandle, epoch: bigint, instantNs: bigint): void
  leaseLapse(page: LeaseHandle): bigint
  channelConnect(
    path: string,
    onMessage: (bytes: Buffer, descriptors: number[]) => void,
    onDrain: () => void,
    onEnd: (error: string | null) => void,
  ): ChannelHandle
  channelSend(channel: ChannelHandle, bytes: Buffer, descriptors: number[]): boolean
  channelClose(channel: ChannelHandle): void
}

const loaded = { exports: {} }
process.dlopen(loaded, addonPath())
const addon = loaded.exports as Addon

/** CLOCK_BOOTTIME in nanoseconds: goes on in suspend, cannot be set. */
export const bootTimeNs = (): bigint => addon.bootTimeNs()

/** Tells the service manager a state (`READY=1`, `WATCHDOG=1`, …); false when no manager asked (`NOTIFY_SOCKET` unset). */
export const sdNotify = (state: string): boolean => addon.sdNotify(state)

/**
 * Who connected. `fd` is the descriptor of a connected Unix socket. Throws when the kernel names no peer: callers refuse
 * the connection then. Identity is that of `connect(2)`: authorise on `uid` and `cgroup`; `pid` is a hint.
 */
export const peerCredentials = (fd: number): PeerCredentials => addon.peerCredentials(fd)

/** Sets the size of a pseudo-terminal, of which `fd` is the master; its foreground processes get SIGWINCH if it is another. */
export const terminalResize = (fd: number, rows: number, columns: number): void =>
  addon.terminalResize(fd, rows, columns)

/** What a passed descriptor is, from the kernel; it is closed at an exec from here on. Throws for what is no socket. */
export const listeningSocket = (fd: number): PassedSocketFacts => addon.listeningSocket(fd)

/** Whether standard error leads to the journal (`JOURNAL_STREAM`, systemd.exec(5)). */
export const stderrIsJournal = (): boolean => addon.stderrIsJournal()

/** Sends one entry in the journal's native form. False when it takes nothing now, or there is none; never waits. */
export const journalSend = (entry: Buffer): boolean => addon.journalSend(entry)

/** Writes to standard error what it takes at once; false when that is not everything. Never waits. */
export const stderrWrite = (line: Buffer): boolean => addon.stderrWrite(line)

/** Whether the process behind a pidfd still runs (a zombie does not). */
export const processAlive = (pidfd: number): boolean => addon.processAlive(pidfd)

/** The cgroup v2 path of `pid` now, or null when the process behind `pidfd` has ended. */
export const cgroupOf = (pid: number, pidfd: number): string | null => addon.cgroupOf(pid, pidfd)

/** A memfd with these bytes that nobody can change; the caller closes it. */
export const sealedMemfd = (bytes: Buffer): number => addon.sealedMemfd(bytes)

/**
 * Ends the process with `status` once `patienceMs` have gone by, whatever its threads do. To be called once, before `process.exit`, which waits for
 * threads that are in a system call: a command to a TPM device that hangs has one for as long as it hangs.
 */
export const exitAtTheLatest = (status: number, patienceMs: number): void =>
  addon.exitAtTheLatest(status, patienceMs)

/** Gives the kernel back what the C library's heaps have free (malloc_trim(3)); takes a millisecond or two. */
export const releaseFreeMemory = (): void => addon.releaseFreeMemory()

/**
 * The lease: one shared page that only this process can write (`native/shared/lease_page.h`). One instance per daemon.
 * Its descriptor lives as long as the instance.
 */
export class LeasePage {
  readonly #handle: LeaseHandle
  /** Descriptor of the sealed page, for the launcher. */
  readonly fd: number

  private constructor(page: { handle: LeaseHandle; fd: number }) {
    this.#handle = page.handle
    this.fd = page.fd
  }

  /** A fresh page in `epoch` (from 1) without evidence: nothing can start until {@link renew}. */
  static create(epoch = 1n): LeasePage {
    return new LeasePage(addon.leaseCreate(epoch))
  }

  /** The current epoch, and the boot-clock instant of the evidence (0n: none). */
  read(): { epoch: bigint; instantNs: bigint } {
    return addon.leaseRead(this.#handle)
  }

  /** Moves the evidence instant forward, in one store. Throws when `epoch` is not the page's or the instant goes back. */
  renew(epoch: bigint, instantNs: bigint): void {
    addon.leaseRenew(this.#handle, epoch, instantNs)
  }

  /** Raises the epoch and takes the evidence away; gives the new epoch. Everything of the old one ends. */
  lapse(): bigint {
    return addon.leaseLapse(this.#handle)
  }
}

/** What a {@link SeqpacketChannel} tells its owner. */
export interface ChannelHandlers {
  /** One whole message; the receiver owns the descriptors. */
  message(bytes: Buffer, descriptors: number[]): void
  /** The connection is over: null for an orderly end, else the errno name. Called at most once. */
  end(error: string | null): void
}

/** A SOCK_SEQPACKET client connection that carries descriptors. Sends keep their order; nothing blocks. */
export class SeqpacketChannel {
  readonly #handle: ChannelHandle
  readonly #waiting: { bytes: Buffer; descriptors: number[]; sent: (() => void) | undefined }[] = []
  #closed = false

  constructor(path: string, handlers: ChannelHandlers) {
    this.#handle = addon.channelConnect(
      path,
      (bytes, descriptors) => handlers.message(bytes, descriptors),
      () => this.#drain(),
      error => {
        this.#closed = true
        handlers.end(error)
      },
    )
  }

  /** Queues one message. `descriptors` must stay open until `sent` is called; they are duplicated by the kernel. */
  send(bytes: Buffer, descriptors: number[] = [], sent?: () => void): void {
    this.#waiting.push({ bytes, descriptors, sent })
    if (this.#waiting.length === 1) this.#drain()
  }

  close(): void {
    if (!this.#closed) addon.channelClose(this.#handle)
    this.#closed = true
    this.#dropWaiting()
  }

  #drain(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (!addon.channelSend(this.#handle, next.bytes, next.descriptors)) return
      this.#waiting.shift()
      next.sent?.()
    }
  }

  #dropWaiting(): void {
    for (const { sent } of this.#waiting.splice(0)) sent?.()
  }
}
