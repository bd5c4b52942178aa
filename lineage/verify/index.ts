import { join } from 'node:path'
import type { EnrolledAk } from '../../attestation/index.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import type { PublicKey } from '../../signing/key.ts'
import { blobPath, readBlob, readBounded } from '../blob-store.ts'
import { MAX_NOTE_BYTES } from '../c2sp/note.ts'
import { type Checkpoint, parseCheckpoint, pcrsBlob, type TreeHead } from '../checkpoint.ts'
import { LineageError } from '../error.ts'
import type { LineageEvent } from '../events/index.ts'
import { CHECKPOINT_PCRS, CheckpointPcrs } from './checkpoint-pcrs.ts'
import { CHECKPOINTS, CheckpointChain } from './checkpoints.ts'
import { type DroppedEvidence, NamedBlobs } from './dropped.ts'
import { checkPrevious } from './epochs.ts'
import { EVENTS, EventCheck } from './events.ts'
import { checkFiles, FILES } from './files.ts'
import { failed, failedBy, notChecked, type PropertyResult, verified } from './result.ts'
import { checkHost, checkLogSignature, checkTpmSignature, HOST, LOG_KEY, TPM } from './signatures.ts'
import { checkTree, INCLUSION, ROOT, rootsFromTiles, TILES } from './tree.ts'

export type { DroppedEvidence } from './dropped.ts'
export type { PropertyResult, PropertyStatus } from './result.ts'

/** What the person who verifies brings. Nothing of it comes from the log. */
export interface LogTrust {
  /** The host's attestation key as the operator enrolled it. */
  readonly ak?: EnrolledAk
  /** The log's Ed25519 key, if known apart from the log. */
  readonly logKey?: PublicKey
  /** The name that the log has to have. */
  readonly origin?: string
  /** Checkpoints that the verifier kept: the log has to go on from each. Their signatures are not checked again. */
  readonly earlier?: readonly Uint8Array[]
  /** Logs whose place this one took, as they were put aside: the newest first. */
  readonly previous?: readonly string[]
  /** Gives evidence that was dropped and that somebody kept elsewhere; null if nobody did. Its digest is checked. */
  readonly kept?: (digest: string) => Promise<Uint8Array | null>
  /** Whether the signatures of all checkpoints that the log tells of are looked at, however many there are. Default false: one in so many entries. */
  readonly everyCheckpoint?: boolean
}

/** What was found. `checkpoint` is there when it could be read, verified or not. */
export interface LogVerification {
  readonly results: readonly PropertyResult[]
  readonly checkpoint: Checkpoint | undefined
  /** Evidence that the log says is not kept any longer. Counts, like the events, only if all results but the evidence's hold. */
  readonly dropped: DroppedEvidence
}

const FORM = 'checkpoint form'
const ORIGIN = 'origin'
const EVIDENCE = 'evidence'
const EARLIER = 'consistency with earlier checkpoints'

/**
 * Verifies an exported log: every property by name. It holds only if all are VERIFIED.
 *
 * @param directory controlled by whoever made the export
 * @param visit is called with each event in order. Nothing is verified at that time: what it gathers counts only if all results
 * are VERIFIED. What it throws fails the events.
 */
export async function verifyLog(
  directory: string,
  trust: LogTrust = {},
  visit: (event: LineageEvent, index: number) => void = () => undefined,
): Promise<LogVerification> {
  const checkpoint = await readCheckpoint(directory)
  if (checkpoint instanceof LineageError)
    return { results: nothingHolds(checkpoint, trust), checkpoint: undefined, dropped: new NamedBlobs() }
  const pcrs = new CheckpointPcrs(digest => readEvidence(directory, digest, trust.kept), trust.ak)
  const chain = new CheckpointChain(checkpoint, trust, trust.everyCheckpoint ?? false, pcrs.anchored)
  const events = new EventCheck((event, index) => {
    pcrs.take(event, index)
    visit(event, index)
  }, chain)
  const earlier = (trust.earlier ?? []).map(readEarlier)
  const sizes = earlier.flatMap(head => (head instanceof LineageError ? [] : [head.size]))

  const form = verified(FORM, `${checkpoint.origin}, ${checkpoint.size} entries`)
  const tpm = checkTpmSignature(checkpoint, trust.ak)
  const tree = await checkTree(directory, checkpoint, sizes, events.take, () => pcrs.settle())
  const holds = (...names: string[]) =>
    tree.results.every(({ property, status }) => status === 'VERIFIED' || !names.includes(property))
  const treeHolds = tpm.status === 'VERIFIED' && holds(ROOT, TILES, INCLUSION)
  const roots = distantRoots(directory, checkpoint, chain, holds(ROOT, TILES))
  const checkpoints = chain.result(roots, tree.results[0] as PropertyResult)
  await pcrs.settle(true)
  const own = pcrsBlob(checkpoint)
  const results = [
    form,
    ...checkOrigin(checkpoint, trust.origin),
    tpm,
    ...tree.results,
    checkLogSignature(checkpoint, trust.logKey, treeHolds, events),
    events.result(),
    checkHost(events, trust.ak),
    checkpoints,
    pcrs.result(checkpoints),
    await checkFiles(directory, checkpoint.size, events.blobs, own),
    await checkEvidence(directory, events.blobs, trust.kept, own),
    checkEarlier(checkpoint, earlier, tree.rootsAt),
    ...events.epochs.result(checkpoint),
    ...(await checkPrevious(directory, events.epochs, trust.previous ?? [], trust.ak)),
  ]
  return { results, checkpoint, dropped: events.blobs }
}

async function readCheckpoint(directory: string): Promise<Checkpoint | LineageError> {
  try {
    const checkpoint = parseCheckpoint(
      await readBounded(join(directory, 'checkpoint'), MAX_NOTE_BYTES, 'checkpoint'),
    )
    if (checkpoint.size > 0) return checkpoint
    return new LineageError('CHECKPOINT_MALFORMED', 'the log is empty')
  } catch (error) {
    return error instanceof LineageError ? error : new LineageError('CHECKPOINT_MALFORMED', String(error))
  }
}

function nothingHolds(error: LineageError, { origin, earlier = [] }: LogTrust): PropertyResult[] {
  const others = [
    ...(origin === undefined ? [] : [ORIGIN]),
    ...[TPM, ROOT, TILES, INCLUSION, LOG_KEY, EVENTS, HOST, CHECKPOINTS, CHECKPOINT_PCRS, FILES, EVIDENCE],
    ...(earlier.length === 0 ? [] : [EARLIER]),
  ]
  return [
    failedBy(FORM, error, 'checkpoint'),
    ...others.map(name => failed(name, 'there is no checkpoint to check by')),
    ...(earlier.length === 0 ? [noEarlier()] : []),
  ]
}

function checkOrigin({ origin }: Checkpoint, expected: string | undefined): PropertyResult[] {
  if (expected === undefined) return []
  return [
    origin === expected
      ? verified(ORIGIN, origin)
      : failed(ORIGIN, `this is the log ${origin}, not ${expected}`, 'checkpoint'),
  ]
}

/** A blob of the log, or what somebody kept of it elsewhere. @throws LineageError */
async function readEvidence(directory: string, digest: string, kept: LogTrust['kept']): Promise<Buffer> {
  try {
    return await readBlob(directory, digest)
  } catch (error) {
    if (!(error instanceof LineageError) || error.code !== 'BLOB_ABSENT') throw error
    const elsewhere = await kept?.(digest)
    if (elsewhere == null || sha256Hex(elsewhere) !== digest) throw error
    return Buffer.from(elsewhere)
  }
}

function distantRoots(
  directory: string,
  { size }: Checkpoint,
  { distant }: CheckpointChain,
  tilesHold: boolean,
): ReadonlyMap<number, Buffer> {
  return tilesHold && distant.size > 0 ? rootsFromTiles(directory, size, new Set(distant.keys())) : new Map()
}

/** Each blob that an event refers to is there and has its digest, or the log says that it is not kept any longer. */
async function checkEvidence(
  directory: string,
  blobs: NamedBlobs,
  kept: LogTrust['kept'],
  own: string | null,
): Promise<PropertyResult> {
  if (blobs.fault !== undefined) return failed(EVIDENCE, blobs.fault)
  let dropped = 0
  try {
    if (own !== null) await readBlob(directory, own)
  } catch (error) {
    const isAbsent = error instanceof LineageError && error.code === 'BLOB_ABSENT'
    if (!isAbsent) return failedBy(EVIDENCE, error, blobPath(own ?? ''))
  }
  for (const digest of blobs.newest.keys()) {
    try {
      await readBlob(directory, digest)
    } catch (error) {
      const isDropped =
        error instanceof LineageError && error.code === 'BLOB_ABSENT' && blobs.entryOf(digest) !== undefined
      if (!isDropped) return failedBy(EVIDENCE, error, blobPath(digest))
      const elsewhere = await kept?.(digest)
      if (elsewhere == null) dropped++
      else if (sha256Hex(elsewhere) !== digest)
        return failed(EVIDENCE, `what was kept elsewhere of ${digest} has another digest`)
    }
  }
  const there = `${blobs.newest.size - dropped} blobs, each with the digest that an event names`
  return dropped === 0
    ? verified(EVIDENCE, there)
    : verified(EVIDENCE, `${there}; ${dropped} more are not kept any longer, and known by digest`)
}

function readEarlier(bytes: Uint8Array): Checkpoint | LineageError {
  try {
    return parseCheckpoint(Buffer.from(bytes))
  } catch (error) {
    return error instanceof LineageError ? error : new LineageError('CHECKPOINT_MALFORMED', String(error))
  }
}

function noEarlier(): PropertyResult {
  return notChecked(EARLIER, 'no earlier checkpoint was given')
}

/** The tree goes on from each head that the verifier has seen: at that size it had that root. */
function checkEarlier(
  checkpoint: Checkpoint,
  earlier: readonly (Checkpoint | LineageError)[],
  rootsAt: ReadonlyMap<number, Buffer>,
): PropertyResult {
  if (earlier.length === 0) return noEarlier()
  for (const seen of earlier) {
    if (seen instanceof LineageError)
      return failed(EARLIER, `an earlier checkpoint cannot be read: ${seen.message}`)
    const fault = inconsistency(checkpoint, seen, rootsAt.get(seen.size))
    if (fault !== undefined) return failed(EARLIER, fault, 'checkpoint')
  }
  return verified(EARLIER, `the log goes on from all ${earlier.length}`)
}

function inconsistency(now: Checkpoint, seen: TreeHead & { origin: string }, root: Buffer | undefined) {
  if (seen.origin !== now.origin) return `the earlier checkpoint is of the log ${seen.origin}`
  if (seen.size > now.size) return `the log had ${seen.size} entries before and has ${now.size}: it was cut`
  if (root === undefined) return `the tree of ${seen.size} entries could not be recomputed`
  return root.equals(seen.root)
    ? undefined
    : `the log had another tree at ${seen.size} entries: it was forked`
}
