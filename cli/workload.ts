import { accessSync, constants, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { Option } from 'commander'
import type { ExecutionRequest } from '../authorization/index.ts'
import type { WorkloadInput } from '../proto/generated/writ/v1/Workload.ts'
import { CliError } from './error.ts'

/** Options that say what runs and how; the same for `issue`, which signs them, and `run`, which asks for them. */
export interface WorkloadOptions {
  env?: string[]
  cwd?: string
  file?: string[]
  user?: string
  network?: 'none' | 'loopback' | 'host'
  seccomp?: 'default' | 'strict'
  writable?: string[]
  device?: string[]
  cpuSeconds?: number
  memory?: number
  pids?: number
  openFiles?: number
  runTime?: number
  outputBytes?: number
  cpuPercent?: number
  fileBytes?: number
  children?: boolean
  terminal?: boolean
  detach?: boolean
}

/** What runs and how, in the words that a decision is made in. */
export type AskedWorkload = Omit<ExecutionRequest, 'executionId' | 'operation'>

/** For options that may be given several times. */
export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value]
}

/** A whole number of at least 1. @throws CliError */
export function positive(option: string): (value: string) => number {
  return value => {
    const number = Number(value)
    if (/^[0-9]{1,15}$/.test(value) && number >= 1) return number
    throw new CliError('USAGE', `${option} takes a whole number of at least 1, not ${JSON.stringify(value)}`)
  }
}

/** A whole number, zero included. @throws CliError */
export function wholeNumber(option: string): (value: string) => number {
  return value => {
    if (/^[0-9]{1,15}$/.test(value)) return Number(value)
    throw new CliError('USAGE', `${option} takes a whole number, not ${JSON.stringify(value)}`)
  }
}

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }

/** A number of bytes, with K, M or G for powers of 1024. @throws CliError */
export function byteCount(option: string): (value: string) => number {
  return value => {
    const [, digits, unit = ''] = /^([0-9]{1,12})([KMG]?)$/.exec(value) ?? []
    const bytes = Number(digits) * (UNITS[unit] ?? Number.NaN)
    if (Number.isSafeInteger(bytes) && bytes >= 1) return bytes
    throw new CliError('USAGE', `${option} takes a size such as 512M, not ${JSON.stringify(value)}`)
  }
}

const TIME_UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** A duration such as `90s`, `15m`, `8h` or `30d`, in seconds. @throws CliError */
export function duration(option: string): (value: string) => number {
  return value => {
    const [, digits, unit = ''] = /^([0-9]{1,9})([smhd])$/.exec(value) ?? []
    const seconds = Number(digits) * (TIME_UNITS[unit] ?? Number.NaN)
    if (Number.isSafeInteger(seconds) && seconds >= 1) return seconds
    throw new CliError(
      'USAGE',
      `${option} takes a duration such as 90s, 15m, 8h or 30d, not ${JSON.stringify(value)}`,
    )
  }
}

export function addWorkloadOptions(command: Command): Command {
  return command
    .option('--env <name=value>', 'environment variable; nothing is inherited (repeatable)', collect)
    .option('--cwd <directory>', 'working directory (default: /)')
    .option(
      '--file <file>',
      'another file of the closure: model, configuration, library (repeatable)',
      collect,
    )
    .option('--user <uid[:gid]>', 'user to run as (default: a uid of its own)')
    .addOption(new Option('--network <which>', 'network that it sees').choices(['none', 'loopback', 'host']))
    .addOption(new Option('--seccomp <profile>', 'which system calls it has').choices(['default', 'strict']))
    .option('--writable <path>', 'path below which it may write (repeatable)', collect)
    .option(
      '--device <name>',
      "class of devices that it may open, as the host's launchd.conf names it (repeatable)",
      collect,
    )
    .option('--cpu-seconds <n>', 'processor time', positive('--cpu-seconds'))
    .option(
      '--cpu-percent <n>',
      'share of processor time, in percent of one processor',
      positive('--cpu-percent'),
    )
    .option('--memory <size>', 'memory of all its processes', byteCount('--memory'))
    .option('--pids <n>', 'processes and threads at one time', positive('--pids'))
    .option('--open-files <n>', 'open files per process', positive('--open-files'))
    .option('--run-time <duration>', 'time from start to end', duration('--run-time'))
    .option('--output-bytes <size>', 'bytes of output', byteCount('--output-bytes'))
    .option('--file-bytes <size>', 'bytes of each file that it writes', byteCount('--file-bytes'))
    .option(
      '--children',
      'give it a socket of its own, /run/writ/parent.sock, on which it may ask for children',
    )
}

/**
 * The absolute path of a program: as given if it has a slash, else looked for in PATH, as a shell does. Symbolic links
 * are left as they are.
 *
 * @throws CliError
 */
export function programPath(name: string): string {
  if (name.includes('/')) return resolve(name)
  for (const directory of (process.env.PATH ?? '').split(':')) {
    const path = join(resolve(directory), name)
    try {
      accessSync(path, constants.X_OK)
      if (statSync(path).isFile()) return path
    } catch {
      // Not in this one.
    }
  }
  throw new CliError('FILE_MISSING', `there is no program ${name} in PATH`, {
    at: name,
    next: 'Give its path.',
  })
}

/** Reads `--env`; the same name twice is an error. @throws CliError */
export function readEnvironment(assignments: readonly string[] = []): Record<string, string> {
  const env: Record<string, string> = Object.create(null)
  for (const assignment of assignments) {
    const [, name, value] = /^([^=\0]+)=([^\0]*)$/s.exec(assignment) ?? []
    if (name === undefined || value === undefined) {
      throw new CliError('USAGE', `--env takes NAME=VALUE, not ${JSON.stringify(assignment)}`)
    }
    if (name in env) throw new CliError('USAGE', `--env names ${name} twice`)
    env[name] = value
  }
  return env
}

/** Reads `--user`. @throws CliError */
export function readUser(user: string | undefined): { uid: number; gid: number } | undefined {
  if (user === undefined) return undefined
  const [, uid, gid] = /^([0-9]{1,9})(?::([0-9]{1,9}))?$/.exec(user) ?? []
  if (uid === undefined)
    throw new CliError('USAGE', `--user takes UID or UID:GID in numbers, not ${JSON.stringify(user)}`)
  return { uid: Number(uid), gid: Number(gid ?? uid) }
}

/** All three streams are one terminal. */
export const TERMINAL = { stdin: 'terminal', stdout: 'terminal', stderr: 'terminal' } as const

/** A workload as it is asked for: absolute paths, nothing inherited, null for what is as the artifact has it. @throws CliError */
export function readWorkload(name: string, rest: readonly string[], options: WorkloadOptions): AskedWorkload {
  const program = programPath(name)
  const user = readUser(options.user)
  const env = Object.entries(readEnvironment(options.env)).map(([name, value]) => ({ name, value }))
  return {
    program,
    argv: [program, ...rest],
    env: orNull(env),
    cwd: options.cwd === undefined ? null : resolve(options.cwd),
    files: (options.file ?? []).map(path => resolve(path)),
    user: user === undefined ? null : { ...user, groups: [] },
    stdio: options.terminal === true ? TERMINAL : null,
    sandbox: {
      network: options.network ?? null,
      seccomp: options.seccomp ?? null,
      writable: orNull((options.writable ?? []).map(path => resolve(path))),
    },
    limits: {
      runTimeMs: options.runTime === undefined ? null : options.runTime * 1000,
      memoryBytes: options.memory ?? null,
      pids: options.pids ?? null,
      cpuSeconds: options.cpuSeconds ?? null,
      openFiles: options.openFiles ?? null,
      outputBytes: options.outputBytes ?? null,
      cpuPercent: options.cpuPercent ?? null,
      fileBytes: options.fileBytes ?? null,
    },
    devices: orNull(options.device ?? []),
    children: options.children === true,
    detach: options.detach === true,
  }
}

function orNull<T>(list: T[]): T[] | null {
  return list.length === 0 ? null : list
}

const NETWORKS = { none: 'NETWORK_NONE', loopback: 'NETWORK_LOOPBACK', host: 'NETWORK_HOST' } as const
const PROFILES = { default: 'SECCOMP_DEFAULT', strict: 'SECCOMP_STRICT' } as const

const streamMode = (mode: 'pipe' | 'null' | 'terminal') =>
  `STREAM_MODE_${mode.toUpperCase() as Uppercase<typeof mode>}` as const

/** The same as a message of the API, where what is null is left out. */
export function workloadMessage(asked: AskedWorkload): WorkloadInput {
  const { program, argv, env, cwd, files, user, stdio, sandbox, limits, devices, children, detach } = asked
  const { network, seccomp } = sandbox
  const set = Object.entries(limits).filter(([, value]) => value !== null)
  return {
    ...{ program, argv: argv ?? [], files, children, detach },
    env: Object.fromEntries((env ?? []).map(({ name, value }) => [name, value])),
    cwd: cwd ?? '',
    user: user === 'own' ? null : user,
    stdio:
      stdio === null
        ? null
        : {
            stdin: streamMode(stdio.stdin),
            stdout: streamMode(stdio.stdout),
            stderr: streamMode(stdio.stderr),
          },
    sandbox: {
      network: network === null ? 'NETWORK_UNSPECIFIED' : NETWORKS[network],
      seccomp: seccomp === null ? 'SECCOMP_UNSPECIFIED' : PROFILES[seccomp],
      writable: sandbox.writable ?? [],
      devices: devices ?? [],
    },
    limits: Object.fromEntries(set),
  }
}
