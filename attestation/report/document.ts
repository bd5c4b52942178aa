import * as v from 'valibot'
import { WritError } from '../../encoding/error.ts'
import { canonicalJsonBytes, parseJson } from '../../encoding/json.ts'
import { hexToBytes } from '../../encoding/text.ts'
import { ReportError } from './error.ts'
import type { Report, ReportGrowth } from './report.ts'

const hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'not 32 bytes in lower-case hexadecimal'))
const treeSize = v.pipe(v.string(), v.regex(/^(?:0|[1-9][0-9]{0,18})$/, 'not a number of entries'))
/** RFC 9162, section 2.1.4: at most one hash for each level of a tree, and its own. */
const consistencyProof = v.pipe(v.array(hash), v.maxLength(65))
/** What of a report is in no other item of it. */
const schema = v.strictObject({
  version: v.literal(1),
  nonce: hash,
  treeSize,
  lineageRoot: hash,
  referenceValuesDigest: hash,
  /** From the checkpoint's tree to the bound one; null where there is no checkpoint. */
  consistencyProof: v.nullable(consistencyProof),
  /** From a tree that the verifier has seen to the bound one. */
  growth: v.nullable(v.strictObject({ from: treeSize, proof: consistencyProof })),
  imaFrom: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffff_ffff)),
  claimedTier: v.picklist(['hardware', 'simulated', 'unknown']),
})

/** `report.json`, decoded. */
export interface ReportDocument {
  readonly nonce: Buffer
  readonly treeSize: bigint
  readonly lineageRoot: Buffer
  readonly referenceValuesDigest: Buffer
  readonly consistencyProof: readonly Buffer[] | null
  readonly growth: ReportGrowth | null
  readonly imaFrom: number
  readonly claimedTier: Report['claimedTier']
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** The bytes of `report.json`: canonical JSON, digests in hexadecimal. */
export function encodeDocument({ binding, checkpoint, growth, imaFrom, claimedTier }: Report): Buffer {
  return canonicalJsonBytes({
    version: 1,
    nonce: hex(binding.nonce),
    treeSize: binding.treeSize.toString(),
    lineageRoot: hex(binding.lineageRoot),
    referenceValuesDigest: hex(binding.referenceValuesDigest),
    consistencyProof: checkpoint?.proof.map(hex) ?? null,
    growth: growth && { from: growth.from.toString(), proof: growth.proof.map(hex) },
    imaFrom,
    claimedTier,
  })
}

/** @throws ReportError */
export function parseDocument(bytes: Uint8Array): ReportDocument {
  const fail = (what: string, cause?: unknown) =>
    new ReportError('REPORT_MALFORMED', `report: item "report.json" ${what}`, { at: 'report.json', cause })
  let json: unknown
  try {
    json = parseJson(bytes, { maxBytes: 32 << 10, maxDepth: 3 })
  } catch (cause) {
    if (!(cause instanceof WritError)) throw cause
    throw fail(cause.message, cause)
  }
  const parsed = v.safeParse(schema, json)
  if (!parsed.success) {
    const [issue] = parsed.issues
    throw fail(`has a bad ${v.getDotPath(issue) ?? 'form'}: ${issue.message}`)
  }
  const { nonce, treeSize, lineageRoot, referenceValuesDigest, consistencyProof, ...rest } = parsed.output
  return {
    nonce: hexToBytes(nonce),
    treeSize: BigInt(treeSize),
    lineageRoot: hexToBytes(lineageRoot),
    referenceValuesDigest: hexToBytes(referenceValuesDigest),
    consistencyProof: consistencyProof?.map(text => hexToBytes(text)) ?? null,
    growth: rest.growth && {
      from: BigInt(rest.growth.from),
      proof: rest.growth.proof.map(text => hexToBytes(text)),
    },
    imaFrom: rest.imaFrom,
    claimedTier: rest.claimedTier,
  }
}
