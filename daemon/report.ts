import {
  bindExtraData,
  type EnrolledAk,
  encodeExecutions,
  imaEntryOffset,
  MAX_LISTED_EXECUTIONS,
  parseQuoteAttest,
  QUOTED_SELECTION,
  type Quote,
  REPORT_DOMAIN,
  type Report,
  type ReportBinding,
  type ReportCheckpoint,
  type ReportGrowth,
  type Tier,
} from '../attestation/index.ts'
import type { HostIdentity, SigningKey, Tpm } from '../attestation/tpm2/index.ts'
import { sha256 } from '../encoding/digest.ts'
import type { Lineage } from '../lineage/index.ts'
import type { PublicKey } from '../signing/key.ts'
import type { Ownership, ReportRequest } from './core.ts'
import type { LifeState, TrackedExecution } from './execution-registry.ts'
import { HostLogReader, type HostLogs, type OpenLog } from './host-logs.ts'
import type { SignedReferenceValues } from './reference-values.ts'

export interface ReportSource {
  readonly tpm: Tpm
  readonly ak: EnrolledAk
  readonly signingKey: SigningKey
  readonly identity: HostIdentity
  readonly akCertificate: Buffer | null
  readonly sessionKey: PublicKey
  readonly tier: Tier
  readonly lineage: Lineage
  readonly openLog: OpenLog
  readonly reference: () => SignedReferenceValues | null
  /** Those that have not ended. */
  readonly executions: () => readonly TrackedExecution[]
  readonly ownerOf: (executionId: string) => Ownership | undefined
}

/** Stands for "no reference values are in force" in a report's binding. */
const NO_REFERENCE_VALUES = Buffer.alloc(32)

/**
 * A fresh quote over the caller's nonce with all that explains it. Judges nothing: that is the caller's part.
 *
 * @param uid whose turn at the TPM it takes
 * @throws TpmError
 */
export async function makeReport(source: ReportSource, uid: number, request: ReportRequest): Promise<Report> {
  const { lineage, sessionKey, identity } = source
  const executions = listExecutions(source, request)
  const binding = bindingOf(source, request.nonce, executions)
  // Read in the same turn as the tree that is bound: it goes on from the checkpoint's.
  const checkpoint = await checkpointBelow(lineage, binding.treeSize)
  const growth = await growthFrom(lineage, request.known.treeSize, binding.treeSize)
  const quote = await source.tpm.quote({
    ak: source.signingKey,
    extraData: bindExtraData(binding),
    selection: QUOTED_SELECTION,
    requester: { kind: 'report', uid },
  })
  const logs = await new HostLogReader(source.openLog).read()
  const { imaFrom, imaLog } = unknownPart(logs, quote, request)
  return {
    evidence: { quote, eventLog: logs.eventLog, userspaceLog: logs.userspaceLog, imaLog },
    imaFrom,
    binding,
    executions,
    sessionKeySpki: Buffer.from(sessionKey.spki),
    checkpoint,
    growth,
    akPublicArea: source.ak.publicArea,
    akCertificate: source.akCertificate,
    ekCertificate: identity.ekCertificate,
    ekIntermediates: identity.ekIntermediates,
    claimedTier: source.tier,
  }
}

/** What is kept runs, under the lease of the daemon before. */
function stateOf(state: LifeState) {
  if (state === 'KEPT') return 'RUNNING'
  return state === 'ENDED' ? 'ENDING' : state
}

function listExecutions({ executions, ownerOf }: ReportSource, { visible }: ReportRequest): Buffer {
  const live = executions()
  const mayBeSeen = ({ executionId }: TrackedExecution) => {
    const owner = ownerOf(executionId)
    return owner !== undefined && visible(owner)
  }
  const listed = live.filter(mayBeSeen).slice(0, MAX_LISTED_EXECUTIONS)
  return encodeExecutions({
    running: live.length,
    executions: listed.map(({ executionId, state, artifactDigest, terms, startedTime, permittedTime }) => ({
      id: executionId,
      state: stateOf(state),
      artifact: artifactDigest,
      subject: terms.program.sha256,
      since: startedTime === '' ? permittedTime : startedTime,
    })),
  })
}

function bindingOf(
  { lineage, sessionKey, reference }: ReportSource,
  nonce: Buffer,
  executions: Buffer,
): ReportBinding {
  const digest = reference()?.digest
  return {
    domain: REPORT_DOMAIN,
    nonce,
    treeSize: lineage.size,
    lineageRoot: lineage.rootHash(),
    sessionKeySpkiDigest: sha256(sessionKey.spki),
    referenceValuesDigest: digest === undefined ? NO_REFERENCE_VALUES : Buffer.from(digest, 'hex'),
    executionsDigest: sha256(executions),
  }
}

/** The newest checkpoint, and that the tree of this size goes on from it. Signing another would take the TPM's time once more. */
async function checkpointBelow(lineage: Lineage, treeSize: bigint): Promise<ReportCheckpoint | null> {
  const latest = lineage.latestCheckpoint()
  if (latest === undefined) return null
  return { note: latest.note, proof: await lineage.consistencyProof(BigInt(latest.size), treeSize) }
}

/** That the tree goes on from the one that the caller has seen; a log with fewer entries shows by its size that it does not. */
async function growthFrom(lineage: Lineage, from: bigint, treeSize: bigint): Promise<ReportGrowth | null> {
  if (from === 0n || from > treeSize) return null
  return { from, proof: await lineage.consistencyProof(from, treeSize) }
}

/** The IMA log without the entries that the caller has of this boot. */
function unknownPart(
  { imaLog }: HostLogs,
  quote: Quote,
  { known }: ReportRequest,
): Pick<Report, 'imaFrom'> & { readonly imaLog: Buffer | null } {
  const whole = { imaFrom: 0, imaLog }
  if (imaLog === null || known.imaEntries === 0) return whole
  if (parseQuoteAttest(quote.attest).clock.resetCount !== known.resetCount) return whole
  const offset = imaEntryOffset(imaLog, known.imaEntries)
  return offset === null ? whole : { imaFrom: known.imaEntries, imaLog: imaLog.subarray(offset) }
}
