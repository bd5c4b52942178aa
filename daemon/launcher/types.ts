import type { Readable, Writable } from 'node:stream'
import type { LauncherError } from './error.ts'
import type { HeldDescriptor } from './held-descriptor.ts'

/** What a subject is, as `execve(2)` would see it. Neither data nor a tree can be a program. */
export type SubjectFormat = 'data' | 'elf-static' | 'elf-dynamic' | 'script' | 'tree'

/** `tree`: a directory with all that is in it, under one digest. */
export type SubjectKind = 'file' | 'tree'

/** A path to open, and what has to be there. */
export interface SubjectPath {
  readonly path: string
  readonly kind: SubjectKind
}

/** A subject as the launcher hashed it and holds it, or why it cannot be used. */
export type StagedSubject =
  | { readonly path: string; readonly sha256: string; readonly size: number }
  | { readonly path: string; readonly error: string }

/** Why `writd` itself ends an execution. */
export type KillOrder =
  | 'TERMINATED'
  | 'REVOKED'
  | 'OUTPUT_LIMIT'
  | 'CALLER_GONE'
  | 'DAEMON'
  | 'DENIED'
  /** It is kept, and is not what was permitted under its id. */
  | 'NOT_AS_PERMITTED'

/** What may be sent to the first process of an execution: nothing that ends it unseen, and nothing that the kernel reports faults by. */
export type PassedSignal =
  | 'SIGHUP'
  | 'SIGINT'
  | 'SIGQUIT'
  | 'SIGUSR1'
  | 'SIGUSR2'
  | 'SIGALRM'
  | 'SIGTERM'
  | 'SIGCONT'
  | 'SIGWINCH'

/** Why an execution ended: `EXITED` by itself, a {@link KillOrder}, or what launcher and supervisor decided in C. */
export type EndCause =
  | KillOrder
  | 'NONE'
  | 'EXITED'
  | 'EPOCH'
  | 'LEASE'
  | 'EXPIRY'
  | 'RUN_TIME'
  | 'CPU_TIME'
  | 'PARENT'
  | 'LAUNCHER_STOP'
  | 'SUPERVISOR_LOST'
  | 'INIT_LOST'
  | 'SUPERSEDED'
  | 'ABANDONED'
  | 'NOT_STARTED'
  | 'LAPSE'
  | 'GRACE'
  | 'OUT_OF_MEMORY'

/** Null and absent mean none. What the host cannot enforce is refused with `LIMIT_UNENFORCEABLE`. */
export interface LaunchLimits {
  /** From START. */
  readonly runTimeNs?: bigint | null
  /** Of all processes together; the supervisor measures it. */
  readonly cpuTimeNs?: bigint | null
  /** Of all processes together; needs the memory controller of cgroup v2. */
  readonly memoryBytes?: number | null
  /** Of one processor, for all processes together; needs the cpu controller. */
  readonly cpuPercent?: number | null
  /** Needs the pids controller, or an own uid. */
  readonly pids?: number | null
  readonly openFiles?: number | null
  /** Of each process. */
  readonly addressSpaceBytes?: number | null
  /** Of each file that is written. */
  readonly fileBytes?: number | null
}

/** A process that is connected to `writd`, as the kernel told it. */
export interface CallingProcess {
  readonly uid: number
  readonly gid: number
  readonly pid: number
  /** Of the connection itself: says whether the process is still the same. Stays the caller's. */
  readonly pidfd: number
}

/** The executable of a process, as the launcher hashed it. */
export interface CallerProgram {
  readonly sha256: string
  readonly size: number
}

/** Everything about one execution that was decided. Its subjects have been staged under the same id. */
export interface LaunchOrder {
  /** 32 lower-case hexadecimal digits. */
  readonly executionId: string
  readonly parentExecution: string | null
  readonly epoch: bigint
  /** Boot-clock instant. */
  readonly expiryBootNs: bigint
  readonly maxEvidenceAgeNs: bigint
  /** How long a lapse may hold it for `thaw`. Null and absent: a lapse ends it. */
  readonly graceNs?: bigint | null
  /** SHA-256 of each staged subject, in the order of staging (the program first), in hexadecimal. */
  readonly digests: readonly string[]
  readonly argv: readonly string[]
  /** `NAME=value`; nothing is added. */
  readonly env: readonly string[]
  readonly cwd: string
  /** `own` (the default): a uid that no other execution has. Others only where the launcher's configuration names them. */
  readonly user?: 'own' | { readonly uid: number; readonly gid: number }
  readonly groups?: readonly number[]
  /** `none`: not even a loopback device. `loopback`: one of its own. */
  readonly network: 'none' | 'loopback' | 'host'
  /** Which system calls there are. The default is `default`. */
  readonly seccomp?: 'default' | 'strict'
  /** Classes of devices that the launcher's configuration names. */
  readonly devices?: readonly string[]
  /** Directories, files and sockets of the host that it may change or reach, besides its own /tmp and /dev/shm. */
  readonly writable: readonly string[]
  /** `terminal`: all three are one pseudo-terminal, in a devpts instance of the execution's own. */
  readonly stdio:
    | {
        readonly stdin: 'pipe' | 'null'
        readonly stdout: 'pipe' | 'null'
        readonly stderr: 'pipe' | 'null'
      }
    | 'terminal'
  readonly limits: LaunchLimits
  /** Whether it may be a parent: it then has a socket of its own, on which it asks for children. */
  readonly children?: boolean
  /** Sealed memfds that its program finds under these numbers (3 to 63). They stay the caller's, who closes them once this is answered. */
  readonly secrets?: readonly { readonly fd: number; readonly descriptor: number }[]
}

/** What an adopted execution may not outlive. Where its own PREPARE says less, that stays. */
export type AdoptedDeadlines = Pick<LaunchOrder, 'expiryBootNs' | 'maxEvidenceAgeNs'>

/** Descriptors of an execution's streams that are open; they stay the caller's. A terminal is alone. */
export type OpenDescriptors = {
  readonly [stream in 'stdin' | 'stdout' | 'stderr' | 'terminal' | 'socket']?: number | null
}

/** What an execution that ended while it was kept had written last, and nobody has read: to be read, or destroyed. */
export interface LastOutput {
  readonly stdout: Readable | null
  readonly stderr: Readable | null
}

/** What went through streams that were let go of, and what of it nobody has been given yet. */
export interface Released {
  /** Bytes of input that are in the workload's pipe or terminal. */
  readonly stdinBytes: number
  /** Whether it gets no more: its pipe is closed, or the end was typed at its terminal. */
  readonly inputEnded: boolean
  /** What had been read and was still held here, in its order. */
  readonly stdout: readonly Buffer[]
  readonly stderr: readonly Buffer[]
}

/** Characters that a terminal shows. */
export interface TerminalSize {
  readonly rows: number
  readonly columns: number
}

/** An execution that is ready and frozen. Streams that were not asked for are null. */
export interface Prepared {
  /** Of the execution's init, as the host sees it. */
  readonly pid: number
  readonly uid: number
  /** Path in the cgroup v2 hierarchy, as `/proc/PID/cgroup` shows it. */
  readonly cgroup: string
  readonly stdin: Writable | null
  readonly stdout: Readable | null
  readonly stderr: Readable | null
  /** Sets the size of its terminal. Null: it has none; `stdout` carries all that a terminal shows. */
  readonly resize: ((size: TerminalSize) => void) | null
  /** Its own socket, which listens; closed if nobody takes it before it starts. Null: it may not be a parent. */
  readonly socket: HeldDescriptor | null
  /** The descriptors of those of its streams that are open now, for `LauncherClient.keep`. */
  readonly descriptors: () => OpenDescriptors
  /**
   * Lets go of the streams in this turn, so that who holds their other duplicates goes on from exactly here: not a byte is read or written any
   * more. To be called once, and only when somebody holds them, or the workload sees their end.
   */
  readonly release: () => Released
}

/** An execution that was kept, and goes on. */
export interface Adopted extends Prepared {
  /** What `LauncherClient.note` said of it last; 0 if it never did. */
  readonly noted: number
}

/** An execution that stands still: all of it was frozen, and nothing but a thaw lets it go on. */
export interface Held {
  readonly executionId: string
  readonly cause: EndCause
  readonly bootNs: bigint
}

export interface KillSent {
  readonly executionId: string
  readonly cause: EndCause
  readonly bootNs: bigint
}

/** An execution of which no process is left. */
export interface LaunchEnded {
  readonly executionId: string
  readonly cause: EndCause | 'LAUNCHER_LOST'
  /** Null when the program did not exit by itself. */
  readonly exitCode: number | null
  readonly signal: number | null
  readonly rusage: { readonly userUs: number; readonly systemUs: number; readonly maxRssKib: number }
  /** Boot-clock instant at which its cgroup was seen empty. */
  readonly bootNs: bigint
  readonly confirmedDead: boolean
}

export interface ListedExecution {
  readonly executionId: string
  readonly epoch: bigint
  readonly state:
    | 'FREE'
    | 'STAGING'
    | 'STAGED'
    | 'PREPARING'
    | 'READY'
    | 'STARTING'
    | 'RUNNING'
    | 'HELD'
    | 'ENDING'
    | 'DEAD'
    /** Runs under the lease of a `writd` that has gone, until it is adopted. */
    | 'KEPT'
  readonly pid: number
  /** What it was made of, as `orderDigest` has it; zeros before a PREPARE. */
  readonly order: string
}

/** What the host can do, as the launcher found it. */
export interface LauncherFeatures {
  /** 0: the kernel has no Landlock. */
  readonly landlockAbi: number
  /** cgroup v2 controllers that limits can use. */
  readonly controllers: readonly ('memory' | 'pids' | 'cpu')[]
  /** Second walls that not every kernel has; `keep`: the launcher knows `keep`, `adopt` and `leave`. */
  readonly features: readonly ('device-filter' | 'memfd-noexec' | 'keep')[]
  /** Names of the classes of devices that its configuration has. */
  readonly devices: readonly string[]
  /** Executions of an earlier lease page, which are being killed. */
  readonly superseded: number
  /** Executions of an earlier lease page that can be adopted, until their old lease is over. */
  readonly kept: number
}

/** What LIST shows before an execution may have processes, and after the last of them has been seen dead. */
export const WITHOUT_PROCESSES: ReadonlySet<ListedExecution['state']> = new Set([
  'FREE',
  'STAGING',
  'STAGED',
  'DEAD',
])

/** What the launcher tells unasked. */
export interface LauncherEvents {
  held: [Held]
  'kill-sent': [KillSent]
  /** Every process is dead: seen, not assumed. */
  ended: [LaunchEnded]
  /** The connection is over; the supervisors end what runs when its lease does. */
  disconnected: [LauncherError]
}
