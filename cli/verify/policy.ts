import type { Command } from 'commander'
import { MAX_POLICY_BYTES, parseWitnessPolicy, type WitnessPolicy } from '../../lineage/index.ts'
import { readAs } from '../files.ts'

/** Of {@link addPolicyOption}. */
export interface PolicyOptions {
  policy?: string
}

/** Adds the option by which somebody who verifies says which witnesses have to have seen a checkpoint. */
export function addPolicyOption(command: Command): Command {
  return command.option(
    '--policy <file>',
    'which logs sign and which witnesses cosign a checkpoint that is good enough (C2SP tlog-policy)',
  )
}

/** The policy that was given; undefined if none was. @throws CliError with the line at fault */
export async function readPolicy({ policy }: PolicyOptions): Promise<WitnessPolicy | undefined> {
  return policy === undefined
    ? undefined
    : readAs(policy, 'a witness policy', parseWitnessPolicy, MAX_POLICY_BYTES)
}
