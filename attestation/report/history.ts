import * as v from 'valibot'
import { sha256Hex } from '../../encoding/digest.ts'
import { WritError } from '../../encoding/error.ts'
import { canonicalJsonBytes, parseJson } from '../../encoding/json.ts'
import { hexToBytes } from '../../encoding/text.ts'
import type { ImaPosition } from '../ima/index.ts'
import { type ClockHistory, formatFirmwareVersion } from '../quote/index.ts'
import { ReportError } from './error.ts'
import type { BoundTree } from './report.ts'

/** Nonces that are remembered for each host. Of older ones the clock alone says that the report is old. */
export const MAX_NONCES = 1024
/** Most governed digests that a position in an IMA log may rest on; with more, the whole log is asked for. */
const MAX_GOVERNED = 4096
/** Most bytes of a history. */
export const MAX_REPORT_HISTORY_BYTES = 1 << 20

/** How far a host's IMA log was verified, and by what. */
export interface KnownIma extends ImaPosition {
  /** The boot that it is of. */
  readonly resetCount: number
  /** Digest of the reference values that its entries passed; null when none were given. */
  readonly reference: string | null
  /** Governed digests (hex) that were given: an entry may have passed by any of them. */
  readonly governed: readonly string[]
}

/** What a verifier remembers of a host from one report to the next. */
export interface ReportHistory {
  /** The AK's Name, lower-case hexadecimal. */
  readonly hostId: string
  readonly clock: ClockHistory
  /** SHA-256 (hex) of the nonces that its reports have answered, the newest last. */
  readonly nonces: readonly string[]
  /** The lineage as its newest quote bound it. */
  readonly tree: BoundTree
  /** Null when nothing of the log was verified in this boot. */
  readonly ima: KnownIma | null
}

const hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))
const decimal = v.pipe(v.string(), v.regex(/^(?:0|[1-9][0-9]{0,19})$/))
const u32 = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffff_ffff))
const schema = v.strictObject({
  format: v.literal('writ-report-history-v1'),
  hostId: v.pipe(v.string(), v.regex(/^000b[0-9a-f]{64}$/)),
  clock: v.strictObject({
    clock: decimal,
    resetCount: u32,
    restartCount: u32,
    firmwareVersion: v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/)),
  }),
  nonces: v.pipe(v.array(hash), v.maxLength(MAX_NONCES)),
  tree: v.strictObject({ size: decimal, root: hash }),
  ima: v.nullable(
    v.strictObject({
      entries: u32,
      pcr10: hash,
      resetCount: u32,
      reference: v.nullable(hash),
      governed: v.pipe(v.array(hash), v.maxLength(MAX_GOVERNED)),
    }),
  ),
})

/** Whether a nonce was answered before. */
export function isNonceKnown(history: ReportHistory, nonce: Uint8Array): boolean {
  return history.nonces.includes(sha256Hex(nonce))
}

/** The nonces with one more; the oldest are forgotten. */
export function withNonce(nonces: readonly string[], nonce: Uint8Array): string[] {
  return [...nonces, sha256Hex(nonce)].slice(-MAX_NONCES)
}

/** A position that the next report may go on from; null when it rests on more than is remembered. */
export function knownIma(known: KnownIma): KnownIma | null {
  return known.governed.length <= MAX_GOVERNED ? known : null
}

/** A history as bytes for a file. */
export function encodeReportHistory({ hostId, clock, nonces, tree, ima }: ReportHistory): Buffer {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
  return canonicalJsonBytes({
    format: 'writ-report-history-v1',
    hostId,
    clock: {
      clock: String(clock.clock),
      resetCount: clock.resetCount,
      restartCount: clock.restartCount,
      firmwareVersion: formatFirmwareVersion(clock.firmwareVersion),
    },
    nonces: [...nonces],
    tree: { size: String(tree.size), root: hex(tree.root) },
    ima: ima && {
      entries: ima.entries,
      pcr10: hex(ima.pcr10),
      resetCount: ima.resetCount,
      reference: ima.reference,
      governed: [...ima.governed],
    },
  })
}

/** Reads what {@link encodeReportHistory} wrote, strictly: half a history would forget. @throws ReportError */
export function parseReportHistory(bytes: Uint8Array): ReportHistory {
  try {
    const json = parseJson(bytes, { maxBytes: MAX_REPORT_HISTORY_BYTES, maxDepth: 4 })
    const { hostId, clock, nonces, tree, ima } = v.parse(schema, json)
    return {
      hostId,
      clock: {
        ...clock,
        clock: BigInt(clock.clock),
        firmwareVersion: BigInt(`0x${clock.firmwareVersion}`),
      },
      nonces,
      tree: { size: BigInt(tree.size), root: hexToBytes(tree.root) },
      ima: ima && { ...ima, pcr10: hexToBytes(ima.pcr10) },
    }
  } catch (cause) {
    if (!(cause instanceof WritError || cause instanceof v.ValiError)) throw cause
    throw new ReportError('HISTORY_MALFORMED', `not a history of reports: ${cause.message}`, { cause })
  }
}
