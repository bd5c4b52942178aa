import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import {
  claimedHostId,
  formatFirmwareVersion,
  MAX_REPORT_BYTES,
  parseExecutions,
  parseQuoteAttest,
  parseReport,
  type Report,
  reportExtraData,
  reportFiles,
  unpackReport,
} from '../../../attestation/index.ts'
import { sha256Hex } from '../../../encoding/digest.ts'
import { WritError } from '../../../encoding/error.ts'
import { parseCheckpoint } from '../../../lineage/index.ts'
import { addCommand, addNote, setAction } from '../../command.ts'
import { CliError } from '../../error.ts'
import { readDocument, systemReason, writeDocument } from '../../files.ts'
import { MALFORMED, reportMalformed } from '../../malformed.ts'
import { printable, styled } from '../../output.ts'
import { tierLabel } from '../../tier.ts'

export function addReportShow(parent: Command): void {
  const command = addCommand(
    parent,
    'show <file>',
    'Show what a report says, and unpack it. Nothing of it is verified.',
    'writ report show report.json --extract report/',
    [
      {
        fields: {
          verified: 'boolean: always false',
          hostId: 'hex',
          nonce: 'hex',
          extraData: 'hex: what the quote has to be bound to',
          quote: {
            resetCount: 'number',
            restartCount: 'number',
            clock: 'decimal',
            safe: 'boolean',
            firmwareVersion: 'hex',
          },
          treeSize: 'decimal',
          lineageRoot: 'hex',
          'checkpoint|null': { origin: 'text', size: 'number', root: 'hex' },
          sessionKeySpkiDigest: 'digest',
          referenceValuesDigest: 'digest',
          imaFrom: 'number: entries of the IMA log that are left out at its begin',
          tier: 'text',
          running: 'number',
          executions: [{ id: 'text', state: 'text', artifact: 'digest', subject: 'digest', since: 'time' }],
          files: [{ name: 'text', bytes: 'number', digest: 'digest' }],
          'extracted|null': 'text',
        },
      },
      { when: 'when the file is no report', fields: MALFORMED },
    ],
  ).option(
    '--extract <directory>',
    'write the files that the report is of into this directory, which has to be new or empty',
  )
  addNote(
    command,
    'The files have the names and the form of tpm2-tools. docs/report.md shows how to check them with tpm2_checkquote, tpm2_eventlog and openssl.',
  )
  setAction<{ extract?: string }>(command, async ({ args, options, output }) => {
    const [path = ''] = args
    const bytes = await readDocument(path, 'a report', MAX_REPORT_BYTES)
    let report: Report
    let shown: ReturnType<typeof claims>
    try {
      report = parseReport(bytes)
      shown = claims(report)
    } catch (error) {
      return reportMalformed(error, output)
    }
    if (options.extract !== undefined) await extract(report, options.extract)
    output.result({ verified: false, ...shown, extracted: options.extract ?? null }, () => lines(shown))
    return undefined
  })
}

/** What the report says, in the order in which it is shown. @throws WritError for what cannot be read */
function claims(report: Report) {
  const { binding, checkpoint } = report
  const { clock, firmwareVersion } = parseQuoteAttest(report.evidence.quote.attest)
  const { running, executions } = parseExecutions(report.executions)
  const head = checkpoint && parseCheckpoint(checkpoint.note)
  return {
    hostId: claimedHostId(report),
    nonce: binding.nonce,
    extraData: reportExtraData(report),
    quote: { ...clock, firmwareVersion: formatFirmwareVersion(firmwareVersion) },
    treeSize: binding.treeSize,
    lineageRoot: binding.lineageRoot,
    checkpoint: head && { origin: head.origin, size: head.size, root: head.root },
    sessionKeySpkiDigest: binding.sessionKeySpkiDigest,
    referenceValuesDigest: binding.referenceValuesDigest,
    imaFrom: report.imaFrom,
    tier: tierLabel(report.claimedTier),
    running,
    executions,
    files: Array.from(reportFiles(report), ([name, value]) => ({
      name,
      bytes: value.length,
      digest: sha256Hex(value),
    })),
  }
}

function lines(shown: ReturnType<typeof claims>): string[] {
  const hex = (value: Uint8Array) => Buffer.from(value).toString('hex')
  const { quote, checkpoint } = shown
  return [
    `${styled(['bold', 'yellow'], 'claims')}: nothing of this is verified`,
    `host               ${shown.hostId}, it says a ${shown.tier}`,
    `nonce              ${hex(shown.nonce)}`,
    `extra data         ${hex(shown.extraData)}`,
    `quote              reset ${quote.resetCount}, restart ${quote.restartCount}, clock ${quote.clock} ms${quote.safe ? '' : ' (not safe)'}, firmware ${quote.firmwareVersion}`,
    `lineage            ${shown.treeSize} entries, root ${hex(shown.lineageRoot)}`,
    `checkpoint         ${checkpoint === null ? 'none' : `${checkpoint.size} entries of ${printable(checkpoint.origin)}`}`,
    `session key        ${hex(shown.sessionKeySpkiDigest)}`,
    `reference values   ${hex(shown.referenceValuesDigest)}`,
    ...(shown.imaFrom === 0 ? [] : [`IMA log            from entry ${shown.imaFrom} on`]),
    `executions         ${shown.executions.length} of ${shown.running} that run`,
    ...shown.executions.map(
      ({ id, state, subject, since }) => `  ${id}  ${state}  since ${since}  program ${subject}`,
    ),
    ...shown.files.map(
      ({ name, bytes, digest }) => `${name.padEnd(24)} ${String(bytes).padStart(9)}  ${digest}`,
    ),
  ]
}

/** @throws CliError when the directory holds anything */
async function extract(report: Report, directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true })
    if ((await readdir(directory)).length > 0) {
      throw new CliError('FILE_EXISTS', `${directory} is not empty`, { at: directory })
    }
  } catch (cause) {
    if (cause instanceof WritError) throw cause
    throw new CliError('FILE_UNWRITABLE', `cannot make ${directory}: ${systemReason(cause)}`, {
      at: directory,
      cause,
    })
  }
  for (const [name, bytes] of unpackReport(report)) await writeDocument(join(directory, name), bytes)
}
