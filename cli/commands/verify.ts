import type { Command } from 'commander'
import { parseCheckpoint } from '../../lineage/index.ts'
import { addCommand, addNote, setAction } from '../command.ts'
import { CliError, EXIT } from '../error.ts'
import { readAs } from '../files.ts'
import { PROPERTY } from '../form.ts'
import { readHostId } from '../host-id.ts'
import { readTrustedKey } from '../keys.ts'
import { styled } from '../output.ts'
import { addRootOptions, type RootOptions, readRoots } from '../roots.ts'
import { allVerified, resultLine } from '../verify/property.ts'
import { verifyBundle } from '../verify/verify.ts'
import { collect } from '../workload.ts'

interface Options extends RootOptions {
  operatorKey: string[]
  allowRecovery?: boolean
  host?: string
  earlier?: string[]
  at?: string
}

export function addVerify(program: Command): void {
  const command = addCommand(
    program,
    'verify <bundle>',
    'Check an exported bundle offline: the log, its TPM signature, every decision and every appraisal.',
    'writ verify bundle/ --operator-key operator.pub --hardware-ek-root vendor-root.pem',
    {
      verified: 'boolean',
      properties: [PROPERTY],
      tier: 'text',
      'hostId|null': 'hex',
      entries: 'number',
    },
  )
    .requiredOption(
      '--operator-key <file>',
      "a governance key of the operator's; never taken from the bundle (repeatable)",
      collect,
    )
    .option('--allow-recovery', 'accept that the host left FAILED by itself, where its configuration lets it')
    .option('--host <id>', 'the host that it has to be of, if you know it')
    .option('--earlier <file>', 'a checkpoint of this log that you have seen before (repeatable)', collect)
    .option('--at <time>', 'instant at which certificates have to be valid (default: now)')
  addRootOptions(command)
  addNote(
    command,
    'Each property reads VERIFIED, NOT CHECKED or FAILED. The exit status is 0 only if nothing failed and everything that\n' +
      'was asked is VERIFIED: all but the EK chain, the host and earlier checkpoints, which are asked by giving them.',
  )
  setAction<Options>(command, async ({ args, options, output }) => {
    const operators = await Promise.all(
      options.operatorKey.map(path => readTrustedKey(path, "the operator's key")),
    )
    const roots = await readRoots(options)
    const earlier = await Promise.all((options.earlier ?? []).map(readCheckpoint))
    const at = options.at === undefined ? new Date() : new Date(options.at)
    if (Number.isNaN(at.getTime())) {
      throw new CliError('USAGE', `--at takes a time, not ${JSON.stringify(options.at)}`)
    }
    const result = await verifyBundle(args[0] ?? '', {
      operators,
      roots,
      hostId: options.host === undefined ? null : readHostId(options.host),
      earlier,
      allowRecovery: options.allowRecovery ?? false,
      at,
    })
    const verified = allVerified(result.properties)
    output.result({ verified, ...result }, () => [
      ...result.properties.map(resultLine),
      '',
      `${verified ? styled(['bold', 'green'], 'verified') : styled(['bold', 'red'], 'not verified')}: ${result.entries} entries, ${styled('bold', result.tier)}, host ${result.hostId ?? 'not proven'}`,
    ])
    return verified ? EXIT.done : EXIT.refused
  })
}

/** A checkpoint that the verifier kept; one that is none is said with its name. @throws CliError */
function readCheckpoint(path: string): Promise<Buffer> {
  return readAs(path, 'a checkpoint', bytes => {
    parseCheckpoint(bytes)
    return bytes
  })
}
