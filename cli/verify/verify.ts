import { join } from 'node:path'
import { tier } from '../../attestation/index.ts'
import { ClockWatch } from '../../authorization/index.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import {
  inlineBlob,
  judgeByPolicy,
  LineageError,
  type LineageEvent,
  policyResults,
  readBlob,
  SnapshotCheck,
  verifyLog,
  type WitnessPolicy,
} from '../../lineage/index.ts'
import { tierLabel } from '../tier.ts'
import { checkAppraisals, checkQuotes } from './appraisals.ts'
import { LINEAGE_PATH, readBundleHost } from './bundle.ts'
import { checkConfigurations } from './configurations.ts'
import { checkArtifacts, checkDecisions, checkUses } from './decisions.ts'
import { Documents } from './documents.ts'
import { EvidenceDropped } from './dropped.ts'
import { checkAcceptance } from './epochs.ts'
import { checkExecutions } from './executions.ts'
import { checkIdentity, type IdentityTrust } from './identity.ts'
import type { KeptEvidence } from './kept-evidence.ts'
import { checkLinks } from './links.ts'
import { LogState } from './log-state.ts'
import type { PropertyResult } from './property.ts'
import { checkRetention } from './retention.ts'
import { checkLapsed } from './starts.ts'
import { type Holds, type LogEntry, type NotLookedAt, property, StepFailure } from './steps.ts'
import { checkRecovery, checkTransitions } from './transitions.ts'

/** What the person who verifies brings. Nothing of it is ever taken from the bundle. */
export interface VerifyTrust extends IdentityTrust {
  /** Checkpoints that were seen before: the log has to go on from each. */
  readonly earlier: readonly Buffer[]
  /** Whether the signatures of all checkpoints that the log tells of are looked at. */
  readonly everyCheckpoint?: boolean
  /** Logs whose place this one took, as they were put aside: the newest first. */
  readonly previous?: readonly string[]
  /** Whether the host may have left FAILED without an operator, as its configuration can say. */
  readonly allowRecovery?: boolean
  /** Which witnesses have to have seen the checkpoint. */
  readonly policy?: WitnessPolicy
  /** Gives evidence that was dropped and that somebody kept elsewhere. */
  readonly kept?: KeptEvidence
  /** Whether what cannot be looked at again for want of dropped evidence need not be. */
  readonly allowDropped?: boolean
}

export interface VerifyResult {
  readonly properties: readonly PropertyResult[]
  /** What kind of TPM made the evidence. */
  readonly tier: ReturnType<typeof tierLabel>
  readonly hostId: string | null
  readonly entries: number
}

/**
 * Verifies an exported bundle offline: who the host is, the log and its signature, what was put in force, every decision,
 * every appraisal. Each property stands on its own; nothing is believed because the bundle says so.
 *
 * @param directory controlled by whoever made the bundle
 * @throws CliError only when there is no such directory
 */
export async function verifyBundle(directory: string, trust: VerifyTrust): Promise<VerifyResult> {
  const log = join(directory, LINEAGE_PATH)
  const entries: LogEntry[] = []
  const carriers = new Map<string, LineageEvent>()
  const blob = async (digest: string) => {
    const carrier = carriers.get(digest)
    return (
      (carrier && inlineBlob(carrier, digest)) ??
      readBlob(log, digest).catch(error => elsewhere(digest, error))
    )
  }
  /** What is not in the bundle may have been kept elsewhere, or the log says that it was dropped. */
  const elsewhere = async (digest: string, error: unknown) => {
    if (!(error instanceof LineageError && error.code === 'BLOB_ABSENT')) throw error
    const kept = await trust.kept?.(digest)
    if (kept != null && sha256Hex(kept) === digest) return kept
    const entry = lineage.dropped.entryOf(digest)
    throw entry === undefined ? error : new EvidenceDropped(digest, entry)
  }

  const identity = await checkIdentity(await readBundleHost(directory), trust)
  const { ak } = identity
  const logTrust = {
    earlier: trust.earlier,
    everyCheckpoint: trust.everyCheckpoint ?? false,
    ...(ak === null ? {} : { ak }),
    ...(trust.kept === undefined ? {} : { kept: trust.kept }),
    ...(trust.previous === undefined ? {} : { previous: trust.previous }),
  }
  const snapshots = new SnapshotCheck(state => new ClockWatch(state))
  const lineage = await verifyLog(log, logTrust, (event, index) => {
    entries.push({ index, event })
    snapshots.take(event, index)
    if (event.type === 'decision' || event.type === 'renewal')
      for (const digest of Object.keys(event.inline)) carriers.set(digest, event)
  })
  const documents = new Documents(trust.operators, blob)
  const whole = entries.length > 0 && entries.length === lineage.checkpoint?.size
  const overEntries = (name: string, step: () => Promise<Holds | NotLookedAt> | Holds | NotLookedAt) =>
    property(
      name,
      () => {
        // What is said of every entry is said of nothing when not all of them could be read.
        if (!whole) throw new StepFailure('the log could not be read as a whole')
        return step()
      },
      true,
      trust.allowDropped !== true,
    )
  const noKey: NotLookedAt = { notChecked: 'nothing vouches for the attestation key' }

  const hostId = ak?.name.toString('hex') ?? null
  const fold = () => new LogState(trust.operators, blob, hostId)

  const properties = [
    ...identity.results,
    ...lineage.results.map(({ property, status, detail, file }) => ({
      property,
      status,
      detail,
      asked:
        (property !== EARLIER || trust.earlier.length > 0) &&
        (property !== PREVIOUS || trust.previous !== undefined),
      ...(file === undefined ? {} : { file: `${LINEAGE_PATH}/${file}` }),
    })),
    ...(trust.policy === undefined || lineage.checkpoint === undefined
      ? []
      : policyResults(judgeByPolicy(lineage.checkpoint.note, trust.policy)).map(result => ({
          ...result,
          // A policy without logs is for those who know the log from elsewhere, as here by its host.
          asked: result.status !== 'NOT CHECKED',
        }))),
    await overEntries('snapshots', () => {
      const { status, detail } = snapshots.result()
      if (status === 'FAILED') throw new StepFailure(detail)
      return { detail }
    }),
    await overEntries('documents signed by the operator', () => documents.check(entries)),
    await overEntries('evidence that was dropped', () => checkRetention(entries, fold())),
    await overEntries('configurations in force', () => checkConfigurations(entries, blob)),
    await overEntries('artifact signatures', () => checkArtifacts(entries, trust.operators, blob)),
    await overEntries('decisions evaluated again', () =>
      checkDecisions(entries, trust.operators, blob, fold(), hostId),
    ),
    await overEntries('links of decisions', () => checkLinks(entries, blob)),
    await overEntries('trust transitions', () => checkTransitions(entries, fold())),
    await overEntries('recovery from failures', () =>
      checkRecovery(entries, fold(), trust.allowRecovery ?? false),
    ),
    ...(entries[0]?.event.type === 'epoch' || entries.some(({ event }) => event.type === 'epoch-accepted')
      ? [await overEntries('acceptance of the epoch', () => checkAcceptance(entries))]
      : []),
    await overEntries('uses of artifacts', () => checkUses(entries)),
    await overEntries('executions', () => checkExecutions(entries, blob)),
    await overEntries('starts after a lapse', () => checkLapsed(entries, trust.operators, blob, fold())),
    await overEntries('quotes of the evidence', () => (ak === null ? noKey : checkQuotes(entries, ak, blob))),
    await overEntries('evidence appraised again', () =>
      ak === null ? noKey : checkAppraisals(entries, ak, documents, blob),
    ),
  ]
  return { properties, tier: deriveTier(identity.ek, entries), hostId, entries: entries.length }
}

/** Their names in the log's results. */
export const EARLIER = 'consistency with earlier checkpoints'
export const PREVIOUS = 'log before this one'

/** Hardware is only ever earned by the EK's chain; that the daemon itself said it was simulated is believed. */
function deriveTier(ek: Parameters<typeof tier>[0], entries: readonly LogEntry[]): VerifyResult['tier'] {
  const admitted = entries.some(({ event }) => event.type === 'daemon-start' && event.tier === 'simulated')
  return tierLabel(admitted ? 'simulated' : tier(ek))
}
