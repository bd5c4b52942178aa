import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Tier } from '../attestation/index.ts'
import type { SecretPolicy } from '../authorization/index.ts'
import type { StartConfig } from '../configuration/schema.ts'
import { sha256 } from '../encoding/digest.ts'
import { type Lineage, LineageError, systemIo } from '../lineage/index.ts'
import { generateKey } from '../signing/key.ts'
import { Attestor } from './attestor.ts'
import { CallerPrograms } from './caller-programs.ts'
import type { Caller } from './core.ts'
import { Decider } from './decider.ts'
import { DecisionLog } from './decision-log.ts'
import { detachedAgain } from './detached.ts'
import { EvidenceRetention } from './evidence-retention.ts'
import { ExecutionRegistry } from './execution-registry.ts'
import { Executor } from './executor.ts'
import { recordStart } from './first-entries.ts'
import { TrustGate } from './gate.ts'
import { Governance, GovernanceError } from './governance.ts'
import { Kept } from './hand-over/kept.ts'
import { Leaving } from './hand-over/leave.ts'
import { takeOver } from './hand-over/take-over.ts'
import { History } from './history/history.ts'
import { Snapshots } from './history/snapshots.ts'
import { type Host, hostTier, openHost } from './host.ts'
import { checkLogKey, openLineage } from './host-lineage.ts'
import { deadlinesOf } from './launch-order.ts'
import { lookAtCaller } from './launcher/caller.ts'
import { LauncherClient } from './launcher/client.ts'
import type { Instruments } from './metrics/instruments.ts'
import { watchedIo } from './metrics/lineage-io.ts'
import { LockoutWatch } from './metrics/lockout.ts'
import { watchedTransport } from './metrics/tpm-commands.ts'
import { bootTimeNs, LeasePage } from './native.ts'
import { OutputFiles } from './output-files.ts'
import { OutputTails } from './output-tails.ts'
import type { OwnSocket, OwnSocketOf } from './own-socket.ts'
import type { DaemonParts } from './parts.ts'
import type { Permit } from './permit.ts'
import { Receipts } from './receipts.ts'
import { onClockChange, onTransition, watchedClock } from './recorded-changes.ts'
import { Recorder } from './recorder.ts'
import { Renewals } from './renewals.ts'
import type { Running } from './running.ts'
import { Scrub } from './scrub.ts'
import { Sealing } from './sealing.ts'
import { catchUp, counterStep, Secrets } from './secrets.ts'
import { type Settings, withLive } from './settings.ts'
import { instantsOf, ValidityWatch } from './validity-watch.ts'
import type { AcceptedLineage } from './waiting.ts'

/** Whoever has the daemon put together. */
export interface Starter {
  /** Aborted when it is to stop. */
  readonly stop: AbortSignal
  /** A restored lineage, or a new epoch, that an operator accepts; null if none was found. */
  readonly accepted: AcceptedLineage | null
  readonly instruments: Instruments
  /** Called when the TPM is about to be asked for the first time. */
  tpmAsked(): void
  /** Called when the TPM has answered: what takes its time from then on is the daemon's own work. */
  tpmAnswered(): void
  /** Serves on the own socket of an execution. */
  openSocket(execution: OwnSocketOf): Promise<OwnSocket>
}

/**
 * Puts the daemon together, in an order in which nothing can run before everything that could forbid it is there: TPM,
 * lineage (which checks the TPM's counter), what the lineage says, lease page, launcher, gate (closed).
 *
 * @throws whatever keeps the daemon from starting, `stop`'s reason among it; everything opened so far is closed again, the lineage with
 *   the mark of a clean stop
 */
export async function assemble(
  settings: Settings,
  log: Logger,
  { stop, accepted, instruments, tpmAsked, tpmAnswered, openSocket }: Starter,
): Promise<DaemonParts> {
  const config: StartConfig = settings.whole
  const undo: (() => Promise<unknown> | undefined)[] = []
  try {
    const host = await openHost(config, transport => watchedTransport(transport, instruments))
    undo.push(() => host.tpm.close())
    tpmAsked()
    const tier = await hostTier(host, config)
    tpmAnswered()
    stop.throwIfAborted()
    const lineage = await openLineage(config, host, accepted, watchedIo(systemIo, instruments))
    undo.push(() => lineage.close())
    stop.throwIfAborted()
    const history = await History.fold(lineage, {
      governance: host.governanceKeys,
      hostId: host.id,
      recoversByItself: config.attestation.recovery === 'auto',
      stop,
    })
    stop.throwIfAborted()
    checkLogKey(history, host)
    if (history.unacceptedEpoch !== null && accepted === null)
      throw new LineageError('LINEAGE_BROKEN', 'the counter vouches for an epoch that no operator accepted', {
        at: 'state/anchor',
      })
    if (accepted !== null && !history.vouchesFor(accepted.clearance))
      throw new GovernanceError('CLEARANCE_NOT_APPLICABLE', 'the key that signed the clearance is revoked')
    const page = LeasePage.create()
    const launcher = await LauncherClient.connect(config.daemon.launcherSocket, page)
    undo.push(async () => launcher.close())
    const kept = await Kept.find({ history, launcher, lineage, log })
    stop.throwIfAborted()
    return await compose({
      ...{ config, settings, log, host, tier, lineage, history, page, launcher, kept, openSocket, accepted },
      instruments,
    })
  } catch (error) {
    for (const step of undo.reverse()) await Promise.resolve(step()).catch(() => undefined)
    throw error
  }
}

async function compose(base: {
  config: StartConfig
  settings: Settings
  log: Logger
  host: Host
  tier: Tier
  lineage: Lineage
  history: History
  page: LeasePage
  launcher: LauncherClient
  kept: Kept
  openSocket: Starter['openSocket']
  accepted: AcceptedLineage | null
  instruments: Instruments
}): Promise<DaemonParts> {
  const { instruments } = base
  const { config, settings, log, host, tier, lineage, history, page, launcher, kept } = base
  const wallMs = () => Date.now()
  const recorder = new Recorder(lineage, bootTimeNs, wallMs, (index, event, ms) => {
    history.links.apply(Number(index), event)
    instruments.append.observe(ms / 1000)
    instruments.recorded(event)
  })
  const clock = watchedClock(history, wallMs)
  clock.onChange = change => onClockChange(parts, change)
  const sessionKey = generateKey('ed25519')
  const { acceptance: acceptedIndex, leftovers } = await recordStart(base, recorder, sessionKey)

  const gate = new TrustGate(
    withLive(
      {
        lease: page,
        now: bootTimeNs,
        referenceValuesDigest: () => history.referenceValues?.digest ?? null,
        ...(history.failure && { initial: { state: 'FAILED' as const, reasons: history.failure } }),
      },
      { maxEvidenceAgeNs: () => settings.maxEvidenceAgeNs },
    ),
  )
  const tails = new OutputTails(settings.outputTailLimits())
  const files = await OutputFiles.open(
    join(config.daemon.stateDirectory, 'output'),
    settings.outputFileLimits(),
    log,
  )
  const registry = new ExecutionRegistry(id => {
    tails.forget(id)
    history.disown(id)
  })
  const decisions = new DecisionLog(lineage, recorder, history.links, log)
  let lineageState: 'ok' | 'unavailable' = 'ok'
  void lineage.failed.then(() => {
    lineageState = 'unavailable'
  })
  const decider = new Decider(
    withLive(
      {
        ...{ history, gate, clock, registry, decisions, sessionKey, log },
        hostId: host.id,
        enforces: {
          controllers: [...launcher.features.controllers],
          devices: [...launcher.features.devices],
        },
        bootNs: bootTimeNs,
        stage: launcher,
        programs: new CallerPrograms(process => lookAtCaller(launcher, process), log),
        secrets: new Secrets({
          ...{ hostId: host.id, identity: host.identity, secrets: host.secrets, tpm: host.tpm },
          policy: () => history.secretPolicy,
        }),
        lineageState: () => lineageState,
      },
      {
        minting: () => settings.now.minting.enabled,
        maxExecutions: () => settings.now.execution.maxExecutions,
      },
    ),
  )
  const executor = new Executor(
    withLive(
      {
        ...{ launcher, registry, tails, recorder, gate, history, wallMs, clock, log },
        openSocket: base.openSocket,
        bootNs: bootTimeNs,
        reconsider: (permit: Permit, caller: Caller) => decider.reconsider(permit, caller).decision.reasons,
        mayBeKept: (running: Running) => leaving.runs(running),
        outlivesCrash: (running: Running): boolean => leaving.outlivesCrash(running),
      },
      {
        maxEvidenceAgeNs: () => settings.maxEvidenceAgeNs,
        maxOutputBytes: () => settings.now.execution.maxOutputBytes,
      },
    ),
  )
  const leaving = new Leaving({
    ...{ launcher, registry, executor, recorder, log, bootNs: bootTimeNs },
    keepsOverCrash: config.execution.onCrash === 'keep',
  })
  await takeOver(kept, leftovers, { executor, launcher, registry, gate, wallMs, lineage })
  // What the run before took in when it had left the launcher already, it could end nothing by.
  executor.endRevoked()
  const renewals = new Renewals({
    ...{ launcher, registry, decider, executor, recorder, gate, log },
    kept: {
      executions: kept.executions,
      deadlines: ({ terms }) =>
        deadlinesOf({
          ...{ terms, maxEvidenceAgeNs: settings.maxEvidenceAgeNs },
          ...{ nowBootNs: bootTimeNs(), nowWallMs: wallMs() },
        }),
      goOn: (execution, prepared, epoch) =>
        executor.goOn(execution, prepared, epoch, () => detachedAgain(files, execution)),
    },
  })
  gate.on('judged-anew', () => renewals.changed())
  const secretCounter = (policy: SecretPolicy) =>
    counterStep(policy, { hostId: host.id, identity: host.identity, secrets: host.secrets, tpm: host.tpm })
  await catchUp(history.secretPolicy, secretCounter, log)
  const governance = new Governance({
    ...{ history, lineage, recorder, gate, wallMs, clock, secretCounter },
    keys: host.governanceKeys,
    hostId: host.id,
  })
  const validity = new ValidityWatch({
    wallMs,
    instants: () => instantsOf(history),
    passed: () => {
      renewals.changed()
      parts.onStatusChange()
    },
  })
  const attestor = new Attestor(
    withLive(
      {
        ...{ lineage, recorder, gate, tier, clock, log },
        tpm: host.tpm,
        ak: host.ak,
        signingKey: host.signingKey,
        openLog: (kind: Parameters<LauncherClient['openLog']>[0]) => launcher.openLog(kind),
        bootNs: bootTimeNs,
        sessionKeySpkiDigest: sha256(sessionKey.public.spki),
        reference: () => history.referenceValues,
        governed: history.governed,
        previous: await history.clockHistory(),
        recoverByItself: config.attestation.recovery === 'auto',
      },
      { cycleMs: () => settings.now.attestation.cycleSeconds * 1000 },
    ),
  )
  const sealing = new Sealing(lineage, recorder, settings.sealingOptions(), log)
  const snapshots = new Snapshots({ lineage, recorder, uses: history.uses, log })
  const { akPublicArea, ekCertificate, ekIntermediates } = host.identity
  const receipts = new Receipts({
    ...{ lineage, logKey: host.logKey, permitOf: id => registry.get(id)?.decisionIndex ?? null },
    host: { akPublicArea, akCertificate: host.akCertificate, ekCertificate, ekIntermediates },
    isRunning: id => (registry.get(id)?.state ?? 'ENDED') !== 'ENDED',
    seal: () => sealing.soon(),
  })
  const retention = await EvidenceRetention.open({
    ...{ lineage, recorder, sealing, log },
    limits: settings.retentionLimits(),
    onChange: () => parts.onStatusChange(),
  })
  const parts: DaemonParts = {
    ...{
      config,
      settings,
      log,
      instruments,
      host,
      tier,
      sessionKey,
      lineage,
      recorder,
      history,
      clock,
      gate,
      launcher,
      registry,
    },
    ...{
      tails,
      files,
      decisions,
      decider,
      executor,
      leaving,
      renewals,
      governance,
      validity,
      attestor,
      sealing,
      scrub: new Scrub(lineage, log),
      receipts,
      retention,
      snapshots,
    },
    startedTime: new Date().toISOString(),
    acceptedIndex,
    onStatusChange: () => undefined,
  }
  const lockout = new LockoutWatch(host.tpm, instruments)
  attestor.onCycle = ({ error }, ms) => {
    instruments.cycle.observe(ms / 1000)
    instruments.cycles.add([error === null ? 'appraised' : 'no_evidence'])
    void lockout.look()
  }
  gate.on('transition', transition => onTransition(parts, transition))
  return parts
}
