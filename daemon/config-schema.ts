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
 * explains each, and a test compares the two.
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
    max_output_bytes: v.optional(whole(0, Number.MAX_SAFE_INTEGER), 16 * GIB),
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
  minting: v.strictObject({
    enabled: v.optional(v.boolean(), false),
  }),
  lineage: v.strictObject({
    checkpoint_seconds: v.optional(whole(1, 3600), 60),
    checkpoint_entries: v.optional(whole(1, 1_000_000), 1000),
    // An NV counter wears out at about 500,000 cycles; a longer interval leaves more of a roll-back unseen.
    counter_minutes: v.optional(whole(1, 15), 15),
  }),
} as const

type Sections = typeof sections
type SectionName = keyof Sections

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

/** `max_evidence_age_seconds` to `maxEvidenceAgeSeconds`. */
export function camelKeys<T extends object>(section: T): CamelKeys<T> {
  return Object.fromEntries(
    Object.entries(section).map(([key, value]) => [
      key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      value,
    ]),
  ) as CamelKeys<T>
}

/** A rule between keys: which key is at fault, and what it says. */
interface CrossRule {
  readonly key: string
  readonly message: string
  readonly holds: (config: Config) => boolean
}

export const CROSS_RULES: readonly CrossRule[] = [
  {
    key: 'attestation.max_evidence_age_seconds',
    message: 'has to be longer than attestation.cycle_seconds, or the gate closes between two cycles',
    holds: c => c.attestation.maxEvidenceAgeSeconds > c.attestation.cycleSeconds,
  },
  {
    key: 'tpm.path',
    message: 'has to be said for the transport swtpm: the path of its socket',
    holds: c => c.tpm.transport !== 'swtpm' || !c.tpm.path.startsWith('/dev/'),
  },
  {
    key: 'tpm.other_roots',
    message: 'names a root that is also in tpm.hardware_roots',
    holds: c => !c.tpm.otherRoots.some(root => c.tpm.hardwareRoots.includes(root)),
  },
  {
    key: 'execution.uid_range',
    message: 'has to begin below its end and have a uid for each of execution.max_executions',
    holds: ({ execution: { uidRange, maxExecutions } }) => uidRange[1] - uidRange[0] + 1 >= maxExecutions,
  },
  {
    key: 'access.governors',
    message: 'names a uid of execution.uid_range: a workload would be a governor',
    holds: c => !c.access.governors.some(uid => inRange(uid, c.execution.uidRange)),
  },
  {
    key: 'access.auditors',
    message: 'names a uid of execution.uid_range: a workload would be an auditor',
    holds: c => !c.access.auditors.some(uid => inRange(uid, c.execution.uidRange)),
  },
]

function inRange(uid: number, [first, last]: readonly [number, number]): boolean {
  return uid >= first && uid <= last
}
