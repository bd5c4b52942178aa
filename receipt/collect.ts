import { parseRecord, parseRevocationLink } from '../authorization/index.ts'
import { blobsOf, inlineBlob, type LineageEvent, parseEvent } from '../lineage/index.ts'
import { parseEnvelope, signEnvelope } from '../signing/dsse.ts'
import type { PrivateKey } from '../signing/key.ts'
import { ReceiptError } from './error.ts'
import { MAX_RECEIPT_ENTRIES, type Receipt, type ReceiptHost, STATEMENT_PAYLOAD_TYPE } from './file.ts'
import { statementBytes, statementOf } from './statement.ts'
import { type Numbered, readStory, type Story } from './story.ts'

/** A log as far as a receipt needs it. What it gives is what is in the tree. */
export interface ReceiptLog {
  /** Entries that it has now. */
  readonly size: bigint
  entry(index: bigint): Promise<Buffer>
  /** Entries from `from` up to, not including, `to`; fewer when they are many, but at least one when there is one. */
  readEntries(
    from: bigint,
    to: bigint,
  ): Promise<readonly { readonly index: bigint; readonly bytes: Buffer }[]>
  inclusionProof(index: bigint, size: bigint): Promise<readonly Buffer[]>
  consistencyProof(size1: bigint, size2: bigint): Promise<readonly Buffer[]>
  /** Null if it is not kept (any more). */
  blob(digest: string): Promise<Buffer | null>
}

/** Most bytes of blobs that a receipt carries for whoever decides again. */
const MAX_CARRIED = 8 << 20
/** Most links of the chain of revocations that are followed. */
const MAX_REVOCATIONS = 1024

/** Where the permit of an execution is, looked for from the end of the log. @throws ReceiptError `ENTRY_MISSING` */
export async function findPermit(
  log: ReceiptLog,
  executionId: string,
  signal?: AbortSignal,
): Promise<bigint> {
  const found = await backwards(
    log,
    log.size,
    `"executionId":"${executionId}"`,
    signal,
    event => event.type === 'decision' && event.outcome === 'permit' && event.executionId === executionId,
  )
  if (found === null) throw new ReceiptError('ENTRY_MISSING', `the log has no permit of ${executionId}`)
  return found
}

/** The newest entry before `end` that has these bytes and fits; reads backwards, piece by piece. */
async function backwards(
  log: ReceiptLog,
  end: bigint,
  needle: string,
  signal: AbortSignal | undefined,
  fits: (event: LineageEvent) => boolean,
): Promise<bigint | null> {
  for (let to = end; to > 0n; ) {
    const from = to > PIECE ? to - PIECE : 0n
    let newest: bigint | null = null
    for await (const { index, event } of matching(log, from, to, needle, signal))
      if (fits(event)) newest = BigInt(index)
    if (newest !== null) return newest
    to = from
  }
  return null
}
const PIECE = 1024n

/** Entries that have these bytes, in their order. Most entries are not even parsed. */
async function* matching(
  log: ReceiptLog,
  from: bigint,
  to: bigint,
  needle: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Numbered, void, undefined> {
  for (let at = from; at < to; ) {
    signal?.throwIfAborted()
    const entries = await log.readEntries(at, to)
    for (const { index, bytes } of entries)
      if (bytes.includes(needle)) yield { index: Number(index), event: parseEvent(bytes) }
    at += BigInt(entries.length)
  }
}

/**
 * Finds the entries that make the receipt of an execution.
 *
 * @param permit index of its permit
 * @param run an index between the start of the daemon that permitted it and the entries that followed at once, if it is known; else it is looked for
 * @throws ReceiptError `NOT_PERMITTED`, `NOT_STARTED`, `NOT_ENDED`, `RECEIPT_TOO_LARGE`, `ENTRY_MISSING`
 */
export async function collectEntries(
  log: ReceiptLog,
  executionId: string,
  permit: bigint,
  { run = null, signal }: { run?: bigint | null; signal?: AbortSignal | undefined } = {},
): Promise<Numbered[]> {
  const numbered = async (index: bigint): Promise<Numbered> => ({
    index: Number(index),
    event: parseEvent(await log.entry(index)),
  })
  if (permit >= log.size) throw new ReceiptError('NOT_PERMITTED', `the log has no entry ${permit}`)
  const decision = await numbered(permit)
  const { event } = decision
  if (event.type !== 'decision' || event.outcome !== 'permit' || event.executionId !== executionId)
    throw new ReceiptError('NOT_PERMITTED', `entry ${permit} is no permit of ${executionId}`, {
      at: String(permit),
    })

  const own = await ofExecution(log, executionId, permit, signal)
  const record = parseRecord(inlineBlob(event, event.record) ?? (await needed(log, event.record)))
  const { policy, trustRoots, parent } = event.links
  const grounds = [policy, trustRoots, parent, record.inputs?.gate.appraisalIndex ?? null]
  const indexes = new Set([
    ...grounds.flatMap(index => (index === null ? [] : [BigInt(index)])),
    await runOf(log, permit, run, signal),
  ])
  const before = await Promise.all([...indexes].map(numbered))
  return [...before, decision, ...own].sort((a, b) => a.index - b.index)
}

async function ofExecution(
  log: ReceiptLog,
  executionId: string,
  permit: bigint,
  signal: AbortSignal | undefined,
) {
  const own: Numbered[] = []
  for await (const entry of matching(log, permit + 1n, log.size, `"executionId":"${executionId}"`, signal)) {
    const { event } = entry
    if (!('executionId' in event) || event.executionId !== executionId) continue
    own.push(entry)
    if (own.length > MAX_RECEIPT_ENTRIES)
      throw new ReceiptError(
        'RECEIPT_TOO_LARGE',
        `the execution has more than ${MAX_RECEIPT_ENTRIES} entries`,
      )
    if (event.type !== 'execution-end') continue
    if (own.some(other => other.event.type === 'execution-start')) return own
    throw new ReceiptError('NOT_STARTED', 'the execution was permitted and never ran')
  }
  throw new ReceiptError(
    'NOT_ENDED',
    'the log does not say that the execution has ended, all its processes seen dead',
  )
}

const DAEMON_START = '"type":"daemon-start"'

/** The start of the daemon that wrote an entry. */
async function runOf(
  log: ReceiptLog,
  permit: bigint,
  hint: bigint | null,
  signal: AbortSignal | undefined,
): Promise<bigint> {
  if (hint !== null && hint < permit) {
    for await (const { index, event } of matching(log, hint, permit, DAEMON_START, signal))
      if (event.type === 'daemon-start') return BigInt(index)
  }
  const found = await backwards(log, permit, DAEMON_START, signal, event => event.type === 'daemon-start')
  if (found === null) throw new ReceiptError('ENTRY_MISSING', 'the log has no start of the daemon')
  return found
}

async function needed(log: ReceiptLog, digest: string): Promise<Buffer> {
  const bytes = await log.blob(digest)
  if (bytes === null)
    throw new ReceiptError('BLOB_MISSING', 'something that the receipt needs is not kept', { at: digest })
  return bytes
}

export interface ReceiptParts {
  /** What {@link collectEntries} found. */
  readonly entries: readonly Numbered[]
  /** Signed, of a tree that has all of them. */
  readonly checkpoint: { readonly note: Buffer; readonly size: bigint }
  readonly host: ReceiptHost
  /** The log's own; null: the statement is not signed. */
  readonly logKey: PrivateKey | null
  /** Whether policy, trust roots, labels and revocations are carried, so that the decision can be made again; else what is the caller's own. */
  readonly grounds: boolean
}

/** Makes a receipt. @throws ReceiptError; AuthorizationError when the record cannot be read */
export async function makeReceipt(
  log: ReceiptLog,
  { entries, checkpoint, host, logKey, grounds }: ReceiptParts,
): Promise<Receipt> {
  const { size, note } = checkpoint
  const story = await readStory(entries, digest => needed(log, digest))
  const payload = statementBytes(statementOf(story))
  const { treeSize } = story.appraisal.event.binding
  return {
    statement:
      logKey === null
        ? { payloadType: STATEMENT_PAYLOAD_TYPE, payload, signatures: [] }
        : parseEnvelope(signEnvelope(STATEMENT_PAYLOAD_TYPE, payload, [logKey])),
    checkpoint: note,
    entries: await Promise.all(
      entries.map(async ({ index }) => ({
        index,
        bytes: await log.entry(BigInt(index)),
        proof: await log.inclusionProof(BigInt(index), size),
      })),
    ),
    history: await log.consistencyProof(BigInt(treeSize), size),
    blobs: await carriedBlobs(log, story, grounds),
    host,
  }
}

/** The quote, the record and the artifact; with `grounds` all that the decision refers to. What is gone or too much is left out. */
async function carriedBlobs(
  log: ReceiptLog,
  { permit: { event }, appraisal, inputs }: Story,
  grounds: boolean,
): Promise<Map<string, Buffer>> {
  const blobs = new Map<string, Buffer>()
  let carried = 0
  const take = async (digest: string): Promise<Buffer | null> => {
    const known = inlineBlob(event, digest) ?? blobs.get(digest)
    if (known !== undefined) return known
    const bytes = await log.blob(digest)
    if (bytes === null || carried + bytes.length > MAX_CARRIED) return null
    carried += bytes.length
    blobs.set(digest, bytes)
    return bytes
  }
  const { attest, signature } = appraisal.event.evidence
  for (const digest of [event.record, attest, signature]) await take(digest)
  if (inputs.artifact !== null) await take(inputs.artifact.digest)
  if (!grounds) return blobs
  for (const digest of blobsOf(event)) await take(digest)
  await takeRevocations(inputs.revocations, take)
  await takeParents(inputs.parent?.decisionRecord ?? null, take)
  return blobs
}

/** The chain of revocations, from the newest back. */
async function takeRevocations(
  newest: string,
  take: (digest: string) => Promise<Buffer | null>,
): Promise<void> {
  let at: string | null = newest
  for (let i = 0; at !== null && i < MAX_REVOCATIONS; i++) {
    const link = await take(at)
    if (link === null) return
    const { previous, document } = parseRevocationLink(link)
    if (document !== null) await take(document)
    at = previous
  }
}

/** The records of those above it. */
async function takeParents(
  nearest: string | null,
  take: (digest: string) => Promise<Buffer | null>,
): Promise<void> {
  for (let at = nearest; at !== null; ) {
    const bytes = await take(at)
    if (bytes === null) return
    at = parseRecord(bytes).inputs?.parent?.decisionRecord ?? null
  }
}
