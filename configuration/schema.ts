import * as v from 'valibot'

/** An absolute path without a NUL, as the file system takes it. */
const path = v.pipe(
  v.string(),
  v.maxLength(4096),
  v.check(text => text.startsWith('/') && !text.includes('\0'), 'has to be an absolute path'),
)

/** A whole number from `least` to `most`, both allowed. */
const whole = (least: number, most: number) =>
  v.pipe(
    v.number(),
    v.check(
      value => Number.isSafeInteger(value) && value >= least && value <= most,
      `has to be a whole number from ${least} to ${most}`,
    ),
  )

/** (uid_t)-1 stands for nobody (setreuid(2)). */
const uid = whole(0, 0xfffffffe)
const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB

/** Adds a list's rule that nothing is in it twice. */
const distinct = <T extends v.GenericSchema<unknown, unknown>>(item: T, most: number) =>
  v.pipe(
    v.array(item),
    v.maxLength(most, `has at most ${most} items`),
    v.check(list => new Set(list).size === list.length, 'names something twice'),
  )

/**
 * The daemon's configuration, section by section. A key has a default here, is optional, or is mandatory; packaging/writd.toml
 * explains each, and a test compares the two. Which keys a running daemon takes over is in {@link RELOADED_KEYS}.
 */
export const sections = {
  daemon: v.strictObject({
    socket: v.optional(path, '/run/writ/writd.sock'),
    socket_access: v.optional(v.picklist(['owner', 'group', 'all']), 'group'),
    state_directory: v.optional(path, '/var/lib/writ'),
    launcher_socket: v.optional(path, '/run/writ-launchd/launchd.sock'),
    log_level: v.optional(v.picklist(['debug', 'info', 'warn', 'error']), 'info'),
    shutdown_grace_seconds: v.optional(whole(0, 300), 10),
  }),
  tpm: v.strictObject({
    transport: v.optional(v.picklist(['device', 'swtpm']), 'device'),
    path: v.optional(path, '/dev/tpmrm0'),
    hardware_roots: v.optional(distinct(path, 1000), []),
    other_roots: v.optional(distinct(path, 1000), []),
  }),
  attestation: v.strictObject({
    cycle_seconds: v.optional(whole(1, 3600), 10),
    max_evidence_age_seconds: v.optional(whole(2, 7200), 30),
    reference_values: v.optional(path),
    recovery: v.optional(v.picklist(['operator', 'auto']), 'operator'),
  }),
  trust: v.strictObject({
    governance_keys: v.pipe(distinct(path, 16), v.minLength(1, 'needs at least one key')),
    trust_roots: v.optional(path),
    policy_bundle: v.optional(path),
  }),
  access: v.strictObject({
    governors: v.optional(distinct(uid, 1000), [0]),
    auditors: v.optional(distinct(uid, 1000), [0]),
  }),
  execution: v.strictObject({
    uid_range: v.optional(v.tuple([whole(1000, 0xfffffffe), whole(1000, 0xfffffffe)]), [60600, 61183]),
    max_executions: v.optional(whole(1, 4096), 200),
    on_crash: v.optional(v.picklist(['end', 'keep']), 'end'),
    max_output_bytes: v.optional(whole(0, Number.MAX_SAFE_INTEGER), 16 * GIB),
    output_tail_bytes: v.optional(whole(0, 16 * MIB), 64 * KIB),
    output_tail_total_bytes: v.optional(whole(0, GIB), 16 * MIB),
    output_file_bytes: v.optional(whole(0, 16 * GIB), 8 * MIB),
    output_file_total_bytes: v.optional(whole(0, 1024 * GIB), 512 * MIB),
    output_file_days: v.optional(whole(1, 3650), 7),
  }),
  rpc: v.strictObject({
    max_message_bytes: v.optional(whole(64 * KIB, 64 * MIB), 4 * MIB),
    max_calls_per_connection: v.optional(whole(1, 10_000), 100),
    max_connections: v.optional(whole(1, 100_000), 1024),
    idle_seconds: v.optional(whole(1, 86_400), 300),
    keepalive_seconds: v.optional(whole(1, 86_400), 60),
    answer_seconds: v.optional(whole(1, 3600), 60),
  }),
  quota: v.strictObject({
    requests_per_second: v.optional(whole(1, 1_000_000), 200),
    request_burst: v.optional(whole(1, 10_000_000), 2000),
    bytes_per_second: v.optional(whole(KIB, 100 * GIB), 64 * MIB),
    byte_burst: v.optional(whole(KIB, 100 * GIB), 64 * MIB),
    connections: v.optional(whole(1, 10_000), 32),
    calls: v.optional(whole(1, 10_000), 128),
  }),
  metrics: v.strictObject({
    socket: v.optional(path),
  }),
  minting: v.strictObject({
    enabled: v.optional(v.boolean(), false),
  }),
  lineage: v.strictObject({
    checkpoint_seconds: v.optional(whole(1, 3600), 60),
    checkpoint_entries: v.optional(whole(1, 1_000_000), 1000),
    // An NV counter wears out at about 500,000 cycles; a longer interval leaves more of a roll-back unseen.
    counter_minutes: v.optional(whole(1, 15), 15),
    evidence_max_bytes: v.optional(whole(64 * MIB, 1024 * 1024 * GIB), 8 * GIB),
    evidence_min_days: v.optional(whole(0, 36_500), 7),
  }),
} as const

type Sections = typeof sections
type SectionName = keyof Sections

/** A key as it is named to people: `section.key`. */
export type KeyName = {
  [S in SectionName]: `${S}.${keyof Sections[S]['entries'] & string}`
}[SectionName]

/**
 * The keys that a running daemon takes over when it reads its file again (SIGHUP). Every other one is in force from the start of the daemon
 * to its end: sockets and limits are held by what was opened with them, and what documents and keys vouch for is judged anew over the
 * whole lineage, which only a start does.
 */
export const RELOADED_KEYS = [
  'daemon.log_level',
  'daemon.shutdown_grace_seconds',
  'attestation.cycle_seconds',
  'attestation.max_evidence_age_seconds',
  'access.governors',
  'access.auditors',
  'execution.max_executions',
  'execution.max_output_bytes',
  'execution.output_tail_bytes',
  'execution.output_tail_total_bytes',
  'execution.output_file_bytes',
  'execution.output_file_total_bytes',
  'execution.output_file_days',
  'rpc.answer_seconds',
  'quota.requests_per_second',
  'quota.request_burst',
  'quota.bytes_per_second',
  'quota.byte_burst',
  'quota.connections',
  'quota.calls',
  'minting.enabled',
  'lineage.checkpoint_seconds',
  'lineage.checkpoint_entries',
  'lineage.counter_minutes',
  'lineage.evidence_max_bytes',
  'lineage.evidence_min_days',
] as const satisfies readonly KeyName[]

export type ReloadedKey = (typeof RELOADED_KEYS)[number]

/** The names of all sections and of their keys, for saying what a wrong one may have meant. */
export const KNOWN_KEYS: Readonly<Record<SectionName, readonly string[]>> = Object.fromEntries(
  Object.entries(sections).map(([name, schema]) => [name, Object.keys(schema.entries)]),
) as unknown as Record<SectionName, readonly string[]>

type Camel<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : S

type CamelKeys<T> = { readonly [K in keyof T as K extends string ? Camel<K> : never]: T[K] }

/** The configuration with every default filled in; keys in camelCase, else as in the file, units in their names. */
export type Config = { readonly [S in SectionName]: CamelKeys<v.InferOutput<Sections[S]>> }

type SectionValues = { readonly [S in SectionName]: v.InferOutput<Sections[S]> }

/** The part of a configuration that a reload changes; the rest is not in this type, so that nobody expects it to. */
export type ReloadedConfig = {
  readonly [S in SectionName]: {
    readonly [K in keyof SectionValues[S] as `${S}.${K & string}` extends ReloadedKey
      ? Camel<K & string>
      : never]: SectionValues[S][K]
  }
}

/** The part of a configuration that holds from a start of the daemon to its end. */
export type StartConfig = {
  readonly [S in SectionName]: {
    readonly [K in keyof SectionValues[S] as `${S}.${K & string}` extends ReloadedKey
      ? never
      : Camel<K & string>]: SectionValues[S][K]
  }
}

/** `max_evidence_age_seconds` to `maxEvidenceAgeSeconds`. */
export function camelCase(key: string): string {
  return key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

/** The value of `section.key`; undefined for one that is off. */
export function configValue(config: Config, name: KeyName): unknown {
  const [section = '', key = ''] = name.split('.')
  return (config[section as SectionName] as Readonly<Record<string, unknown>>)[camelCase(key)]
}

/** All keys, in the order of the shipped file. */
export const KEY_NAMES: readonly KeyName[] = Object.entries(sections).flatMap(([section, { entries }]) =>
  Object.keys(entries).map(key => `${section}.${key}` as KeyName),
)

/** A rule between keys: which key is at fault, which others it looks at, and what it says. */
interface CrossRule {
  readonly key: KeyName
  readonly concerns: readonly KeyName[]
  readonly message: string
  readonly holds: (config: Config) => boolean
}

export const CROSS_RULES: readonly CrossRule[] = [
  {
    key: 'attestation.max_evidence_age_seconds',
    concerns: ['attestation.cycle_seconds'],
    message: 'has to be longer than attestation.cycle_seconds, or the gate closes between two cycles',
    holds: c => c.attestation.maxEvidenceAgeSeconds > c.attestation.cycleSeconds,
  },
  {
    key: 'tpm.path',
    concerns: ['tpm.transport'],
    message: 'has to be said for the transport swtpm: the path of its socket',
    holds: c => c.tpm.transport !== 'swtpm' || !c.tpm.path.startsWith('/dev/'),
  },
  {
    key: 'tpm.other_roots',
    concerns: ['tpm.hardware_roots'],
    message: 'names a root that is also in tpm.hardware_roots',
    holds: c => !c.tpm.otherRoots.some(root => c.tpm.hardwareRoots.includes(root)),
  },
  {
    key: 'execution.uid_range',
    concerns: ['execution.max_executions'],
    message: 'has to begin below its end and have a uid for each of execution.max_executions',
    holds: ({ execution: { uidRange, maxExecutions } }) => uidRange[1] - uidRange[0] + 1 >= maxExecutions,
  },
  {
    key: 'access.governors',
    concerns: ['execution.uid_range'],
    message: 'names a uid of execution.uid_range: a workload would be a governor',
    holds: c => !c.access.governors.some(uid => inRange(uid, c.execution.uidRange)),
  },
  {
    key: 'access.auditors',
    concerns: ['execution.uid_range'],
    message: 'names a uid of execution.uid_range: a workload would be an auditor',
    holds: c => !c.access.auditors.some(uid => inRange(uid, c.execution.uidRange)),
  },
]

function inRange(uid: number, [first, last]: readonly [number, number]): boolean {
  return uid >= first && uid <= last
}
