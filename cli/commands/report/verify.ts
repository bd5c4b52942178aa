import type { Command } from 'commander'
import {
  claimedHostId,
  MAX_REPORT_BYTES,
  parseReport,
  type Report,
  type ReportProperty,
  type ReportTrust,
  verifyReport,
} from '../../../attestation/index.ts'
import { addCommand, addNote, setAction } from '../../command.ts'
import { CliError, EXIT } from '../../error.ts'
import { readDocument } from '../../files.ts'
import { PROPERTY } from '../../form.ts'
import { readHostId } from '../../host-id.ts'
import { readTrustedKey } from '../../keys.ts'
import { MALFORMED, reportMalformed } from '../../malformed.ts'
import { styled } from '../../output.ts'
import { readReferenceFile } from '../../reference/file.ts'
import { addEarOptions, type EarOptions, readEarKey, writeEar } from '../../report/ear.ts'
import { HistoryDirectory } from '../../report/history.ts'
import { formatKnown } from '../../report/known.ts'
import { lineageJudge } from '../../report/lineage.ts'
import { addNonceOptions, type NonceOptions, readNonce } from '../../report/nonce.ts'
import { addRootOptions, type RootOptions, readRoots } from '../../roots.ts'
import { tierLabel } from '../../tier.ts'
import { allVerified, resultLine } from '../../verify/property.ts'
import { collect } from '../../workload.ts'

interface Options extends RootOptions, NonceOptions, EarOptions {
  operatorKey?: string
  host?: string
  reference?: string
  governed?: string[]
  history?: string
}

export function addReportVerify(parent: Command): void {
  const command = addCommand(
    parent,
    'verify <file>',
    'Check a report offline. Nothing in it is believed because it is in it.',
    `writ report verify report.json --nonce 8f1c… --operator-key operator.pub --roots vendor-roots/ \\
     --reference reference.json`,
    [
      {
        fields: {
          verified: 'boolean',
          tier: 'text',
          'hostId|null': 'hex',
          properties: [PROPERTY],
          'known|null': 'text: for --known of the next `writ report create`, with --history',
        },
      },
      { when: 'when the file is no report', fields: MALFORMED },
    ],
  )
  addNonceOptions(command, 'the nonce that the report has to answer')
    .option(
      '--operator-key <file>',
      "the operator's public key, which certifies hosts and signs reference values",
    )
    .option('--host <id>', 'the host that was asked')
    .option('--reference <file>', 'signed reference values that the host has to meet')
    .option('--governed <digest>', 'program that the host ran under an artifact (repeatable)', collect)
  command.option(
    '--history <directory>',
    'what you remember of hosts: nonces, clocks, the lineage, how far the IMA log was verified; written anew after each report',
  )
  addRootOptions(command)
  addEarOptions(command)
  addNote(
    command,
    'Each property reads VERIFIED, NOT CHECKED or FAILED. The exit status is 0 only if nothing failed and everything that was asked is\n' +
      'VERIFIED. Something has to vouch for the attestation key: the operator, by --operator-key, or you, by --host.',
  )
  setAction<Options>(command, async ({ args, options, output }) => {
    const [path = ''] = args
    const trust = await readTrust(options)
    const earKey = await readEarKey(options)
    const bytes = await readDocument(path, 'a report', MAX_REPORT_BYTES)
    let report: Report
    let hostId: string
    try {
      report = parseReport(bytes)
      hostId = claimedHostId(report)
    } catch (error) {
      return reportMalformed(error, output)
    }
    const directory = options.history === undefined ? null : new HistoryDirectory(options.history)
    const history = (await directory?.read(hostId)) ?? null
    const found = verifyReport(report, { ...trust, history })
    if (found.history !== null && found.history !== history) await directory?.write(found.history)
    const known = directory === null || found.history === null ? null : formatKnown(found.history)
    const properties = found.properties.map(({ name, status, detail }) => ({
      property: name,
      status,
      detail,
      asked: isAsked(name, { ...trust, history }),
    }))
    if (earKey !== null && options.ear !== undefined)
      await writeEar(options.ear, earKey, found, properties, trust)
    const verified = allVerified(properties)
    const tier = tierLabel(found.tier)
    output.result({ verified, tier, hostId: found.hostId, properties, known }, () => [
      ...properties.map(resultLine),
      `${styled('bold', tier)}, host ${found.hostId ?? 'not known'}`,
      ...(known === null ? [] : [`next time: --known ${known}`]),
    ])
    return verified ? EXIT.done : EXIT.refused
  })
}

async function readTrust(options: Options): Promise<ReportTrust> {
  const { operatorKey: keyPath, reference: referencePath } = options
  const operatorKey = keyPath === undefined ? null : await readTrustedKey(keyPath, "the operator's key")
  if (referencePath !== undefined && operatorKey === null)
    throw new CliError('USAGE', '--reference needs --operator-key: the key that signed the reference values')
  return {
    nonce: await readNonce(options),
    hostId: options.host === undefined ? null : readHostId(options.host),
    operatorKey,
    ekRoots: await readRoots(options),
    reference: referencePath === undefined ? null : (await readReferenceFile(referencePath, keyPath)).values,
    governedDigests: new Set(options.governed ?? []),
    lineage: lineageJudge,
    history: null,
    at: new Date(),
  }
}

/** What was asked: everything but what needs something that was not given. */
function isAsked(name: ReportProperty['name'], trust: ReportTrust): boolean {
  if (name === 'freshness') return trust.nonce !== null
  if (name === 'host') return trust.hostId !== null
  if (name === 'reference values') return trust.reference !== null
  if (name === 'EK certificate') return trust.ekRoots !== null
  // Who names the host by its key's Name vouches for the key.
  if (name === 'AK certificate') return trust.operatorKey !== null || trust.hostId === null
  if (name === 'clock') return trust.history !== null
  // A lineage that is younger than its first checkpoint has none.
  if (name === 'lineage checkpoint') return false
  // Only whoever asked with --known has the proof.
  if (name === 'lineage growth') return false
  return true
}
