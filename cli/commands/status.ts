import type { Command } from 'commander'
import { api } from '../../proto/client.ts'
import type { AttestationStatus } from '../../proto/generated/writ/v1/AttestationStatus.ts'
import type { ConfigurationStatus } from '../../proto/generated/writ/v1/ConfigurationStatus.ts'
import { addCommand, setAction } from '../command.ts'
import { CliError } from '../error.ts'
import { printable, styled } from '../output.ts'
import { addSocketOption, type SocketOptions, withDaemon } from '../rpc/daemon.ts'
import { tierLabelOf } from '../tier.ts'
import { validityLine } from '../validity.ts'

interface Options extends SocketOptions {
  watch?: boolean
}

const STATUS = {
  state: 'text: UNATTESTED, ATTESTED, STALE or FAILED',
  reasons: [{ code: 'text', message: 'text', at: 'text' }],
  epoch: 'decimal: of the trust gate',
  hostId: 'hex',
  tier: 'text',
  tpmDescription: 'text',
  'evidenceAgeMs?': 'decimal',
  leaseRemainingMs: 'decimal',
  appraisedTime: 'time: empty before the first appraisal',
  appraisals: 'decimal',
  referenceValuesDigest: 'digest',
  policyDigest: 'digest',
  trustRootsDigest: 'digest',
  revocationEpoch: 'decimal',
  'secureBoot?': 'boolean',
  firmwareVersion: 'text',
  executions: 'number',
  lineageSize: 'decimal',
  'evidence|null': {
    'bytes?': 'decimal: on disk; missing until it has been counted after an unclean stop',
    maxBytes: 'decimal',
    overBound: 'boolean: whether it is more, and all of it has to be kept',
  },
  daemonVersion: 'text',
  daemonStartedTime: 'time',
  'failureEntry?': 'decimal: entry of the lineage that an operator has to clear',
  'configuration?': {
    digest: 'digest',
    inForceTime: 'time',
    lineageIndex: 'decimal',
    waiting: ['text: keys with another value in the file, which comes with the next start'],
    reloadTime: 'time: when the file was last read again; empty if it was not',
    refusal: 'text: why that changed nothing; empty if it went well',
  },
  'policy?': {
    version: 'decimal',
    notBefore: 'text: time or any',
    notAfter: 'text: time or any',
    valid: 'boolean',
  },
  'trustRoots?': { version: 'decimal', notAfter: 'text: time or any', valid: 'boolean' },
  'hostLabels?': { version: 'decimal', notAfter: 'text: time or any', labels: ['text'], digest: 'digest' },
  'refusedDocument?': { kind: 'text', time: 'time', code: 'text', at: 'text' },
  'rolledBack|null': {
    counter: "decimal: where the TPM's counter stands",
    size: 'decimal: entries of the log that was put back',
    root: 'hex: of its tree',
  },
  'newEpoch|null': {
    epoch: 'decimal: of the log that took the place of another',
    counter: "decimal: where the TPM's counter stands",
    size: 'decimal: entries of the new log',
    root: 'hex: of its tree',
  },
  'clockEntry?': 'decimal: entry that says that the wall clock is not relied on',
  clockFault: 'text: why the wall clock is not relied on',
  'doubtfulTail?': 'decimal: size of the log at an unclean stop that an operator has to accept',
} as const

export function addStatus(program: Command): void {
  const command = addCommand(
    program,
    'status',
    'Show whether the host is attested, and what is in force.',
    'writ status --watch',
    [{ fields: STATUS }, { when: 'with --watch', as: 'lines', fields: STATUS }],
  ).option('--watch', 'show every change until interrupted')
  addSocketOption(command)
  setAction<Options>(command, ({ options, output }) =>
    withDaemon(options, async daemon => {
      if (options.watch !== true) {
        const { status } = await daemon.call(api.attestation.GetStatus, {})
        const now = present(status)
        output.result(shown(now), () => statusLines(now))
        return undefined
      }
      for await (const { status } of daemon.read(api.attestation.WatchStatus, {})) {
        const now = present(status)
        if (!(await output.item(shown(now), () => [changeLine(now)]))) break
      }
      return undefined
    }),
  )
}

function present(status: AttestationStatus | null): AttestationStatus {
  if (status === null) throw new CliError('REQUEST_FAILED', 'the daemon answered without a status')
  return status
}

const stateName = (status: AttestationStatus) => String(status.state).replace(/^GATE_STATE_/, '')

function shown(status: AttestationStatus) {
  const { _evidenceAgeMs, _secureBoot, _failureEntry, _doubtfulTail, _clockEntry, ...rest } =
    status as AttestationStatus & Record<string, unknown>
  const { policy, trustRoots, hostLabels, refusedDocument, evidence, ...always } = rest
  const { _bytes, ...taken } = (evidence ?? {}) as Record<string, unknown>
  return {
    ...always,
    evidence: evidence === null ? null : taken,
    ...(policy ? { policy } : {}),
    ...(trustRoots ? { trustRoots } : {}),
    ...(hostLabels ? { hostLabels } : {}),
    ...(refusedDocument ? { refusedDocument } : {}),
    state: stateName(status),
    tier: tierLabelOf(status.tier),
  }
}

function stateText(status: AttestationStatus): string {
  const name = stateName(status)
  return styled(['bold', name === 'ATTESTED' ? 'green' : name === 'FAILED' ? 'red' : 'yellow'], name)
}

function reasonText({ code, message, at }: { code: string; message: string; at: string }): string {
  return printable(`${code}: ${message}${at === '' ? '' : ` (${at})`}`)
}

function seconds(ms: string | undefined): string {
  return ms === undefined ? 'none' : `${(Number(ms) / 1000).toFixed(1)} s`
}

function statusLines(status: AttestationStatus): string[] {
  const digest = (hex: string) => (hex === '' ? 'none' : hex)
  const secureBoot = status.secureBoot === undefined ? 'not known' : status.secureBoot ? 'on' : 'off'
  return [
    `gate              ${stateText(status)}   epoch ${status.epoch}`,
    ...status.reasons.map(r => `                  ${reasonText(r)}`),
    `host              ${status.hostId}`,
    `TPM               ${styled('bold', tierLabelOf(status.tier))}${status.tpmDescription === '' ? '' : `, says ${printable(status.tpmDescription)}`}`,
    `evidence age      ${seconds(status.evidenceAgeMs)}, lease ends in ${seconds(status.leaseRemainingMs)}`,
    `appraisals        ${status.appraisals}${status.appraisedTime === '' ? '' : `, last ${status.appraisedTime}`}`,
    `secure boot       ${secureBoot}`,
    `reference values  ${digest(status.referenceValuesDigest)}`,
    `policy            ${digest(status.policyDigest)}`,
    ...policyLines(status),
    ...labelLines(status),
    `trust roots       ${digest(status.trustRootsDigest)}`,
    ...trustLines(status),
    `revocations       epoch ${status.revocationEpoch}`,
    `executions        ${status.executions}`,
    `lineage           ${status.lineageSize} entries`,
    ...evidenceLines(status),
    ...refusedLines(status),
    ...configurationLines(status.configuration),
    `daemon            ${printable(status.daemonVersion)}, since ${status.daemonStartedTime}`,
    ...adviceLines(status),
  ]
}

function evidenceLines({ evidence }: AttestationStatus): string[] {
  if (evidence === null) return []
  const { bytes, maxBytes, overBound } = evidence
  const taken = bytes === undefined ? 'not counted yet' : mebibytes(bytes)
  const over = overBound ? `, ${styled('red', 'and all of it has to be kept')}` : ''
  return [`evidence          ${taken} of ${mebibytes(maxBytes)}${over}`]
}

function mebibytes(bytes: string): string {
  return `${(Number(bytes) / 2 ** 20).toFixed(1)} MiB`
}

function policyLines({ policy }: AttestationStatus): string[] {
  if (!policy) return []
  const line = `                  version ${policy.version}, ${validityLine(policy)}`
  return [policy.valid ? line : styled('red', `${line}: nothing is permitted`)]
}

function trustLines({ trustRoots }: AttestationStatus): string[] {
  if (!trustRoots) return []
  const { version, notAfter, valid } = trustRoots
  const line = `                  version ${version}, ${validityLine({ notBefore: 'any', notAfter })}`
  return [valid ? line : styled('red', `${line}: nothing is permitted`)]
}

function labelLines({ hostLabels }: AttestationStatus): string[] {
  if (!hostLabels) return []
  const { labels, notAfter } = hostLabels
  const until = notAfter === 'any' ? '' : `, until ${notAfter}`
  return [`labels            ${printable(labels.join(', ')) || 'none'}${until}`]
}

function refusedLines({ refusedDocument }: AttestationStatus): string[] {
  if (!refusedDocument) return []
  const { kind, time, code, at } = refusedDocument
  const where = at === '' ? '' : ` (${at})`
  return [
    styled(
      'yellow',
      printable(`refused           ${kind} at ${time}: ${code}${where}; what was in force stays`),
    ),
  ]
}

function configurationLines(configuration: ConfigurationStatus | null): string[] {
  if (configuration === null) return []
  const { digest, inForceTime, waiting, reloadTime, refusal } = configuration
  const waits = printable(waiting.join(', '))
  return [
    `configuration     ${digest}, since ${inForceTime}`,
    ...(refusal === ''
      ? []
      : [styled('red', `                  read again at ${reloadTime} and refused: ${printable(refusal)}`)]),
    ...(waits === '' ? [] : [styled('yellow', `                  wait for a restart: ${waits}`)]),
  ]
}

/** What an operator has to decide before all goes on, and the command that says so. */
function adviceLines({
  failureEntry,
  doubtfulTail,
  rolledBack,
  newEpoch,
  clockEntry,
  clockFault,
}: AttestationStatus): string[] {
  const advice = (what: string, kind: 'failure' | 'tail' | 'rollback' | 'new-epoch' | 'clock') => [
    '',
    styled('yellow', what),
    `  writ clear --${kind} --key operator.key`,
  ]
  const found = rolledBack && `${rolledBack.counter}:${rolledBack.size}:${rolledBack.root.toString('hex')}`
  const begun =
    newEpoch && `${newEpoch.epoch}:${newEpoch.counter}:${newEpoch.size}:${newEpoch.root.toString('hex')}`
  return [
    ...(newEpoch === null
      ? []
      : advice(
          `Epoch ${newEpoch.epoch} of the lineage took the place of a log that could not go on (found ${begun}). Look at why; uses since then are lost, and what was limited and valid before stays used:`,
          'new-epoch',
        )),
    ...(found === null
      ? []
      : advice(
          `The lineage is older than the TPM's counter says: its files were put back (found ${found}). Put the right ones there and start the daemon again, or go on from these: uses since then are lost, and what was limited and valid before stays used:`,
          'rollback',
        )),
    ...(failureEntry === undefined
      ? []
      : advice(
          `The host failed its appraisal (entry ${failureEntry} of the lineage) and stays so until an operator has looked at it:`,
          'failure',
        )),
    ...(clockEntry === undefined
      ? []
      : advice(
          `Nothing is permitted (CLOCK_UNTRUSTED): ${printable(clockFault)}. Set the clock right; where it is right, an operator has to say so:`,
          'clock',
        )),
    ...(doubtfulTail === undefined
      ? []
      : advice(
          `After an unclean stop at ${doubtfulTail} entries, artifacts with limited uses issued before it count as used until an operator accepts the end of the log:`,
          'tail',
        )),
  ]
}

function changeLine(status: AttestationStatus): string {
  const reasons = status.reasons.map(reasonText).join('; ')
  return `${new Date().toISOString()}  ${stateText(status)}  epoch ${status.epoch}  ${tierLabelOf(status.tier)}${reasons === '' ? '' : `  ${reasons}`}`
}
