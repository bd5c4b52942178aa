import { labelsInForce, lapseOf, trustLapseOf } from '../authorization/index.ts'
import type { AttestationStatusInput } from '../proto/generated/writ/v1/AttestationStatus.ts'
import type { ConfigurationStatusInput } from '../proto/generated/writ/v1/ConfigurationStatus.ts'
import type { EvidenceStatusInput } from '../proto/generated/writ/v1/EvidenceStatus.ts'
import { DAEMON_VERSION } from './first-entries.ts'
import { bootTimeNs } from './native.ts'
import type { DaemonParts } from './parts.ts'
import { rfc3339 } from './recorder.ts'
import type { Settings } from './settings.ts'

/** The trust gate and what it rests on, as the API says it. */
export function statusMessage(parts: DaemonParts): AttestationStatusInput {
  const { host, tier, history, lineage, registry, attestor, settings } = parts
  const { state, reasons, epoch, facts, deadlineNs } = parts.gate.snapshot()
  const nowNs = bootTimeNs()
  const ms = (ns: bigint) => String(ns / 1_000_000n)
  const { appraisal, time, error } = attestor.latest
  const { vendor } = host.identity
  // A gate that is not open says what the last cycle lacked, too: that is what an operator has to see to.
  const shown = state === 'ATTESTED' || error === null ? reasons : [...reasons, error]
  return {
    state: `GATE_STATE_${state}`,
    reasons: shown.map(({ code, message }) => ({ code, message, at: '' })),
    epoch: String(epoch),
    hostId: host.id,
    tier: `TPM_TIER_${tier.toUpperCase() as 'HARDWARE' | 'SIMULATED' | 'UNKNOWN'}`,
    tpmDescription: `${vendor.manufacturer} ${vendor.vendorString}`.trim(),
    ...(facts === null ? {} : { evidenceAgeMs: ms(nowNs - facts.instantNs) }),
    leaseRemainingMs: deadlineNs === null || deadlineNs <= nowNs ? '0' : ms(deadlineNs - nowNs),
    appraisedTime: time,
    appraisals: String(attestor.appraisals),
    referenceValuesDigest: history.referenceValues?.digest ?? '',
    policyDigest: history.policy?.digest ?? '',
    trustRootsDigest: history.trustRoots?.digest ?? '',
    revocationEpoch: String(history.revocations.epoch),
    ...(appraisal?.secureBoot == null ? {} : { secureBoot: appraisal.secureBoot }),
    firmwareVersion:
      appraisal?.firmwareVersion == null ? '' : String(BigInt(`0x${appraisal.firmwareVersion}`)),
    executions: registry.liveCount,
    lineageSize: String(lineage.size),
    daemonVersion: DAEMON_VERSION,
    daemonStartedTime: parts.startedTime,
    configuration: configurationMessage(settings),
    evidence: evidenceMessage(parts),
    ...documentsMessage(parts),
    ...(history.failureIndex === null ? {} : { failureEntry: String(history.failureIndex) }),
    ...(history.clockFault === null
      ? {}
      : { clockEntry: String(history.clockFault.index), clockFault: history.clockFault.why }),
    ...(history.uncleanTail === null ? {} : { doubtfulTail: String(history.uncleanTail) }),
  }
}

/** What is in force for how long, and what was turned away. */
function documentsMessage({
  history: { policy, trustRoots, hostLabels },
  governance: { refused },
}: DaemonParts): Pick<AttestationStatusInput, 'policy' | 'trustRoots' | 'hostLabels' | 'refusedDocument'> {
  const now = rfc3339(Date.now())
  return {
    ...(policy === null
      ? {}
      : {
          policy: {
            version: String(policy.version),
            notBefore: policy.notBefore,
            notAfter: policy.notAfter,
            valid: lapseOf(policy, now) === null,
          },
        }),
    ...(trustRoots === null
      ? {}
      : {
          trustRoots: {
            version: String(trustRoots.version),
            notAfter: trustRoots.notAfter,
            valid: trustLapseOf(trustRoots, now) === null,
          },
        }),
    ...(hostLabels === null
      ? {}
      : {
          hostLabels: {
            version: String(hostLabels.version),
            notAfter: hostLabels.notAfter,
            labels: [...labelsInForce(hostLabels, now)],
            digest: hostLabels.digest,
          },
        }),
    ...(refused === null ? {} : { refusedDocument: { ...refused } }),
  }
}

/** What the evidence takes of the disk, and whether it may. */
function evidenceMessage({ lineage, retention, settings }: DaemonParts): EvidenceStatusInput {
  const { bytes } = lineage.evidence
  return {
    ...(bytes === null ? {} : { bytes: String(bytes) }),
    maxBytes: String(settings.now.lineage.evidenceMaxBytes),
    overBound: retention.overBound,
  }
}

function configurationMessage({ digest, report }: Settings): ConfigurationStatusInput {
  const { entry, time, waiting, reloadTime, refusal } = report
  return {
    digest,
    inForceTime: time,
    lineageIndex: String(entry),
    waiting: [...waiting],
    reloadTime: reloadTime ?? '',
    refusal: refusal ?? '',
  }
}
