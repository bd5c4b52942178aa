import { randomBytes } from 'node:crypto'
import type { Command } from 'commander'
import {
  checkQuote,
  type Evidence,
  MAX_REPORT_BYTES,
  parseReport,
  QUOTED_SELECTION,
  QuoteError,
  type QuoteKey,
  readQuoteKey,
  reportExtraData,
  type VerifiedQuote,
} from '../../attestation/index.ts'
import { hexToBytes } from '../../encoding/text.ts'
import { CliError } from '../error.ts'
import { readAs, readDocument } from '../files.ts'
import { readHostIdentity } from '../host.ts'
import { readHostId } from '../host-id.ts'
import { addStateOptions, type StatePlaces } from '../state-directory.ts'
import { addTpmOption, type TpmSelection, withTpm } from '../tpm.ts'

/** Options that say which host is looked at: this one, one that sent a report, or one whose evidence is in files. */
export interface EvidenceOptions extends TpmSelection, StatePlaces {
  eventLog: string
  userspaceLog: string
  imaLog: string
  report?: string
  hostId?: string
  attest?: string
  signature?: string
  quoteKey?: string
  nonce?: string
  cmdline?: string
}

/** Evidence whose quote is verified: by the key of this host, or by the one that whoever gave the files named. */
export interface VerifiedEvidence {
  readonly quote: VerifiedQuote
  readonly evidence: Evidence
  /** The Name of the key, hexadecimal; null where only a public key was given. */
  readonly hostId: string | null
  /** What the kernel's command line is said to be; null when nobody says. */
  readonly commandLine: string | null
}

/** Most bytes of a measurement log (an IMA log of a million entries has about 130 MB). */
const MAX_LOG_BYTES = 256 << 20
const MAX_COMMAND_LINE_BYTES = 64 << 10

/** Adds the options for evidence. Without any it is this host's. */
export function addEvidenceOptions(command: Command): Command {
  command
    .option(
      '--event-log <file>',
      "firmware's event log",
      '/sys/kernel/security/tpm0/binary_bios_measurements',
    )
    .option('--userspace-log <file>', "systemd's log, or none", '/run/log/systemd/tpm2-measure.log')
    .option(
      '--ima-log <file>',
      "IMA's binary log, or none",
      '/sys/kernel/security/ima/binary_runtime_measurements',
    )
    .option('--report <file>', 'take the evidence from a report of the host, with its whole IMA log')
    .option('--host-id <id>', 'the host that sent the report: what vouches for its key')
    .option(
      '--attest <file>',
      'take a quote from a file (TPMS_ATTEST), of SHA-256 PCR 0 to 15, with the logs above',
    )
    .option('--signature <file>', "the quote's signature (TPMT_SIGNATURE)")
    .option('--quote-key <file>', 'the key that you trust to have signed it: TPM2B_PUBLIC, PEM or DER')
    .option('--nonce <hex>', 'what the quote has to be bound to; without it, it may be of any age')
    .option(
      '--cmdline <file>',
      "the kernel's command line, to be written out where its digest was measured; of this host it is known",
    )
  addStateOptions(command)
  return addTpmOption(command)
}

/** Whether the options name evidence of another host, or an earlier one. */
export function namesOtherEvidence({ report, attest }: EvidenceOptions): boolean {
  return report !== undefined || attest !== undefined
}

/**
 * Gets the evidence and verifies its quote.
 *
 * @param trusted whether somebody has to vouch for the key: values are only made from a host that is known
 * @throws CliError
 */
export async function readEvidence(
  options: EvidenceOptions,
  { trusted }: { trusted: boolean },
): Promise<VerifiedEvidence> {
  const { report, attest, cmdline } = options
  if (report !== undefined && attest !== undefined)
    throw new CliError('USAGE', 'give --report or --attest, not both')
  try {
    const found =
      report !== undefined
        ? await fromReport(report, options.hostId, trusted)
        : attest !== undefined
          ? await fromFiles(attest, options)
          : await fromHost(options)
    if (cmdline === undefined) return found
    return { ...found, commandLine: await readCommandLine(cmdline) }
  } catch (cause) {
    if (!(cause instanceof QuoteError)) throw cause
    throw new CliError('HOST_UNFIT', `${cause.message} [${cause.code}]`, { at: cause.at, cause })
  }
}

async function fromReport(
  path: string,
  hostId: string | undefined,
  trusted: boolean,
): Promise<VerifiedEvidence> {
  if (trusted && hostId === undefined) {
    throw new CliError('USAGE', 'with --report, --host-id has to name the host: anybody can send a report', {
      next: '`writ report verify` shows who sent it.',
    })
  }
  const report = await readAs(path, 'a report', parseReport, MAX_REPORT_BYTES)
  if (report.imaFrom > 0) {
    throw new CliError(
      'HOST_UNFIT',
      `${path} leaves out the first ${report.imaFrom} entries of the IMA log`,
      { at: path, next: 'Ask the host for a whole report.' },
    )
  }
  const key = await readAs(path, 'a report', () => readQuoteKey(report.akPublicArea), MAX_REPORT_BYTES)
  const id = key.name?.toString('hex') ?? null
  if (hostId !== undefined && readHostId(hostId) !== id)
    throw new CliError('HOST_UNFIT', `${path} is of host ${id}`, { at: path })
  const quote = verified(report.evidence, key, reportExtraData(report))
  return { quote, evidence: report.evidence, hostId: id, commandLine: null }
}

async function fromFiles(attest: string, options: EvidenceOptions): Promise<VerifiedEvidence> {
  const { signature, quoteKey, nonce } = options
  if (signature === undefined || quoteKey === undefined)
    throw new CliError('USAGE', '--attest needs --signature and --quote-key')
  if (nonce !== undefined && !/^(?:[0-9a-f]{2})+$/.test(nonce))
    throw new CliError('USAGE', '--nonce takes bytes in lower-case hexadecimal')
  const key = await readAs(quoteKey, 'the key of the quote', readQuoteKey)
  const quote = {
    attest: await readDocument(attest, 'a quote'),
    signature: await readDocument(signature, "the quote's signature"),
  }
  const evidence = { quote, ...(await readLogs(options)) }
  const hostId = key.name?.toString('hex') ?? null
  return {
    quote: verified(evidence, key, nonce === undefined ? null : hexToBytes(nonce)),
    evidence,
    hostId,
    commandLine: null,
  }
}

async function fromHost(options: EvidenceOptions): Promise<VerifiedEvidence> {
  const { identity, secrets } = await readHostIdentity(options)
  const extraData = randomBytes(32)
  const quote = await withTpm(options, tpm =>
    tpm.quote({
      ak: { handle: identity.akHandle, name: identity.akName, auth: secrets.akAuth },
      extraData,
      selection: QUOTED_SELECTION,
      requester: { kind: 'maintenance' },
    }),
  )
  // The logs after the quote: what they say beyond it is not looked at.
  const evidence = { quote, ...(await readLogs(options)) }
  return {
    quote: verified(evidence, readQuoteKey(identity.akPublicArea), extraData),
    evidence,
    hostId: Buffer.from(identity.akName).toString('hex'),
    commandLine: await readCommandLine('/proc/cmdline').catch(() => null),
  }
}

function verified({ quote }: Evidence, key: QuoteKey, extraData: Uint8Array | null): VerifiedQuote {
  return checkQuote(quote, { key, signatureFormat: 'tpmt', extraData, pcrs: { exactly: QUOTED_SELECTION } })
}

async function readLogs(options: EvidenceOptions): Promise<Omit<Evidence, 'quote'>> {
  const { eventLog, userspaceLog, imaLog } = options
  const optional = (path: string, what: string) =>
    path === 'none' ? null : readDocument(path, what, MAX_LOG_BYTES)
  return {
    eventLog: await readDocument(eventLog, 'the event log', MAX_LOG_BYTES),
    userspaceLog: await optional(userspaceLog, "systemd's log"),
    imaLog: await optional(imaLog, 'the IMA log'),
  }
}

/** One line; what is after it is not the kernel's. */
async function readCommandLine(path: string): Promise<string> {
  const bytes = await readDocument(path, "the kernel's command line", MAX_COMMAND_LINE_BYTES)
  return bytes.toString('utf8').split('\n')[0] ?? ''
}
