import type { Command } from 'commander'
import {
  MAX_REPORT_BYTES,
  parseReport,
  type ReportProperty,
  verifyReport,
} from '../../../attestation/index.ts'
import { addCommand, setAction } from '../../command.ts'
import { EXIT } from '../../error.ts'
import { readAs } from '../../files.ts'
import { PROPERTY } from '../../form.ts'
import { readHostId } from '../../host-id.ts'
import { readTrustedKey } from '../../keys.ts'
import { styled } from '../../output.ts'
import { openReferenceValues } from '../../reference-values.ts'
import { addRootOptions, type RootOptions, readRoots } from '../../roots.ts'
import { tierLabel } from '../../tier.ts'
import { allVerified, resultLine } from '../../verify/property.ts'
import { collect } from '../../workload.ts'
import { readNonce } from './create.ts'

interface Options extends RootOptions {
  operatorKey: string
  nonce?: string
  host?: string
  referenceValues?: string
  governed?: string[]
}

export function addReportVerify(parent: Command): void {
  const command = addCommand(
    parent,
    'verify <file>',
    'Check a report offline. Nothing in it is believed because it is in it.',
    `writ report verify report.json --nonce 8f1c… --operator-key operator.pub --ek-root vendor-root.pem \\
     --reference-values reference.json`,
    { verified: 'boolean', tier: 'text', 'hostId|null': 'hex', properties: [PROPERTY] },
  )
    .requiredOption('--operator-key <file>', "the operator's public key")
    .option('--nonce <hex>', 'the nonce that the report has to answer')
    .option('--host <id>', 'the host that was asked')
    .option('--reference-values <file>', 'signed reference values that the host has to meet')
    .option('--governed <digest>', 'program that the host ran under an artifact (repeatable)', collect)
  addRootOptions(command)
  setAction<Options>(command, async ({ args, options, output }) => {
    const [path = ''] = args
    const operatorKey = await readTrustedKey(options.operatorKey, "the operator's key")
    const roots = await readRoots(options)
    const reference =
      options.referenceValues === undefined
        ? null
        : await readAs(options.referenceValues, 'reference values', b =>
            openReferenceValues(b, [operatorKey]),
          )
    const report = await readAs(path, 'a report', parseReport, MAX_REPORT_BYTES)
    const found = verifyReport(report, {
      nonce: readNonce(options.nonce),
      hostId: options.host === undefined ? null : readHostId(options.host),
      operatorKey,
      ekRoots: roots,
      reference,
      governedDigests: new Set(options.governed ?? []),
      at: new Date(),
    })
    const properties = found.properties.map(({ name, status, detail }) => ({
      property: name,
      status,
      detail,
      asked: isAsked(name, options),
    }))
    const verified = allVerified(properties)
    const tier = tierLabel(found.tier)
    output.result({ verified, tier, hostId: found.hostId, properties }, () => [
      ...properties.map(resultLine),
      `${styled('bold', tier)}, host ${found.hostId ?? 'not known'}`,
    ])
    return verified ? EXIT.done : EXIT.refused
  })
}

/** What was asked: everything but what needs something that was not given. */
function isAsked(name: ReportProperty['name'], options: Options): boolean {
  if (name === 'freshness') return options.nonce !== undefined
  if (name === 'host') return options.host !== undefined
  if (name === 'reference values') return options.referenceValues !== undefined
  if (name === 'EK certificate') return options.ekRoot !== undefined || options.hardwareEkRoot !== undefined
  return true
}
