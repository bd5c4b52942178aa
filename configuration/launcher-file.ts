import { type FindUser, localUser } from './local-user.ts'
import { unknownKeyText } from './nearest.ts'
import { type ConfigProblem, Problems } from './problem.ts'

/**
 * The configuration of writ-launchd as native/launchd/config.c reads it; a test gives both the same files and wants the same answers. The
 * launcher believes its own reading only. This one is for looking at a file before it is put in place, and for comparing it with writd's.
 */

export interface IdRange {
  readonly first: number
  readonly last: number
}

/** With every default filled in. A log that is left out is null. */
export interface LauncherConfig {
  readonly socket: string
  readonly cgroup: string
  readonly event_log: string | null
  readonly userspace_log: string | null
  readonly ima_log: string | null
  /** Null where the two below are given by number; else they are this user's. */
  readonly writd_user: string | null
  readonly writd_uid: number
  readonly writd_gid: number
  readonly min_uid: number
  readonly uids: IdRange
  readonly shared_uids: readonly IdRange[]
  readonly groups: readonly IdRange[]
  readonly max_executions: number
  readonly max_staged_bytes: number
  readonly stage_seconds: number
  readonly max_evidence_age_seconds: number
  readonly tmp_bytes: number
  readonly landlock: 'required' | 'optional'
  /** Null: none. */
  readonly store: string | null
  readonly store_bytes: number
  readonly store_min_bytes: number
  /** `device.NAME`: classes of devices that an artifact may name. */
  readonly devices: readonly DeviceClass[]
}

export interface DeviceClass {
  readonly name: string
  /** Paths below /dev, as glob(7) has them. */
  readonly patterns: readonly string[]
}

export type LauncherKey = Exclude<keyof LauncherConfig, 'devices'>

/** CONFIG_TEXT_MAX, CONFIG_PATH_MAX and CONFIG_RANGES_MAX (native/launchd/config.h). */
export const MAX_LAUNCHER_CONFIG_BYTES = 65_535
const MAX_PATH = 255
const MAX_RANGES = 16
/** WIRE_DEVICES_MAX and DEVICE_PATTERNS_SIZE (native/launchd/devices.h). */
const MAX_DEVICES = 16
const MAX_PATTERNS = 511
const DEVICE_KEY = 'device.'
/** NAME_MAX (linux/limits.h). */
const MAX_NAME = 255
const TWO_TO_50 = 2 ** 50
/** Most of an unknown name that is said. */
const MAX_SHOWN = 64

/** What a value means; undefined if it is bad. */
type Reader = (text: string) => unknown

/** The keys in the order of native/launchd/config.c: of several nearest names the first is said. */
const KEYS: Readonly<Record<LauncherKey, { readonly read: Reader; readonly unset?: unknown }>> = {
  socket: { read: path },
  cgroup: { read: text => (text === 'auto' ? text : path(text)), unset: 'auto' },
  event_log: { read: path, unset: null },
  userspace_log: { read: path, unset: null },
  ima_log: { read: path, unset: null },
  // useradd(8); CONFIG_USER_MAX.
  writd_user: { read: text => (/^[a-z_][a-z0-9_-]{0,31}$/.test(text) ? text : undefined), unset: null },
  writd_uid: { read: id },
  writd_gid: { read: id },
  min_uid: { read: id, unset: 1000 },
  uids: { read: range },
  shared_uids: { read: ranges, unset: [] },
  groups: { read: ranges, unset: [] },
  max_executions: { read: whole(1, 4096), unset: 256 },
  max_staged_bytes: { read: whole(0, TWO_TO_50), unset: 2 ** 30 },
  stage_seconds: { read: whole(1, 3600), unset: 60 },
  max_evidence_age_seconds: { read: whole(2, 7200), unset: 7200 },
  tmp_bytes: { read: whole(4096, TWO_TO_50), unset: 64 * 2 ** 20 },
  landlock: { read: text => ['required', 'optional'].find(word => word === text), unset: 'required' },
  store: { read: text => (text === 'none' ? null : path(text)), unset: null },
  store_bytes: { read: whole(0, TWO_TO_50), unset: 8 * 2 ** 30 },
  store_min_bytes: { read: whole(1, TWO_TO_50), unset: 2 ** 20 },
}

export const LAUNCHER_KEYS = Object.keys(KEYS) as LauncherKey[]

export interface ExaminedLauncherConfig {
  /** Null if anything is wrong. */
  readonly config: LauncherConfig | null
  readonly problems: readonly ConfigProblem[]
  /** The line of each key that is set. */
  readonly set: ReadonlyMap<LauncherKey, number>
}

/**
 * Looks at a configuration of writ-launchd: `key = value` lines, each value, what is missing, the rules between keys. Never throws for what
 * the bytes are.
 *
 * @param bytes controlled by whoever wrote the file
 * @param findUser whose ids `writd_user` stands for
 */
export function examineLauncherConfig(
  bytes: Uint8Array,
  findUser: FindUser = localUser,
): ExaminedLauncherConfig {
  const problems = new Problems()
  const values = new Map<LauncherKey, unknown>()
  const set = new Map<LauncherKey, number>()
  const devices: DeviceClass[] = []
  if (bytes.length > MAX_LAUNCHER_CONFIG_BYTES || bytes.includes(0)) {
    problems.add('CONFIG_SYNTAX', 'the file is too long or not text')
    return { config: null, problems: problems.list, set }
  }
  // The launcher counts bytes, so each is a character here.
  const lines = Buffer.from(bytes).toString('latin1').split('\n')
  for (const [index, line] of lines.entries()) {
    if (problems.full) break
    readLine(line, index + 1, values, set, devices, problems)
  }
  takeUser(values, set, findUser, problems)
  for (const [key, { unset }] of Object.entries(KEYS) as [LauncherKey, { unset?: unknown }][]) {
    if (set.has(key) || values.has(key)) continue
    if (unset === undefined) problems.add('CONFIG_MISSING_KEY', 'has to be set', { key })
    else values.set(key, unset)
  }
  checkRules(values, set, problems)
  const config =
    problems.list.length === 0
      ? ({ ...Object.fromEntries(values), devices } as unknown as LauncherConfig)
      : null
  return { config, problems: problems.list, set }
}

function readLine(
  line: string,
  at: number,
  values: Map<LauncherKey, unknown>,
  set: Map<LauncherKey, number>,
  devices: DeviceClass[],
  problems: Problems,
): void {
  const text = trim(line.split('#', 1)[0] ?? '')
  if (text === '') return
  const equals = text.indexOf('=')
  const name = trim(text.slice(0, equals))
  if (equals < 0) problems.add('CONFIG_SYNTAX', 'expected: key = value', { line: at })
  else if (name.startsWith(DEVICE_KEY)) {
    const device = deviceClass(name.slice(DEVICE_KEY.length), trim(text.slice(equals + 1)), devices)
    if (device !== undefined) devices.push(device)
    else {
      const shown = Buffer.from(name.slice(0, MAX_SHOWN), 'latin1').toString()
      const what = 'has a bad name or value, or is given twice'
      problems.add('CONFIG_BAD_VALUE', what, { key: shown, line: at })
    }
  } else if (!isKey(name)) {
    const shown = Buffer.from(name.slice(0, MAX_SHOWN), 'latin1').toString()
    problems.add('CONFIG_UNKNOWN_KEY', unknownKeyText(name, LAUNCHER_KEYS), { key: shown, line: at })
  } else if (set.has(name)) problems.add('CONFIG_BAD_VALUE', 'is given twice', { key: name, line: at })
  else {
    set.set(name, at)
    const value = KEYS[name].read(trim(text.slice(equals + 1)))
    if (value === undefined) problems.add('CONFIG_BAD_VALUE', 'has a bad value', { key: name, line: at })
    else values.set(name, value)
  }
}

function isKey(name: string): name is LauncherKey {
  return Object.hasOwn(KEYS, name)
}

/** What `trim` of config.c takes away. */
function trim(text: string): string {
  return text.replace(/^[ \t]+/, '').replace(/[ \t\r]+$/, '')
}

/** A user that is named stands for the two numbers. */
function takeUser(
  values: Map<LauncherKey, unknown>,
  set: Map<LauncherKey, number>,
  findUser: FindUser,
  problems: Problems,
): void {
  if (!set.has('writd_user')) return
  const bad = (message: string) =>
    problems.add('CONFIG_BAD_VALUE', message, { key: 'writd_user', line: set.get('writd_user') })
  if (set.has('writd_uid') || set.has('writd_gid'))
    bad('stands in place of writd_uid and writd_gid, not beside them')
  const name = values.get('writd_user')
  const user = typeof name === 'string' ? findUser(name) : null
  if (typeof name === 'string' && user === null) bad('names no user of /etc/passwd')
  // Nothing more is said of ids that nobody knows.
  for (const [key, value] of [
    ['writd_uid', user?.uid],
    ['writd_gid', user?.gid],
  ] as const)
    if (!set.has(key)) values.set(key, value)
}

/** Rules that concern more than one key; values that are bad by themselves are left alone. */
function checkRules(
  values: Map<LauncherKey, unknown>,
  set: Map<LauncherKey, number>,
  problems: Problems,
): void {
  const { writd_uid, min_uid, uids } = Object.fromEntries(values) as Partial<LauncherConfig>
  const bad = (key: LauncherKey, message: string) =>
    problems.add('CONFIG_BAD_VALUE', message, { key, line: set.get(key) })
  const user = set.has('writd_user') ? 'writd_user' : 'writd_uid'
  if (writd_uid === 0) bad(user, 'must not be root')
  if (min_uid === 0) bad('min_uid', 'must be at least 1')
  if (uids === undefined) return
  if (min_uid !== undefined && uids.first < min_uid) bad('uids', 'begins below min_uid')
  if (writd_uid !== undefined && inRange(writd_uid, uids)) bad('uids', `contains ${user}`)
}

export function inRange(id: number, { first, last }: IdRange): boolean {
  return id >= first && id <= last
}

/** At most 19 digits, as strtoull(3) reads them; up to 2^53 they are exact here, and no limit lies above. */
function number(text: string, most: number): number | undefined {
  if (!/^[0-9]{1,19}$/.test(text)) return undefined
  const value = Number(text)
  return value <= most ? value : undefined
}

function whole(least: number, most: number): Reader {
  return text => {
    const value = number(text, most)
    return value === undefined || value < least ? undefined : value
  }
}

/** (uid_t)-1 stands for nobody (setreuid(2)). */
function id(text: string): number | undefined {
  return number(text, 0xffff_fffe)
}

function range(text: string): IdRange | undefined {
  const dash = text.indexOf('-')
  const first = id(dash < 0 ? text : text.slice(0, dash))
  const last = dash < 0 ? first : id(text.slice(dash + 1))
  return first === undefined || last === undefined || first > last ? undefined : { first, last }
}

/** "none", or numbers and ranges with commas between them: "1000-1999,3000". */
function ranges(text: string): readonly IdRange[] | undefined {
  if (text === 'none') return []
  const all = text.split(',').map(range)
  return all.length <= MAX_RANGES && all.every(item => item !== undefined) ? all : undefined
}

/** As device_class_add of native/launchd/devices.c has it. */
function deviceClass(name: string, text: string, before: readonly DeviceClass[]): DeviceClass | undefined {
  if (!/^[a-z0-9][a-z0-9-]{0,30}$/.test(name) || before.some(other => other.name === name)) return undefined
  if (before.length === MAX_DEVICES || text.length > MAX_PATTERNS) return undefined
  const patterns = text.split(',').map(pattern => pattern.replace(/^[ \t]+|[ \t]+$/g, ''))
  const good = patterns.every(pattern => plainPath(pattern) && pattern.startsWith('/dev/'))
  return good ? { name, patterns } : undefined
}

function path(text: string): string | undefined {
  if (text.length > MAX_PATH || !plainPath(text)) return undefined
  return Buffer.from(text, 'latin1').toString()
}

/** As path_is_plain of native/launchd/strings.c has it: absolute, of plain names. */
function plainPath(text: string): boolean {
  if (!text.startsWith('/')) return false
  const names = text.slice(1).split('/')
  return names.every(name => name !== '' && name !== '.' && name !== '..' && name.length <= MAX_NAME)
}
