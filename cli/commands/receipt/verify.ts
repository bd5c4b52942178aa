import type { Command } from 'commander'
import {
  MAX_RECEIPT_BYTES,
  parseReceipt,
  type Receipt,
  type Story,
  statementOf,
} from '../../../receipt/index.ts'
import { addCommand, addNote, setAction } from '../../command.ts'
import { CliError, EXIT } from '../../error.ts'
import { readDocument } from '../../files.ts'
import { PROPERTY } from '../../form.ts'
import { readHostId } from '../../host-id.ts'
import { readTrustedKey } from '../../keys.ts'
import { MALFORMED, reportMalformed } from '../../malformed.ts'
import { printable, styled } from '../../output.ts'
import { type ReceiptTrust, verifyReceipt } from '../../receipt/verify.ts'
import { addRootOptions, type RootOptions, readRoots } from '../../roots.ts'
import { keptEvidence } from '../../verify/kept-evidence.ts'
import { addPolicyOption, type PolicyOptions, readPolicy } from '../../verify/policy.ts'
import { allVerified, resultLine } from '../../verify/property.ts'
import { collect } from '../../workload.ts'

interface Options extends RootOptions, PolicyOptions {
  operatorKey?: string[]
  host?: string
  at?: string
  evidence?: string[]
  whole?: boolean
}

export function addReceiptVerify(parent: Command): void {
  const command = addCommand(
    parent,
    'verify <file>',
    'Check a receipt offline. Nothing in it is believed because it is in it.',
    `writ receipt verify job.receipt.json --operator-key operator.pub --roots vendor-roots/
     writ receipt verify job.receipt.json --operator-key operator.pub --whole`,
    [
      {
        fields: {
          verified: 'boolean',
          properties: [PROPERTY],
          tier: 'text',
          'hostId|null': 'hex',
          'statement|null':
            'json: the in-toto statement as the entries make it; null if they contradict each other',
        },
      },
      { when: 'when the file is no receipt', fields: MALFORMED },
    ],
  )
    .option(
      '--operator-key <file>',
      "a governance key of the host's operator, who certifies hosts and signs trust roots; never taken from the receipt (repeatable)",
      collect,
    )
    .option('--host <id>', 'the host that it has to be of, if you know it')
    .option('--at <time>', 'instant at which certificates have to be valid (default: now)')
    .option(
      '--whole',
      'ask for the checks of artifact and decision too, which need what an auditor\u2019s receipt carries',
    )
    .option(
      '--evidence <directory>',
      'an exported bundle, a log, or files named by their SHA-256, for what the receipt does not carry (repeatable)',
      collect,
    )
  addRootOptions(command)
  addPolicyOption(command)
  addNote(
    command,
    'Each property reads VERIFIED, NOT CHECKED or FAILED. The exit status is 0 only if nothing failed and everything that was asked is\n' +
      'VERIFIED. Something has to vouch for the attestation key: the operator, by --operator-key, or you, by --host.',
  )
  setAction<Options>(command, async ({ args, options, output }) => {
    const [path = ''] = args
    const trust = await readTrust(options)
    const bytes = await readDocument(path, 'a receipt', MAX_RECEIPT_BYTES)
    let receipt: Receipt
    try {
      receipt = parseReceipt(bytes)
    } catch (error) {
      return reportMalformed(error, output)
    }
    const { properties, tier, hostId, story } = await verifyReceipt(receipt, trust)
    const verified = allVerified(properties)
    const statement = story === null ? null : statementOf(story)
    output.result({ verified, properties, tier, hostId, statement }, () => [
      ...properties.map(resultLine),
      '',
      ...(story === null ? [] : summary(story)),
      `${verified ? styled(['bold', 'green'], 'verified') : styled(['bold', 'red'], 'not verified')}: ${styled('bold', tier)}, host ${hostId ?? 'not proven'}`,
    ])
    return verified ? EXIT.done : EXIT.refused
  })
}

async function readTrust(options: Options): Promise<ReceiptTrust> {
  const { operatorKey = [], evidence = [] } = options
  const at = options.at === undefined ? new Date() : new Date(options.at)
  if (Number.isNaN(at.getTime()))
    throw new CliError('USAGE', `--at takes a time, not ${JSON.stringify(options.at)}`)
  return {
    operators: await Promise.all(operatorKey.map(path => readTrustedKey(path, "the operator's key"))),
    roots: await readRoots(options),
    hostId: options.host === undefined ? null : readHostId(options.host),
    at,
    whole: options.whole === true,
    evidence: evidence.length === 0 ? null : await keptEvidence(evidence),
    policy: (await readPolicy(options)) ?? null,
  }
}

/** What it says, for a person; as far as the lines above bear it out. */
function summary({ permit, terms, start, between, end }: Story): string[] {
  const { caller, use } = permit.event
  const { exitCode, signal, cause, streams } = end.event
  const how = exitCode !== null ? `status ${exitCode}` : signal !== null ? `signal ${signal}` : 'no status'
  const line = (name: string, text: string) => `${styled('dim', name.padEnd(9))} ${printable(text)}`
  return [
    line('execution', `${end.event.executionId}, entries ${permit.index} to ${end.index}`),
    line('program', `${terms.program.path}  sha256 ${terms.program.sha256}`),
    line('argv', JSON.stringify(terms.argv)),
    line(
      'caller',
      `uid ${caller.uid}${caller.unit === null ? '' : `, ${caller.unit}`}${caller.parent === null ? '' : `, execution ${caller.parent}`}`,
    ),
    line(
      'artifact',
      `${permit.event.artifact ?? 'none'}${use === null ? '' : `, ${use.id} of ${use.issuer}`}`,
    ),
    line('start', start.event.time),
    ...between.map(({ index, event }) => line('', `${event.time} ${event.type}, entry ${index}`)),
    line('end', `${end.event.time} ${cause}, ${how}`),
    ...(['stdin', 'stdout', 'stderr'] as const).flatMap(name => {
      const digest = streams?.[name]
      return digest == null ? [] : [line(name, `${digest.bytes} bytes, sha256 ${digest.sha256}`)]
    }),
    '',
  ]
}
