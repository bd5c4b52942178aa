import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ClockWatch } from '../../authorization/index.ts'
import { base64ToBytes, utf8ToString } from '../../encoding/text.ts'
import {
  type CheckpointText,
  type ConsistencyProof,
  checkGrowth,
  checkInclusion,
  checkLogKeys,
  formatNoteKey,
  type HeadTrust,
  judgeByPolicy,
  type LineageEvent,
  type LogNoteKey,
  parseCheckpoint,
  parseCheckpointText,
  parseConsistencyProof,
  parseEvent,
  parseNote,
  parseTlogProof,
  policyResults,
  SnapshotCheck,
  type TlogProof,
  verifyHead,
  verifyLog,
  verifyOtherLog,
} from '../../lineage/index.ts'
import { readPublicKey } from '../../signing/key.ts'
import { CliError } from '../error.ts'
import { readDocument, systemReason } from '../files.ts'
import { type BundleHost, isBundle, readBundleHost, readHostDirectory } from '../verify/bundle.ts'
import { checkIdentity, type IdentityCheck } from '../verify/identity.ts'
import type { PropertyResult } from '../verify/property.ts'
import { EARLIER, PREVIOUS, type VerifyTrust } from '../verify/verify.ts'
import { logDirectory } from './proof-source.ts'

/** What the person who verifies a log, a proof or a checkpoint brings. */
export interface LogFileTrust extends VerifyTrust {
  /** Directory with the host's identity; null: of a bundle, its own. */
  readonly identity: string | null
  readonly logKeys: readonly LogNoteKey[]
  /** That the log goes on from `earlier`, for a checkpoint without its log. */
  readonly proof: ConsistencyProof | undefined
  /** The entry of a proof that does not carry it. */
  readonly entry: Buffer | undefined
}

/** What was looked at, and what was found. */
export interface LogFileResult {
  readonly kind: 'log' | 'entry' | 'growth' | 'checkpoint'
  readonly properties: readonly PropertyResult[]
  readonly hostId: string | null
  readonly head: CheckpointText | undefined
  /** The key of the log's own line in its text form, if it is verified whose it is; null where nobody can know. */
  readonly logKey: string | null
  /** The entry that a proof is about, if its bytes are proved to be there and are an event of this project. */
  readonly entry: { readonly index: bigint; readonly event: LineageEvent | null } | null
}

type Found = Omit<LogFileResult, 'hostId' | 'logKey'> & { readonly logKey?: string | null }

/** Most bytes of a proof file: a checkpoint of 256 kB and an entry in base64. */
const MAX_PROOF_BYTES = 2 << 20

/**
 * Verifies what a path names, by its content: a bundle or the log in it, the directory of another log in C2SP tiles, a proof of an entry, a proof of
 * growth, or a checkpoint.
 *
 * @param path controlled by whoever sent it
 * @throws CliError when there is nothing there
 */
export async function verifyLogFile(path: string, trust: LogFileTrust): Promise<LogFileResult> {
  const directory = await isDirectory(path)
  const host = await readHost(path, directory, trust)
  const identity = host === null ? null : await checkIdentity(host, trust)
  const ak = identity?.ak ?? null
  const head: HeadTrust = {
    logKeys: trust.logKeys,
    ...(ak === null ? {} : { ak }),
    ...(trust.policy === undefined ? {} : { policy: trust.policy }),
  }
  const found = directory ? await verifyDirectory(path, trust, head) : await verifyFile(path, trust, head)
  return {
    logKey: null,
    ...found,
    properties: [...asAsked(identity, trust), ...found.properties],
    hostId: ak?.name.toString('hex') ?? null,
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch (cause) {
    throw new CliError('FILE_MISSING', `cannot open ${path}: ${systemReason(cause)}`, { at: path, cause })
  }
}

/** The host's identity, if there is one to be judged by what the verifier brings. */
async function readHost(path: string, directory: boolean, trust: LogFileTrust): Promise<BundleHost | null> {
  if (trust.identity !== null) {
    return isBundle(trust.identity) ? readBundleHost(trust.identity) : readHostDirectory(trust.identity)
  }
  const named = trust.operators.length > 0 || trust.hostId !== null || trust.roots !== null
  if (directory && isBundle(path) && (named || !isVouchedFor(trust))) return readBundleHost(path)
  if (!named) return null
  throw new CliError(
    'USAGE',
    'this has no identity of a host beside it, so say where that is with --identity',
    {
      next: 'A bundle has one in its directory `host`.',
    },
  )
}

/** Whether something else than the TPM's key says whose log it is. */
function isVouchedFor({ logKeys, policy }: LogFileTrust): boolean {
  return logKeys.length > 0 || (policy?.logs.length ?? 0) > 0
}

function asAsked(identity: IdentityCheck | null, trust: LogFileTrust): readonly PropertyResult[] {
  const named = trust.operators.length > 0 || trust.hostId !== null
  return (identity?.results ?? []).map(result => ({
    ...result,
    asked: result.asked && (named || trust.roots !== null || !isVouchedFor(trust)),
  }))
}

async function verifyDirectory(path: string, trust: LogFileTrust, head: HeadTrust): Promise<Found> {
  const log = logDirectory(path)
  if (existsSync(join(log, 'state'))) {
    throw new CliError('USAGE', `${log} is the directory that a daemon writes to, not a copy`, {
      at: log,
      next: '`writ lineage export --no-sign --state-dir DIRECTORY bundle/` makes one, also when the daemon is stopped.',
    })
  }
  const note = await readDocument(join(log, 'checkpoint'), 'the checkpoint of a log').catch(() =>
    Buffer.alloc(0),
  )
  return isOtherLog(note) ? verifyOther(log, trust, head) : verifyOwn(log, note, trust, head)
}

/** A checkpoint of another make: a good one, but not of this project's form. */
function isOtherLog(note: Buffer): boolean {
  try {
    parseCheckpointText(parseNote(note).text)
  } catch {
    return false
  }
  try {
    parseCheckpoint(note)
    return false
  } catch {
    return true
  }
}

async function verifyOther(log: string, trust: LogFileTrust, head: HeadTrust): Promise<Found> {
  const earlier = trust.earlier.map(bytes => parseCheckpointText(parseNote(bytes).text))
  const found = await verifyOtherLog(log, { ...head, earlier })
  return { kind: 'log', properties: mark(found.results, trust), head: found.head, entry: null }
}

async function verifyOwn(log: string, note: Buffer, trust: LogFileTrust, head: HeadTrust): Promise<Found> {
  const own = trust.logKeys.find(({ name }) => name === originOf(note))?.ed25519
  const snapshots = new SnapshotCheck(state => new ClockWatch(state))
  let spki: string | undefined
  const { results, checkpoint } = await verifyLog(
    log,
    {
      earlier: trust.earlier,
      everyCheckpoint: trust.everyCheckpoint ?? false,
      ...(trust.previous === undefined ? {} : { previous: trust.previous }),
      ...(head.ak === undefined ? {} : { ak: head.ak }),
      ...(own === undefined ? {} : { logKey: own }),
      // Keys of another log prove nothing about this one.
      ...(own === undefined && trust.logKeys[0] !== undefined ? { origin: trust.logKeys[0].name } : {}),
    },
    (event, index) => {
      snapshots.take(event, index)
      if (event.type === 'daemon-start') spki = event.logKeySpki
    },
  )
  // A key that was given and is none that such a log signs with has to have signed all the same.
  const byKeys =
    checkpoint === undefined || own !== undefined
      ? []
      : checkLogKeys(checkpoint.note, checkpoint, trust.logKeys)
  const byPolicy =
    checkpoint === undefined || trust.policy === undefined
      ? []
      : policyResults(judgeByPolicy(checkpoint.note, trust.policy))
  const holds = results.some(({ property, status }) => property === OWN_LINE && status === 'VERIFIED')
  return {
    kind: 'log',
    properties: mark([...results, snapshots.result(), ...byKeys, ...byPolicy], trust),
    head: checkpoint,
    logKey:
      holds && checkpoint !== undefined && spki !== undefined
        ? formatNoteKey(checkpoint.origin, readPublicKey(base64ToBytes(spki)))
        : null,
    entry: null,
  }
}

/** Its name in the log's results: by the key that was given, or by the one that the tree names which the TPM signed. */
const OWN_LINE = 'Ed25519 signature of the checkpoint'

function originOf(note: Buffer): string | undefined {
  try {
    return parseCheckpoint(note).origin
  } catch {
    return undefined
  }
}

async function verifyFile(path: string, trust: LogFileTrust, head: HeadTrust): Promise<Found> {
  const bytes = await readDocument(path, 'a proof or a checkpoint', MAX_PROOF_BYTES)
  const text = bytes.subarray(0, 64).toString('latin1')
  if (text.startsWith('c2sp.org/tlog-proof'))
    return verifyEntry(
      malformedAs(() => parseTlogProof(bytes), path),
      trust,
      head,
    )
  if (text.startsWith('old ')) {
    const proof = malformedAs(() => parseConsistencyProof(bytes), path)
    return { ...verifyCheckpoint(proof.checkpoint, { ...trust, proof }, head), kind: 'growth' }
  }
  return verifyCheckpoint(bytes, trust, head)
}

/** What is asked to be judged and cannot be read is judged. */
function malformedAs<T>(read: () => T, path: string): T {
  try {
    return read()
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause)
    throw new CliError('NOT_VERIFIED', `${path}: ${message}`, { at: path, cause })
  }
}

function verifyEntry(proof: TlogProof, trust: LogFileTrust, by: HeadTrust): Found {
  const entry = trust.entry ?? proof.extra
  const found = verifyCheckpoint(proof.checkpoint, trust, by)
  if (found.head === undefined) return { ...found, kind: 'entry' }
  const inclusion = { ...checkInclusion(proof, found.head, entry), asked: true }
  const isThere = inclusion.status === 'VERIFIED' && entry !== undefined
  return {
    ...found,
    kind: 'entry',
    properties: [...found.properties, inclusion],
    entry: isThere ? { index: proof.index, event: eventOf(entry) } : null,
  }
}

function verifyCheckpoint(bytes: Buffer, trust: LogFileTrust, by: HeadTrust): Found {
  const { results, head } = verifyHead(bytes, by)
  const growth =
    head === undefined
      ? []
      : trust.earlier.map(earlier =>
          checkGrowth(head, parseCheckpointText(parseNote(earlier).text), trust.proof),
        )
  const alone = head !== undefined && trust.proof !== undefined && trust.earlier.length === 0
  const properties = [...mark(results, trust), ...growth.map(result => ({ ...result, asked: true }))]
  return {
    kind: 'checkpoint',
    head,
    entry: null,
    properties: alone
      ? [
          ...properties,
          {
            property: 'consistency with the earlier checkpoint',
            status: 'NOT CHECKED',
            detail: 'the proof needs the checkpoint that it goes on from: --earlier',
            asked: true,
          },
        ]
      : properties,
  }
}

function eventOf(entry: Buffer): LineageEvent | null {
  try {
    utf8ToString(entry, 'entry')
    return parseEvent(entry)
  } catch {
    return null
  }
}

const LISTED = 'log of the witness policy'

/**
 * What of this was asked. Whoever brings the log's own key, or a policy that lists it, did not ask for what only the attestation key can verify.
 */
function mark(results: readonly Omit<PropertyResult, 'asked'>[], trust: LogFileTrust): PropertyResult[] {
  const byKey = isVouchedFor(trust) && trust.operators.length === 0 && trust.hostId === null
  return results.map(result => ({
    ...result,
    asked: !(
      result.status === 'NOT CHECKED' &&
      (byKey ||
        (result.property === EARLIER && trust.earlier.length === 0) ||
        result.property === PREVIOUS ||
        result.property === LISTED)
    ),
  }))
}
