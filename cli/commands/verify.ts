import type { Command } from 'commander'
import { addCommand, addNote, setAction } from '../command.ts'
import { EXIT } from '../error.ts'
import { PROPERTY } from '../form.ts'
import { styled } from '../output.ts'
import { keptEvidence } from '../verify/kept-evidence.ts'
import { addPolicyOption, type PolicyOptions, readPolicy } from '../verify/policy.ts'
import { allVerified, resultLine } from '../verify/property.ts'
import { addPreviousOption, addTrustOptions, readTrust, type TrustOptions } from '../verify/trust.ts'
import { verifyBundle } from '../verify/verify.ts'
import { collect } from '../workload.ts'

interface Options extends TrustOptions, PolicyOptions {
  allowRecovery?: boolean
  evidence?: string[]
  allowDropped?: boolean
  previous?: string[]
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
  addTrustOptions(command, true).option(
    '--allow-recovery',
    'accept that the host left FAILED by itself, where its configuration lets it',
  )
  command
    .option(
      '--evidence <directory>',
      'where evidence was kept that the host has dropped since: an older bundle, or files by SHA-256 (repeatable)',
      collect,
    )
    .option('--allow-dropped', 'accept that what needs dropped evidence cannot be looked at again')
  addPreviousOption(command)
  addPolicyOption(command)
  addNote(
    command,
    'Each property reads VERIFIED, NOT CHECKED or FAILED. The exit status is 0 only if nothing failed and everything that\n' +
      'was asked is VERIFIED: all but the EK chain, the host, earlier checkpoints and logs before this one, which are asked by giving them.\n\n' +
      'Where only the log is to be looked at, not what it says was decided, `writ lineage verify` is enough; it also takes proofs and checkpoints.',
  )
  setAction<Options>(command, async ({ args, options, output }) => {
    const policy = await readPolicy(options)
    const result = await verifyBundle(args[0] ?? '', {
      ...(await readTrust(options)),
      ...(policy === undefined ? {} : { policy }),
      allowRecovery: options.allowRecovery ?? false,
      allowDropped: options.allowDropped ?? false,
      ...(options.previous === undefined ? {} : { previous: options.previous }),
      ...(options.evidence === undefined ? {} : { kept: await keptEvidence(options.evidence) }),
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
