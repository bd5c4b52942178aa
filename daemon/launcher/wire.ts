import type { EndCause, KillOrder, PassedSignal, SubjectFormat, SubjectKind } from './types.ts'

/** Numbers of `native/shared/wire.h`, which says what each message and field means. */

export const MAGIC = 0x4c545257
export const VERSION = 1
export const HEADER_BYTES = 24
export const ANSWER = 0x8000
/** `WIRE_NONE` and `WIRE_UID_ALLOCATE`. */
export const NONE = 0xffff_ffff
export const GROUPS_MAX = 16
export const INTERPRETER_BYTES = 256
export const CGROUP_BYTES = 1024
export const DEVICES_MAX = 16
export const DEVICE_NAME_BYTES = 32
export const SECRETS_MAX = 4

/** `enum wire_network`, `wire_profile`, and the bits of `wire_controller` and `wire_feature` from the lowest. */
export const NETWORKS = { none: 0, host: 1, loopback: 2 } as const
export const PROFILES = { default: 0, strict: 1 } as const
export const CONTROLLERS = ['memory', 'pids', 'cpu'] as const
export const FEATURES = ['device-filter', 'memfd-noexec', 'keep'] as const

export const MESSAGE = {
  hello: 1,
  openLog: 2,
  stage: 3,
  prepare: 4,
  start: 5,
  kill: 6,
  lapse: 7,
  abandon: 8,
  list: 9,
  thaw: 10,
  signal: 11,
  caller: 12,
  keep: 13,
  adopt: 14,
  leave: 15,
  note: 16,
  killSent: 0x4001,
  ended: 0x4002,
  held: 0x4003,
} as const

/** Bits of `enum wire_stdio`; the order in which descriptors of streams are passed. */
export const STREAMS = { stdin: 1, stdout: 2, stderr: 4, terminal: 8 } as const

export const LOG_KINDS = { eventlog: 1, userspace: 2, ima: 3 } as const
export const FORMATS: readonly SubjectFormat[] = ['data', 'elf-static', 'elf-dynamic', 'script', 'tree']
/** `enum wire_kind`. */
export const KINDS: Readonly<Record<SubjectKind, number>> = { file: 0, tree: 1 }
export const KILL_ORDERS: Readonly<Record<KillOrder, number>> = {
  TERMINATED: 64,
  REVOKED: 65,
  OUTPUT_LIMIT: 66,
  CALLER_GONE: 67,
  DAEMON: 68,
  DENIED: 69,
  NOT_AS_PERMITTED: 70,
}
/** Numbers on Linux, the same on x86_64 and aarch64 (signal(7)). */
export const SIGNALS: Readonly<Record<PassedSignal, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGUSR1: 10,
  SIGUSR2: 12,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGCONT: 18,
  SIGWINCH: 28,
}
/** `enum wire_cause`. */
export const CAUSES: readonly EndCause[] = [
  'NONE',
  'EXITED',
  'EPOCH',
  'LEASE',
  'EXPIRY',
  'RUN_TIME',
  'CPU_TIME',
  'PARENT',
  'LAUNCHER_STOP',
  'SUPERVISOR_LOST',
  'INIT_LOST',
  'SUPERSEDED',
  'ABANDONED',
  'NOT_STARTED',
  'LAPSE',
  'GRACE',
  'OUT_OF_MEMORY',
]
/** `enum execution_state` (native/launchd/executions.h). */
export const STATES = [
  'FREE',
  'STAGING',
  'STAGED',
  'PREPARING',
  'READY',
  'STARTING',
  'RUNNING',
  'HELD',
  'ENDING',
  'DEAD',
  'KEPT',
] as const
