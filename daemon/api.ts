import { encodeReportPieces } from '../attestation/index.ts'
import { mintArtifact, type RevocationKind } from '../authorization/index.ts'
import { sha256Hex } from '../encoding/digest.ts'
import { LineageError, leafHash } from '../lineage/index.ts'
import type { AttestationStatusInput } from '../proto/generated/writ/v1/AttestationStatus.ts'
import type { ExecutionInput } from '../proto/generated/writ/v1/Execution.ts'
import { parseEnvelope } from '../signing/dsse.ts'
import { Changes } from './changes.ts'
import {
  type Authorized,
  type Caller,
  type DaemonCore,
  type ExecuteStreams,
  NotFoundError,
  OutputError,
  type Ownership,
  type ReportRequest,
  StartingError,
  type WorkloadRequest,
} from './core.ts'
import { detached } from './detached.ts'
import { EntryOwners, ownedEntries } from './entry-owner.ts'
import { toMessage } from './execution-registry.ts'
import type { Histogram } from './metrics/families.ts'
import type { DaemonParts } from './parts.ts'
import { makeReport } from './report.ts'
import { statusMessage } from './status.ts'

/**
 * The way of a request: request → authorize → verify → execute → audit → persist lineage. Who asks was identified by the kernel at
 * connect (`rpc/peer.ts`); what is asked is decided, durably, by the decider; what is permitted is run by the executor.
 */
export function daemonCore(parts: DaemonParts): DaemonCore {
  const { decider, executor, registry, lineage, history, governance, gate, decisions, instruments } = parts
  const owners = new EntryOwners(lineage, id => history.ownerOf(id))
  const statuses = new Changes<'status', AttestationStatusInput>()
  parts.onStatusChange = () => statuses.publish('status', statusMessage(parts))

  return {
    async authorize(caller: Caller, artifact: Buffer | null, workload: WorkloadRequest): Promise<Authorized> {
      const { input, decision, index } = await timed(
        instruments.decision,
        'authorize',
        decider.decide(caller, 'authorize', artifact, workload),
      )
      const minted = artifact === null ? mintArtifact(input, decision, parts.sessionKey) : null
      return {
        artifact: minted,
        artifactDigest:
          minted === null ? (decision.artifactDigest ?? '') : sha256Hex(parseEnvelope(minted).payload),
        notAfter: decision.terms?.notAfter ?? '',
        decisionIndex: index,
      }
    },

    async execute(
      caller: Caller,
      artifact: Buffer | null,
      workload: WorkloadRequest,
      streams: ExecuteStreams,
      signal: AbortSignal,
    ) {
      if (parts.leaving.isLeaving) throw new StartingError('STARTING', 'the daemon stops')
      const begun = performance.now()
      const permit = await timed(
        instruments.decision,
        'execute',
        decider.decide(caller, 'execute', artifact, workload, decided => executor.makeReady(decided)),
      )
      return permit.decision.terms?.detach === true
        ? detached(parts, permit, caller, timedStart(streams, begun, instruments.start), signal)
        : executor.run(permit, caller, timedStart(streams, begun, instruments.start), signal)
    },

    attach: (_caller, claim, streams, signal) => executor.attachments.attach(claim, streams, signal),

    getExecution(executionId: string): ExecutionInput | null {
      const execution = registry.get(executionId)
      return execution === undefined ? null : toMessage(execution)
    },

    listExecutions: options => registry.list(options),

    async terminate(_caller: Caller, executionId: string, signal: AbortSignal): Promise<ExecutionInput> {
      executor.kill(executionId, 'TERMINATED')
      // Of one that has ended already nothing more is told.
      const hasEnded = () => registry.get(executionId)?.state === 'ENDED'
      const changes = hasEnded() ? [] : registry.watch(signal)
      for await (const execution of changes) {
        if (execution.executionId === executionId && execution.state === 'EXECUTION_STATE_ENDED')
          return execution
        if (hasEnded()) break
      }
      const execution = registry.get(executionId)
      if (execution === undefined) throw new NotFoundError(`execution ${executionId}`)
      return toMessage(execution)
    },

    signalExecution: (executionId, name) => executor.controls.signal(executionId, name),
    resizeTerminal: (executionId, size) => executor.controls.resize(executionId, size),
    closeOutput: (executionId, stream) => {
      executor.controls.closeOutput(executionId, stream)
      parts.leaving.keepOverCrash(executionId).catch(err => parts.log.warn({ err, executionId }, 'not kept'))
    },

    executionOwner: executionId => history.ownerOf(executionId) ?? null,
    async pastOwner(executionId, said) {
      const known = history.ownerOf(executionId)
      if (known !== undefined) return known
      const decision = parts.files.decisionOf(executionId) ?? said
      return decision === null ? null : owners.byPermit(decision, executionId)
    },

    watchExecutions: (signal: AbortSignal) => registry.watch(signal),

    readOutput(executionId: string, follow: boolean, signal: AbortSignal) {
      const tail = parts.files.get(executionId) ?? parts.tails.get(executionId)
      if (tail?.kept === false) throw new OutputError()
      return tail?.read(follow, signal) ?? null
    },

    getReceipt: (caller, request, signal) => parts.receipts.make(caller.uid, request, signal),

    getStatus: () => statusMessage(parts),
    watchStatus: (signal: AbortSignal) => statuses.watch([['status', statusMessage(parts)]], signal),

    getReport: async (caller: Caller, request: ReportRequest) => {
      const report = await makeReport(
        {
          ...{ tpm: parts.host.tpm, ak: parts.host.ak, signingKey: parts.host.signingKey },
          ...{ identity: parts.host.identity, akCertificate: parts.host.akCertificate },
          ...{ tier: parts.tier, lineage, sessionKey: parts.sessionKey.public },
          openLog: kind => parts.launcher.openLog(kind),
          reference: () => history.referenceValues,
          executions: () => registry.live(),
          ownerOf: id => history.ownerOf(id),
        },
        caller.uid,
        request,
      )
      return encodeReportPieces(report)
    },

    async getCheckpoint(fresh: boolean) {
      const latest = fresh ? await lineage.checkpoint() : lineage.latestCheckpoint()
      return latest === undefined ? null : { note: latest.note, size: BigInt(latest.size), root: latest.root }
    },

    lineageSize: () => lineage.size,

    readEntries: (from: bigint, to: bigint, types?: ReadonlySet<string>, signal?: AbortSignal) =>
      ownedEntries(lineage, owners, { from, to, types, signal }),

    lineageGrown: (size: bigint, signal: AbortSignal) => lineage.grownBeyond(size, signal),
    locateEntries: (sinceMs: number | null, untilMs: number | null) => lineage.locate(sinceMs, untilMs),

    async entryOwner(index: bigint): Promise<Ownership | null> {
      return owners.of(index, await lineage.entry(index))
    },

    async inclusionProof(index: bigint, treeSize: bigint) {
      const hashes = await lineage.inclusionProof(index, treeSize)
      return { leafHash: leafHash(await lineage.entry(index)), hashes }
    },

    consistencyProof: (oldSize: bigint, newSize: bigint) => lineage.consistencyProof(oldSize, newSize),

    async getBlob(digest: string): Promise<Buffer | null> {
      try {
        return await lineage.getBlob(digest)
      } catch (error) {
        if (error instanceof LineageError && error.code === 'BLOB_ABSENT') return null
        throw error
      }
    },

    async loadPolicy(_caller: Caller, envelope: Buffer) {
      const loaded = await changed(parts, governance.loadPolicy(envelope))
      parts.renewals.changed()
      return loaded
    },
    async loadHostLabels(_caller: Caller, envelope: Buffer) {
      const loaded = await changed(parts, governance.loadHostLabels(envelope))
      parts.renewals.changed()
      return loaded
    },
    async loadTrustRoots(_caller: Caller, envelope: Buffer) {
      const loaded = await changed(parts, governance.loadTrustRoots(envelope))
      parts.renewals.changed()
      return loaded
    },

    loadSecretPolicy: (_caller: Caller, envelope: Buffer) =>
      changed(parts, governance.loadSecretPolicy(envelope)),

    async loadReferenceValues(_caller: Caller, envelope: Buffer) {
      const loaded = await changed(parts, governance.loadReferenceValues(envelope))
      // Until they have judged, the gate permits nothing; a cycle that was under way goes by the old ones. What runs goes on if the host passes by
      // the new ones now, and it would be permitted under them: reference values that name a new daemon beside the old one end nothing.
      for (let tries = 0; gate.awaitsAppraisal && tries < 2; tries++) await parts.attestor.cycle()
      if (gate.awaitsAppraisal)
        gate.close('STALE', [
          {
            code: 'REFERENCE_VALUES_CHANGED',
            message: 'the reference values changed, and nothing was judged by them',
          },
        ])
      return loaded
    },

    async revoke(_caller: Caller, envelope: Buffer) {
      const ended = new Set<string>()
      const end = (ids: readonly string[]) => {
        for (const id of ids) ended.add(id)
      }
      const revoked = governance.revoke(envelope, next => end(executor.endRevoked(next)))
      const { epoch, lineageIndex } = await changed(parts, revoked)
      // What was permitted while the revocation was made durable.
      end(executor.endRevoked())
      // Of signers that were enough one may have been asked for by a policy.
      const { revocations } = history
      const lost = parts.registry
        .live()
        .some(({ signed }) => signed.by.some(({ keyId }) => revocations.has('key', keyId)))
      if (lost) parts.renewals.changed()
      return { epoch, lineageIndex, executionIds: [...ended] }
    },

    listRevocations(from: number, limit: number) {
      const { revocations } = history
      return {
        epoch: String(revocations.epoch),
        revocations: revocations.list(from, limit).map(({ kind, id, epoch }) => ({
          kind: `REVOCATION_KIND_${kind.toUpperCase() as Uppercase<RevocationKind>}` as const,
          id,
          epoch: String(epoch),
        })),
        nextPageToken: from + limit < revocations.size ? String(from + limit) : '',
        total: String(revocations.size),
      }
    },

    async clearFailure(_caller: Caller, envelope: Buffer) {
      const cleared = await changed(parts, governance.clear(envelope))
      void parts.attestor.cycle()
      return cleared
    },

    countDenial: (uid: number, code: 'CAPACITY') => decisions.count(uid, [code]),
  }
}

async function changed<T>(parts: DaemonParts, change: Promise<T>): Promise<T> {
  // What was turned away shows in the status.
  const result = await change.catch(error => {
    parts.onStatusChange()
    throw error
  })
  parts.validity.look()
  // A roll-back of the files must not undo it.
  parts.sealing.anchorSoon()
  parts.onStatusChange()
  return result
}

async function timed<T>(into: Histogram, what: string, work: Promise<T>): Promise<T> {
  const begun = performance.now()
  try {
    return await work
  } finally {
    into.observe((performance.now() - begun) / 1000, what)
  }
}

/** Notes the time from a request to the start of its program. */
function timedStart(streams: ExecuteStreams, begun: number, into: Histogram): ExecuteStreams {
  return {
    ...streams,
    started: message => {
      into.observe((performance.now() - begun) / 1000)
      return streams.started(message)
    },
  }
}
