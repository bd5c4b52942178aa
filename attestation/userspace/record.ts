import { hash } from 'node:crypto'
import * as v from 'valibot'
import { type HashAlgorithm, hashSize } from '../tpm2/structures/index.ts'

/**
 * What a record extends. NvPCRs (systemd 259) are NV indices of type extend: no quote covers them. An RTMR is a register of a TDX
 * guest, which systemd logs in a file of its own.
 */
export type UserspaceRegister =
  | { readonly kind: 'pcr'; readonly index: number }
  | { readonly kind: 'nv'; readonly index: number }
  | { readonly kind: 'rtmr'; readonly index: number }

/** One measurement that systemd made after the kernel started. Only `digests` can be right or wrong by themselves. */
export interface UserspaceEvent {
  /** Position in the log. */
  readonly index: number
  /** Where in the log it begins. */
  readonly offset: number
  readonly register: UserspaceRegister
  /** The PCR that it extends; null for any other register. */
  readonly pcr: number | null
  readonly digests: ReadonlyMap<HashAlgorithm, Buffer>
  /** What systemd says it measured, empty when it does not say. Bound by a digest only if `bound` names the bank. */
  readonly content: string
  /** The banks whose digest is that of `content`. In the others it is untrusted. Never those of a volume key, whose digest is keyed. */
  readonly bound: ReadonlySet<HashAlgorithm>
  /** What is not measured: never more than a hint. */
  readonly claims: UserspaceClaims
}

export interface UserspaceClaims {
  /** systemd's name for the kind of event (since 255), for example `phase`. */
  readonly eventType: string | null
  readonly nvIndexName: string | null
  readonly bootId: string | null
  /** CLOCK_BOOTTIME in microseconds. */
  readonly timestamp: number | null
}

/** PCRs of a PC Client TPM that the operating system can extend (PTP 1.05, section 4.6): 17 to 22 belong to a late launch. */
const PCR = v.pipe(
  v.number(),
  v.integer(),
  v.minValue(0),
  v.maxValue(23),
  v.check(pcr => pcr < 17 || pcr > 22, 'a PCR of a late launch'),
)
/** Part 2, section 7.2: handles of NV indices. */
const NV_INDEX = v.pipe(v.number(), v.integer(), v.minValue(0x0100_0000), v.maxValue(0x01ff_ffff))
const RTMR = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(3))
/** More banks than any TPM has. */
const MAX_DIGESTS = 16

/** Whatever is not known is left to systemd: members come with its versions, and none of them changes what a register holds. */
const schema = v.looseObject({
  pcr: v.optional(PCR),
  nv_index: v.optional(NV_INDEX),
  rtmr: v.optional(RTMR),
  digests: v.pipe(
    v.array(
      v.looseObject({
        hashAlg: v.pipe(v.string(), v.maxLength(32)),
        digest: v.pipe(v.string(), v.regex(/^(?:[0-9a-f]{2})+$/i)),
      }),
    ),
    v.minLength(1),
    v.maxLength(MAX_DIGESTS),
  ),
  content_type: v.optional(v.string()),
  content: v.optional(v.unknown()),
})

/** What the content of type `systemd` says. Members of another type are as good as missing. */
const contentSchema = v.object({
  string: v.optional(v.fallback(v.string(), ''), ''),
  eventType: v.optional(v.nullable(v.fallback(v.nullable(v.string()), null)), null),
  nvIndexName: v.optional(v.nullable(v.fallback(v.nullable(v.string()), null)), null),
  bootId: v.optional(v.nullable(v.fallback(v.nullable(v.string()), null)), null),
  timestamp: v.optional(v.nullable(v.fallback(v.nullable(v.number()), null)), null),
})

const hashes: readonly string[] = ['sha1', 'sha256', 'sha384', 'sha512'] satisfies HashAlgorithm[]
const isHash = (name: string): name is HashAlgorithm => hashes.includes(name)

/** A record's meaning, or what is wrong with it. */
export type ReadRecord =
  | { readonly event: Omit<UserspaceEvent, 'index' | 'offset'> }
  | { readonly wrong: string }

/** Reads one record's JSON value. */
export function readRecord(json: unknown): ReadRecord {
  const record = v.safeParse(schema, json)
  if (!record.success) {
    const [issue] = record.issues
    return { wrong: `${v.getDotPath(issue) ?? 'record'}: ${issue.message}` }
  }
  const register = readRegister(record.output)
  if (register === null) return { wrong: 'it needs one of pcr, nv_index and rtmr' }
  const content = v.safeParse(contentSchema, record.output.content ?? {})
  const { string: text, ...claims } = content.success ? content.output : v.parse(contentSchema, {})
  const digests = new Map<HashAlgorithm, Buffer>()
  const bound = new Set<HashAlgorithm>()
  for (const { hashAlg, digest } of record.output.digests) {
    // A bank that is not known here is of no use, and of no harm.
    if (!isHash(hashAlg)) continue
    const value = Buffer.from(digest, 'hex')
    if (value.length !== hashSize(hashAlg) || digests.has(hashAlg)) {
      return { wrong: `its ${hashAlg} digest is repeated or has ${value.length} bytes` }
    }
    digests.set(hashAlg, value)
    if (hash(hashAlg, text, 'buffer').equals(value)) bound.add(hashAlg)
  }
  if (digests.size === 0) return { wrong: 'no digest in a bank that is known' }
  return {
    event: {
      register,
      pcr: register.kind === 'pcr' ? register.index : null,
      digests,
      content: text,
      bound,
      claims,
    },
  }
}

function readRegister({ pcr, nv_index, rtmr }: v.InferOutput<typeof schema>): UserspaceRegister | null {
  const registers: UserspaceRegister[] = []
  if (pcr !== undefined) registers.push({ kind: 'pcr', index: pcr })
  if (nv_index !== undefined) registers.push({ kind: 'nv', index: nv_index })
  if (rtmr !== undefined) registers.push({ kind: 'rtmr', index: rtmr })
  const [register] = registers
  return registers.length === 1 && register !== undefined ? register : null
}
