import * as v from 'valibot'
import { isQuirkName } from '../eventlog/index.ts'

/**
 * What reference values say of a boot, in words: each statement accounts for events of some PCRs. Which events are meant is decided by digests
 * and by data that a digest binds, never by an event's type.
 */

export const sha256Digest = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{64}$/, 'not a SHA-256 digest in lower-case hexadecimal'),
)

/** For people; one line. */
const label = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(300),
  v.regex(/^[^\p{Cc}]*$/u, 'a name with control characters'),
)
const digests = v.pipe(v.array(sha256Digest), v.minLength(1), v.maxLength(256))
const any = v.literal('any')
const pcr = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(15))

/** One event by the digest that it extended its PCR with. */
const measured = v.strictObject({ pcr: v.picklist([0, 2]), name: label, digest: sha256Digest })

/** Firmware: one of these, each with all that it measures into PCR 0 (itself) and PCR 2 (drivers of cards), in its order. */
export const firmware = v.union([
  any,
  v.pipe(
    v.array(v.strictObject({ name: label, events: v.pipe(v.array(measured), v.maxLength(512)) })),
    v.minLength(1),
    v.maxLength(64),
  ),
])
export type Firmware = v.InferOutput<typeof firmware>

/**
 * A key: SHA-256 of the certificate (DER), the image digest itself where the database lists an image, SHA-256 of the value for anything else
 * (a signature of another kind, SBAT's level).
 */
const key = v.strictObject({ name: label, fingerprint: sha256Digest })
export type BootKey = v.InferOutput<typeof key>
const keys = v.union([any, v.pipe(v.array(key), v.maxLength(1024))])
/** Most entries of a dbx; the published one has about 500. */
const MAX_FORBIDDEN = 8192

/** Secure Boot, as PCR 7 has it. */
export const secureBoot = v.strictObject({
  /** `any`: on, off, or not measured. */
  enabled: v.union([any, v.boolean()]),
  /** What each database may hold; it may hold less. */
  pk: keys,
  kek: keys,
  db: keys,
  /** What has to be forbidden at least. */
  dbx: v.union([any, v.strictObject({ atLeast: v.pipe(v.array(sha256Digest), v.maxLength(MAX_FORBIDDEN)) })]),
  /** What images were let in by: certificates of db or of shim, SBAT's level. */
  authorities: keys,
})
export type SecureBoot = v.InferOutput<typeof secureBoot>

const image = v.strictObject({
  /** For people: `shim`, `GRUB`, `Linux`. */
  name: label,
  /** Authenticode digests, SHA-256; any of them. */
  digests,
  /** Whether a boot may do without it. */
  optional: v.exactOptional(v.literal(true)),
})

/** Images that are started, in this order, each once (PCR 4). Those of `ukis` come after them. */
export const bootImages = v.union([any, v.pipe(v.array(image), v.maxLength(64))])
export type BootImages = v.InferOutput<typeof bootImages>

/** Most characters of a command line (the kernel takes 2,048 to 4,096). */
const MAX_COMMAND_LINE = 8192

/** Command lines of the kernel, where a boot loader or the kernel measured one: PCR 8 (GRUB), 9 (the kernel's stub), 12 (systemd-stub and -boot). */
export const commandLines = v.union([
  any,
  v.pipe(
    v.array(
      v.union([
        /** Exactly this. */
        v.strictObject({ text: v.pipe(v.string(), v.maxLength(MAX_COMMAND_LINE)) }),
        /** One that is only known by its digest, as it was measured. */
        v.strictObject({ name: label, digests }),
      ]),
    ),
    v.maxLength(256),
  ),
])
export type CommandLines = v.InferOutput<typeof commandLines>

/** What a boot loader or the kernel's stub read: kernels, initial RAM disks, configuration (PCR 9). */
export const bootFiles = v.union([any, v.pipe(v.array(image), v.maxLength(1024))])
export type BootFiles = v.InferOutput<typeof bootFiles>

const uki = v.strictObject({
  /** For people: version of the kernel, or the file's name. */
  name: label,
  /** Authenticode digest of the file, SHA-256 (PCR 4). */
  image: sha256Digest,
  /** Authenticode digest of the kernel in it, for a stub that has the firmware start it (PCR 4). */
  kernel: v.exactOptional(sha256Digest),
  /** What the stub measures of its sections, in this order (PCR 11). */
  events: v.pipe(
    v.array(v.strictObject({ name: label, digest: sha256Digest })),
    v.minLength(1),
    v.maxLength(64),
  ),
  /** What systemd-pcrphase measures after that, in this order; a boot may be at any point of it (PCR 11). */
  phases: v.pipe(
    v.array(v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'not a name of a phase'))),
    v.maxLength(32),
  ),
})
export type UkiStatement = v.InferOutput<typeof uki>

/** Unified kernel images, one of which is started. */
export const ukis = v.pipe(v.array(uki), v.maxLength(256))

/** Whatever else is measured: variables, partition tables, the machine id. Any order; each of them once at least unless `optional`. */
export const otherEvents = v.pipe(
  v.array(v.strictObject({ pcr, name: label, digests, optional: v.exactOptional(v.literal(true)) })),
  v.maxLength(4096),
)
export type OtherEvent = v.InferOutput<typeof otherEvents>[number]

/** Names of known faults of firmware that are put up with (the event log's table has them). */
export const quirks = v.pipe(
  v.array(v.pipe(v.string(), v.check(isQuirkName, 'not a name of a quirk'))),
  v.maxLength(64),
)
