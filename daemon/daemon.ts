import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { QUOTED_SELECTION, type Tier } from '../attestation/index.ts'
import type { Config } from '../configuration/schema.ts'
import { sha256, sha256Hex } from '../encoding/digest.ts'
import { canonicalJsonBytes } from '../encoding/json.ts'
import { readVersion } from '../encoding/version.ts'
import { Lineage } from '../lineage/index.ts'
import { generateKey, type PrivateKey } from '../signing/key.ts'
import { Attestor } from './attestor.ts'
import { Decider } from './decider.ts'
import { DecisionLog } from './decision-log.ts'
import { ExecutionRegistry } from './execution-registry.ts'
import { Executor } from './executor.ts'
import { TrustGate, type TrustTransition } from './gate.ts'
import { Governance } from './governance.ts'
import { History } from './history.ts'
import { type Host, hostTier, openHost } from './host.ts'
import { LauncherClient } from './launcher/client.ts'
import { endLeftovers } from './leftovers.ts'
import { bootTimeNs, LeasePage } from './native.ts'
import { Recorder, recordedReasons } from './recorder.ts'
import { Sealing } from './sealing.ts'
import { WallClock } from './wall-clock.ts'

export const DAEMON_VERSION = readVersion()

/** The parts of a running daemon, put together. It decides nothing itself. */
export interface DaemonParts {
  readonly config: Config
  readonly log: Logger
  readonly host: Host
  readonly tier: Tier
  readonly sessionKey: PrivateKey
  readonly lineage: Lineage
  readonly recorder: Recorder
  readonly history: History
  readonly clock: WallClock
  readonly gate: TrustGate
  readonly launcher: LauncherClient
  readonly registry: ExecutionRegistry
  readonly decisions: DecisionLog
  readonly decider: Decider
  readonly executor: Executor
  readonly governance: Governance
  readonly attestor: Attestor
  readonly sealing: Sealing
  readonly startedTime: string
  /** Called after whatever shows in the status has changed. */
  onStatusChange: () => void
}

/**
 * Puts the daemon together, in an order in which nothing can run before everything that could forbid it is there: TPM,
 * lineage (which checks the TPM's counter), what the lineage says, lease page, launcher, gate (closed).
 *
 * @throws whatever keeps the daemon from starting; everything opened so far is closed again
 */
export async function assemble(config: Config, log: Logger): Promise<DaemonParts> {
  const undo: (() => Promise<unknown> | undefined)[] = []
  try {
    const host = await openHost(config)
    undo.push(() => host.tpm.close())
    const tier = await hostTier(host, config)
    const lineage = await openLineage(config, host)
    undo.push(() => lineage.close())
    const history = await History.fold(lineage, {
      governance: host.governanceKeys,
      hostId: host.id,
      recoversByItself: config.attestation.recovery === 'auto',
    })
    const page = LeasePage.create()
    const launcher = await LauncherClient.connect(config.daemon.launcherSocket, page)
    undo.push(async () => launcher.close())
    return await compose({ config, log, host, tier, lineage, history, page, launcher })
  } catch (error) {
    for (const step of undo.reverse()) await Promise.resolve(step()).catch(() => undefined)
    throw error
  }
}

function openLineage(config: Config, host: Host): Promise<Lineage> {
  return Lineage.open(join(config.daemon.stateDirectory, 'lineage'), {
    origin: `writ/${host.id}`,
    signer: {
      logKey: host.logKey,
      ak: host.ak,
      quote: extraData =>
        host.tpm.quote({
          ak: host.signingKey,
          extraData,
          selection: QUOTED_SELECTION,
          requester: { kind: 'checkpoint' },
        }),
    },
    counter: host.tpm.nvCounter(host.identity.nvCounterIndex, host.secrets.nvCounterAuth),
  })
}

async function compose(base: {
  config: Config
  log: Logger
  host: Host
  tier: Tier
  lineage: Lineage
  history: History
  page: LeasePage
  launcher: LauncherClient
}): Promise<DaemonParts> {
  const { config, log, host, tier, lineage, history, page, launcher } = base
  const wallMs = () => Date.now()
  const recorder = new Recorder(lineage, bootTimeNs, wallMs)
  const clock = new WallClock(wallMs, bootTimeNs, history.newestMs)
  const sessionKey = generateKey('ed25519')
  const maxEvidenceAgeNs = BigInt(config.attestation.maxEvidenceAgeSeconds) * 1_000_000_000n
  await recordStart(base, recorder, sessionKey)

  const gate = new TrustGate({
    lease: page,
    maxEvidenceAgeNs,
    now: bootTimeNs,
    ...(history.failure && { initial: { state: 'FAILED' as const, reasons: history.failure } }),
  })
  const registry = new ExecutionRegistry()
  const decisions = new DecisionLog(lineage, recorder, err =>
    log.error({ err }, 'counted denials were not recorded'),
  )
  const executor = new Executor({
    ...{ launcher, registry, recorder, gate, history, wallMs, maxEvidenceAgeNs, log },
    bootNs: bootTimeNs,
    maxOutputBytes: config.execution.maxOutputBytes,
  })
  let lineageState: 'ok' | 'unavailable' = 'ok'
  void lineage.failed.then(() => {
    lineageState = 'unavailable'
  })
  const decider = new Decider({
    ...{ history, gate, clock, registry, decisions, sessionKey },
    hostId: host.id,
    bootNs: bootTimeNs,
    stage: launcher,
    minting: config.minting.enabled,
    maxExecutions: config.execution.maxExecutions,
    lineageState: () => lineageState,
  })
  const governance = new Governance({
    ...{ history, lineage, recorder, gate },
    keys: host.governanceKeys,
    hostId: host.id,
  })
  const attestor = new Attestor({
    ...{ lineage, recorder, gate, tier, log },
    tpm: host.tpm,
    ak: host.ak,
    signingKey: host.signingKey,
    openLog: kind => launcher.openLog(kind),
    bootNs: bootTimeNs,
    sessionKeySpkiDigest: sha256(sessionKey.public.spki),
    reference: () => history.referenceValues,
    governed: history.governed,
    previous: await history.clockHistory(),
    cycleMs: config.attestation.cycleSeconds * 1000,
    recoverByItself: config.attestation.recovery === 'auto',
  })
  const sealing = new Sealing(
    lineage,
    {
      checkpointMs: config.lineage.checkpointSeconds * 1000,
      checkpointEntries: BigInt(config.lineage.checkpointEntries),
      counterMs: config.lineage.counterMinutes * 60_000,
    },
    log,
    value => recorder.record({ type: 'counter', value: String(value) }),
  )
  const parts: DaemonParts = {
    ...{ config, log, host, tier, sessionKey, lineage, recorder, history, clock, gate, launcher, registry },
    ...{ decisions, decider, executor, governance, attestor, sealing },
    startedTime: new Date().toISOString(),
    onStatusChange: () => undefined,
  }
  gate.on('transition', transition => onTransition(parts, transition))
  return parts
}

/** The first entries of this run: that it began, what the run before left in doubt, and the end of what that one left running. */
async function recordStart(
  { config, host, tier, lineage, history, launcher, log }: Parameters<typeof compose>[0],
  recorder: Recorder,
  sessionKey: PrivateKey,
): Promise<void> {
  await recorder.record({
    type: 'daemon-start',
    daemonVersion: DAEMON_VERSION,
    bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    configDigest: sha256Hex(canonicalJsonBytes(config)),
    sessionKeySpki: sessionKey.public.spki.toString('base64'),
    logKeySpki: host.logKey.public.spki.toString('base64'),
    hostId: host.id,
    clean: !lineage.openedAfterUncleanStop,
    tier,
  })
  if (lineage.openedAfterUncleanStop) {
    const tail = lineage.tailIndex
    await recorder.record({ type: 'recovery', tail: Number(tail) })
    history.uncleanTail = tail
    history.uses.setUncleanSince(new Date().toISOString())
  }
  for (const { index, message } of history.unvouched) {
    log.warn(
      { index: String(index), message },
      'a recorded document is not vouched for by a configured governance key',
    )
  }
  await endLeftovers(history, launcher, recorder, log)
}

/** A closing gate orders the end of everything first; only then is anything written. */
function onTransition(parts: DaemonParts, { from, to, epoch, reasons }: TrustTransition): void {
  const { executor, recorder, history, sealing, log } = parts
  if (to !== 'ATTESTED') executor.lapse(epoch - 1n)
  log.info({ from, to, epoch: String(epoch), reasons }, 'trust transition')
  recorder
    .record({
      type: 'trust-transition',
      from,
      to,
      epoch: Number(epoch),
      reasons: recordedReasons(reasons),
    })
    .then(index => {
      if (to === 'FAILED') {
        history.failure = reasons
        history.failureIndex = index
      } else if (from === 'FAILED') {
        history.failure = null
        history.failureIndex = null
      }
      if (to === 'FAILED') sealing.anchorSoon()
      else sealing.soon()
    })
    .catch((err: unknown) => log.error({ err }, 'a trust transition was not recorded'))
  parts.onStatusChange()
}
