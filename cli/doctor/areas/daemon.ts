import type { ReferenceDocument } from '../../../attestation/index.ts'
import { readTrustRoots } from '../../../authorization/index.ts'
import { configDigest } from '../../../configuration/daemon-file.ts'
import { WritError } from '../../../encoding/error.ts'
import type { AttestationStatus } from '../../../proto/generated/writ/v1/AttestationStatus.ts'
import { PACKAGED_COMPONENTS } from '../../components.ts'
import { valueIn } from '../../probe/index.ts'
import { type AreaReport, defineArea } from '../area.ts'
import type { Host } from '../host.ts'
import { otherInForce, readReferenceFile, referenceInForce } from '../reference.ts'

const DAY_MS = 86_400_000
/** So many days before a document ends it is spoken of. */
const SOON_DAYS = 30
/** Evidence that takes more than this part of its bound. */
const NEAR_BOUND = 0.9

export const DAEMON = defineArea({
  name: 'daemon',
  title: 'the daemon: attested, with documents that hold a while',
  findings: {
    DAEMON_DOWN: {
      severity: 'error',
      what: 'the daemon does not answer',
      why: 'Nothing is permitted while it does not.',
      todo: '`systemctl status writd writ-launchd`, `journalctl -u writd -b`',
    },
    NOT_ATTESTED: {
      severity: 'error',
      what: 'the host is not attested now',
      why: 'Nothing is permitted, and what ran has ended.',
      todo: '`writ status` says why; `writ status --watch` shows whether it changes.',
    },
    HOST_FAILED: {
      severity: 'error',
      what: 'the host failed its appraisal',
      why: 'It stays so, over reboots, until an operator has looked at it.',
      todo: '`writ status` names the failure and the reasons; then `writ clear --failure --key operator.key`.',
    },
    DECISION_NEEDED: {
      severity: 'error',
      what: 'an operator has to decide before everything goes on',
      why: 'The lineage or the clock is not relied on until then.',
      todo: '`writ status` says what was found, and the `writ clear` that accepts it. docs/operations: clearing.',
    },
    DOCUMENT_REFUSED: {
      severity: 'warning',
      what: 'the newest document was refused',
      why: 'What was in force before still is.',
      todo: 'See `writ status`; sign it again, with a higher version.',
    },
    RELOAD_REFUSED: {
      severity: 'warning',
      what: 'the configuration was read again and refused',
      why: 'What was in force before still is.',
      todo: '`writ config check`, then `systemctl reload writd`.',
    },
    RESTART_WAITS: {
      severity: 'warning',
      what: 'changed keys of the configuration wait for a restart',
      why: 'They are not in force.',
      todo: '`systemctl restart writd`',
    },
    RELOAD_WAITS: {
      severity: 'warning',
      what: 'the configuration was changed, and not read again',
      why: 'What it says is not in force.',
      todo: '`systemctl reload writd`; `writ status` says then which keys wait for a restart.',
    },
    POLICY_ENDS: {
      severity: 'warning',
      what: 'the policy bundle is about to end',
      why: 'From then on nothing is permitted.',
      todo: '`writ policy sign` with a higher --version, then `writ policy load`.',
    },
    POLICY_INVALID: {
      severity: 'error',
      what: 'no policy bundle is valid now',
      why: 'Nothing is permitted.',
      todo: '`writ policy sign` with a higher --version, then `writ policy load`.',
    },
    LABELS_END: {
      severity: 'warning',
      what: "the host's labels are about to end",
      why: 'What policies permit by label is denied from then on.',
      todo: '`writ labels sign` with a higher --version, then `writ labels load`.',
    },
    TRUST_ENDS: {
      severity: 'warning',
      what: 'the trust roots are about to end',
      why: 'From then on nothing is permitted.',
      todo: '`writ key trust sign` with a higher --version, then `writ key trust load`.',
    },
    TRUST_INVALID: {
      severity: 'error',
      what: 'no trust roots count now',
      why: 'Nothing is permitted.',
      todo: '`writ key trust sign` with a higher --version, then `writ key trust load`.',
    },
    REFERENCE_DIFFERS: {
      severity: 'warning',
      what: 'the daemon judges by other reference values than the file that the configuration names',
      why: 'What somebody reads in the file is not in force.',
      todo: 'Where the file is the newer one: `writ reference load FILE`. Else put what was loaded in its place.',
    },
    COMPONENT_UNLISTED: {
      severity: 'error',
      what: 'the reference values do not have the code that is installed',
      why: 'The host fails when it is measured: at the latest at the next start of it.',
      todo: '`writ reference capture`, `writ reference add`; sign and load the new values before the restart.',
    },
    EVIDENCE_NEAR_BOUND: {
      severity: 'warning',
      what: 'the evidence is near its bound',
      why: 'The oldest goes from then on; decisions of that time can be replayed no longer.',
      todo: 'Export or archive the lineage (`writ lineage export`), or raise lineage.evidence_max_bytes.',
    },
    EVIDENCE_OVER_BOUND: {
      severity: 'error',
      what: 'the evidence is beyond its bound, and all of it has to be kept',
      why: 'It grows until the disk is full; then everything is denied.',
      todo: 'Make room, or lower lineage.evidence_min_days of writd.toml and reload.',
    },
    TIER_UNKNOWN: {
      severity: 'warning',
      what: "nothing shows that the host's TPM is hardware",
      why: 'Artifacts that do not allow it are denied (ENVIRONMENT_MISMATCH).',
      todo: "Put the maker's root certificate into tpm.hardware_roots, where it is hardware.",
    },
  },
  async look(host, report) {
    const status = await host.status()
    if (status.seen) await lookAtStatus(host, status.value, report)
    else if (status.why !== 'denied') {
      report.found('DAEMON_DOWN', status.reason, { where: host.probes.daemon.socket })
      report.skip(OF_STATUS, 'the daemon does not answer')
    } else report.skip(['DAEMON_DOWN', ...OF_STATUS], status, host.probes.daemon.socket)
    if (status.seen) await lookAtTrust(host, status.value, report)
    else await lookAtTrustFile(host, status.reason, report)
    await lookAtReference(host, report)
  },
})

type DaemonReport = AreaReport<keyof typeof DAEMON.findings & string>
type DaemonCode = keyof typeof DAEMON.findings

const OF_STATUS: readonly DaemonCode[] = [
  'NOT_ATTESTED',
  'HOST_FAILED',
  'DECISION_NEEDED',
  'DOCUMENT_REFUSED',
  'RELOAD_REFUSED',
  'RESTART_WAITS',
  'RELOAD_WAITS',
  'POLICY_ENDS',
  'POLICY_INVALID',
  'LABELS_END',
  'EVIDENCE_NEAR_BOUND',
  'EVIDENCE_OVER_BOUND',
  'TIER_UNKNOWN',
]

const OF_TRUST: readonly DaemonCode[] = ['TRUST_ENDS', 'TRUST_INVALID']

async function lookAtStatus(host: Host, status: AttestationStatus, report: DaemonReport): Promise<void> {
  const reasons = status.reasons.map(({ code, message }) => `${code}: ${message}`).join('; ')
  if (status.state === 'GATE_STATE_FAILED') {
    const up = valueIn(await host.clock())?.sinceBoot
    const since = up === undefined ? '' : `; the host booted ${duration(up)} ago`
    report.found(
      'HOST_FAILED',
      `${reasons || 'no reason is known'} (entry ${status.failureEntry ?? '?'})${since}`,
    )
  } else if (status.state !== 'GATE_STATE_ATTESTED')
    report.found(
      'NOT_ATTESTED',
      `${String(status.state).replace('GATE_STATE_', '')}: ${reasons || 'no appraisal yet'}`,
    )
  if (status.rolledBack)
    report.found('DECISION_NEEDED', `the lineage was put back to ${status.rolledBack.size} entries`, {
      todo: '`writ clear --rollback --key operator.key`, after a look at why',
    })
  if (status.newEpoch)
    report.found('DECISION_NEEDED', `the lineage began epoch ${status.newEpoch.epoch}`, {
      todo: '`writ clear --new-epoch --key operator.key`, after a look at why',
    })
  if (status.clockEntry !== undefined)
    report.found('DECISION_NEEDED', `the clock is not relied on: ${status.clockFault}`, {
      todo: 'Set the clock right; then `writ clear --clock --key operator.key`',
    })
  if (status.doubtfulTail !== undefined)
    report.found(
      'DECISION_NEEDED',
      `after an unclean stop at ${status.doubtfulTail} entries limited artifacts count as used`,
      {
        todo: '`writ clear --tail --key operator.key`',
      },
    )
  if (status.refusedDocument) {
    const { kind, code, time } = status.refusedDocument
    report.found('DOCUMENT_REFUSED', `${kind} at ${time}: ${code}`)
  }
  await lookAtConfiguration(host, status, report)
  await lookAtValidity(host, status, report)
  lookAtEvidence(status, report)
  if (status.tier === 'TPM_TIER_UNKNOWN') report.found('TIER_UNKNOWN', 'its tier is unknown')
  else if (status.tier === 'TPM_TIER_UNSPECIFIED') report.skip(['TIER_UNKNOWN'], 'the daemon does not say')
}

async function lookAtConfiguration(
  host: Host,
  { configuration }: AttestationStatus,
  report: DaemonReport,
): Promise<void> {
  if (!configuration) {
    report.skip(['RELOAD_REFUSED', 'RESTART_WAITS', 'RELOAD_WAITS'], 'the daemon does not say')
    return
  }
  if (configuration.refusal !== '')
    report.found('RELOAD_REFUSED', `${configuration.refusal}, at ${configuration.reloadTime}`)
  if (configuration.waiting.length > 0) {
    report.found('RESTART_WAITS', configuration.waiting.join(', '))
    // What is in force is another one than the file's in any case.
    report.skip(['RELOAD_WAITS'], 'keys of it wait for a restart')
  }
  const file = report.need(['RELOAD_WAITS'], await host.config(), host.configPath)
  if (file === null || configuration.waiting.length > 0) return
  if (file.config === null) report.skip(['RELOAD_WAITS'], 'the configuration is wrong', host.configPath)
  else if (configDigest(file.config) !== configuration.digest)
    report.found('RELOAD_WAITS', `what is in force is of ${configuration.inForceTime}`, {
      where: host.configPath,
    })
}

async function lookAtValidity(host: Host, status: AttestationStatus, report: DaemonReport): Promise<void> {
  const now = valueIn(await host.clock())?.now ?? Date.now()
  if (!status.policy?.valid) report.skip(['POLICY_ENDS'], 'no policy is valid now')
  if (!status.policy) report.found('POLICY_INVALID', 'no policy is in force')
  else if (!status.policy.valid)
    report.found(
      'POLICY_INVALID',
      `version ${status.policy.version} holds from ${status.policy.notBefore} to ${status.policy.notAfter}`,
    )
  else if (endsSoon(status.policy.notAfter, now))
    report.found('POLICY_ENDS', `version ${status.policy.version} ends at ${status.policy.notAfter}`)
  if (status.hostLabels && endsSoon(status.hostLabels.notAfter, now))
    report.found('LABELS_END', `version ${status.hostLabels.version} ends at ${status.hostLabels.notAfter}`)
}

function lookAtEvidence({ evidence }: AttestationStatus, report: DaemonReport): void {
  if (!evidence) {
    report.skip(['EVIDENCE_NEAR_BOUND', 'EVIDENCE_OVER_BOUND'], 'the daemon does not say how much there is')
    return
  }
  const { bytes, maxBytes, overBound } = evidence
  if (overBound) report.found('EVIDENCE_OVER_BOUND', `${bytes ?? '?'} of ${maxBytes} bytes`)
  else if (bytes === undefined)
    report.skip(['EVIDENCE_NEAR_BOUND'], 'the daemon does not say how much there is')
  else if (Number(bytes) > NEAR_BOUND * Number(maxBytes))
    report.found('EVIDENCE_NEAR_BOUND', `${bytes} of ${maxBytes} bytes`)
}

async function lookAtReference(host: Host, report: DaemonReport): Promise<void> {
  const values = await readReferenceFile(host)
  const other = values.seen ? await otherInForce(host, values.value) : null
  if (!values.seen) report.skip(['REFERENCE_DIFFERS'], values)
  else if (other !== null) {
    const where = valueIn(await host.values())?.attestation.referenceValues
    const short = (digest: string) => digest.slice(0, 16)
    report.found('REFERENCE_DIFFERS', `in force: ${short(other)}; the file: ${short(values.value.digest)}`, {
      where,
    })
  } else if (!(await host.status()).seen) report.skip(['REFERENCE_DIFFERS'], 'the daemon does not answer')
  const inForce = await referenceInForce(host)
  if (inForce.seen) await lookAtComponents(host, inForce.value.document, report)
  else report.skip(['COMPONENT_UNLISTED'], inForce)
}

async function lookAtComponents(
  host: Host,
  { components }: Pick<ReferenceDocument, 'components'>,
  report: DaemonReport,
): Promise<void> {
  if (components === 'any') return
  for (const [, path] of PACKAGED_COMPONENTS) {
    const digest = await host.probes.files.sha256(path)
    const listed = components.find(component => component.path === path)
    // What is not installed cannot run.
    if (listed === undefined || (!digest.seen && digest.why === 'missing')) continue
    if (!digest.seen) report.skip(['COMPONENT_UNLISTED'], digest, path)
    else if (!listed.digests.includes(`sha256:${digest.value}`))
      report.found(
        'COMPONENT_UNLISTED',
        `sha256:${digest.value} is not among the digests of ${listed.name}`,
        { where: path },
      )
  }
}

/** The trust roots in force, which need not be those of the file. */
async function lookAtTrust(host: Host, status: AttestationStatus, report: DaemonReport): Promise<void> {
  const { trustRoots, trustRootsDigest } = status
  // One that has not begun its work yet says nothing of documents.
  if (!trustRoots && (trustRootsDigest !== '' || !status.configuration)) {
    report.skip(OF_TRUST, 'the daemon does not say until when they count')
    return
  }
  if (!trustRoots) {
    report.skip(['TRUST_ENDS'], 'no trust roots are in force')
    const values = report.need(['TRUST_INVALID'], await host.values(), host.configPath)
    // What the host makes itself is permitted without any.
    if (values !== null && values.minting.enabled !== true)
      report.found('TRUST_INVALID', 'no trust roots are in force')
    return
  }
  const now = valueIn(await host.clock())?.now ?? Date.now()
  const { version, notAfter, valid } = trustRoots
  if (!valid) {
    report.found('TRUST_INVALID', `version ${version} counted until ${notAfter}`)
    report.skip(['TRUST_ENDS'], 'no trust roots count now')
  } else if (endsSoon(notAfter, now)) report.found('TRUST_ENDS', `version ${version} ends at ${notAfter}`)
}

/** Where no daemon says what is in force: those that it would begin with if it knew no newer ones. */
async function lookAtTrustFile(host: Host, why: string, report: DaemonReport): Promise<void> {
  const values = report.need(OF_TRUST, await host.values(), host.configPath)
  if (values === null) return
  const path = values.trust.trustRoots
  if (path === undefined) {
    report.skip(OF_TRUST, 'the configuration names no trust roots')
    return
  }
  const bytes = report.need(OF_TRUST, await host.probes.files.read(path), path)
  if (bytes === null) return
  const now = valueIn(await host.clock())?.now ?? Date.now()
  const notAfter = endOf(bytes)
  const unknown = `the daemon does not say what is in force (${why})`
  if (notAfter === null) report.skip(OF_TRUST, `${unknown}, and the file holds no trust roots`, path)
  else if (notAfter !== 'any' && !(Date.parse(notAfter) > now))
    report.found('TRUST_INVALID', `${unknown}; those of the file counted until ${notAfter}`, { where: path })
  else if (endsSoon(notAfter, now))
    report.found('TRUST_ENDS', `${unknown}; those of the file end at ${notAfter}`, { where: path })
  report.skip(OF_TRUST, unknown, path)
}

function endOf(bytes: Buffer): string | null {
  try {
    return readTrustRoots(bytes).notAfter
  } catch (error) {
    if (error instanceof WritError) return null
    throw error
  }
}

/** @param notAfter RFC 3339, or `any`; what is neither counts as an end */
function endsSoon(notAfter: string, now: number): boolean {
  return notAfter !== 'any' && !(Date.parse(notAfter) - now >= SOON_DAYS * DAY_MS)
}

function duration(seconds: number): string {
  const hours = seconds / 3600
  return hours < 1
    ? `${Math.round(seconds / 60)} min`
    : hours < 48
      ? `${hours.toFixed(1)} h`
      : `${(hours / 24).toFixed(0)} d`
}
