import { hash } from 'node:crypto'
import { type HashAlgorithm, hashName, hashSize } from '../tpm2/structures/index.ts'
import { type NvPcrInit, readMeasurement } from './measurement.ts'
import type { UserspaceEvent } from './record.ts'

/**
 * An NvPCR, replayed: an NV index of type extend that systemd uses as a further PCR.
 *
 * No quote covers an NV index. What is bound is how it began, where systemd measured that into PCR 9; what came after is the log's
 * word until TPM2_NV_Certify shows the index, under the Name that it began with, to hold `value`.
 */
export interface NvPcr {
  readonly nvIndex: number
  /** From the anchor, or else what the records claim. */
  readonly name: string | null
  readonly algorithm: HashAlgorithm
  readonly anchor: NvPcrAnchor | null
  /** What the index holds if the log is true; null when nothing says how it began. */
  readonly value: Buffer | null
  /** Positions of the records that extend it. */
  readonly records: readonly number[]
  /** `anchored`: its beginning is bound by PCR 9, from before the separator. `claimed`: nothing in it is. Never attested by a quote. */
  readonly trust: 'anchored' | 'claimed'
}

export interface NvPcrAnchor {
  /** Position of the record in the log. */
  readonly record: number
  readonly init: NvPcrInit
  /** Whether it was measured before systemd closed the list. A later one may be of an index that was made again. */
  readonly beforeSeparator: boolean
}

/** systemd-tpm2-setup measures each NvPCR's beginning here (UAPI.7, `kernel-initrd`). */
const ANCHOR_PCR = 9

/** All NvPCRs that a log speaks of, by the order in which they appear. @param bank the quoted one, which has to bind the anchors */
export function replayNvPcrs(events: readonly UserspaceEvent[], bank: HashAlgorithm): readonly NvPcr[] {
  const anchors = readAnchors(events, bank)
  const extended = new Map<number, UserspaceEvent[]>(Array.from(anchors.keys(), index => [index, []]))
  for (const event of events) {
    if (event.register.kind !== 'nv') continue
    const { index } = event.register
    extended.set(index, [...(extended.get(index) ?? []), event])
  }
  return Array.from(extended, ([nvIndex, records]) =>
    replayOne(nvIndex, anchors.get(nvIndex) ?? null, records),
  )
}

/** The first anchor of each index counts: only that one can be from before anybody else could write. */
function readAnchors(events: readonly UserspaceEvent[], bank: HashAlgorithm): Map<number, NvPcrAnchor> {
  const anchors = new Map<number, NvPcrAnchor>()
  let separated = false
  for (const event of events) {
    const { pcr, bound, index: record } = event
    if (pcr !== ANCHOR_PCR || !bound.has(bank)) continue
    const measurement = readMeasurement(event)
    if (measurement.kind === 'nvpcr-separator') separated = true
    if (measurement.kind !== 'nvpcr-init' || anchors.has(measurement.anchor.nvIndex)) continue
    const { anchor: init } = measurement
    anchors.set(init.nvIndex, { record, init, beforeSeparator: !separated })
  }
  return anchors
}

function replayOne(nvIndex: number, anchor: NvPcrAnchor | null, records: readonly UserspaceEvent[]): NvPcr {
  const start = anchor === null ? null : firstValue(anchor.init)
  // Without an anchor, the one bank that the first record is in.
  const [only] = records[0]?.digests.keys() ?? []
  const algorithm = start?.algorithm ?? only ?? 'sha256'
  let value = start?.value ?? null
  for (const { digests } of records) {
    const digest = digests.get(algorithm)
    value = value && digest ? hash(algorithm, Buffer.concat([value, digest]), 'buffer') : null
  }
  const trust = anchor?.beforeSeparator && start !== null ? 'anchored' : 'claimed'
  const name = anchor?.init.name ?? records[0]?.claims.nvIndexName ?? null
  return { nvIndex, name, algorithm, anchor, value, records: records.map(({ index }) => index), trust }
}

function firstValue({ state, tpmName }: NvPcrInit): { algorithm: HashAlgorithm; value: Buffer } | null {
  if (state !== null) {
    const algorithm = state.algorithm as HashAlgorithm
    const value = Buffer.from(state.value, 'hex')
    return value.length === hashSize(algorithm) ? { algorithm, value } : null
  }
  // systemd 262 makes an index by extending it with zeros; its hash is that of its Name (Part 1, section 16).
  const algorithm = hashName(Number.parseInt((tpmName ?? '').slice(0, 4), 16))
  if (algorithm === undefined || tpmName?.length !== 4 + 2 * hashSize(algorithm)) return null
  return { algorithm, value: hash(algorithm, Buffer.alloc(2 * hashSize(algorithm)), 'buffer') }
}
