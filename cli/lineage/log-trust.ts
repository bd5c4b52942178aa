import type { Command } from 'commander'
import { parseCheckpointText, parseNote } from '../../lineage/index.ts'
import { addPolicyOption, type PolicyOptions, readPolicy } from '../verify/policy.ts'
import { addPreviousOption, addTrustOptions, readTrust, type TrustOptions } from '../verify/trust.ts'
import { collect } from '../workload.ts'
import { readLogKeys } from './log-keys.ts'
import type { LogFileTrust } from './verify-log.ts'

/** What somebody who verifies a log, of this project or another, brings as options. */
export interface LogTrustOptions extends TrustOptions, PolicyOptions {
  identity?: string
  logKey?: string[]
  previous?: string[]
}

/** Adds the options by which somebody who verifies a log says what is to be trusted. */
export function addLogTrustOptions(command: Command): Command {
  addTrustOptions(command)
    .option(
      '--identity <directory>',
      "the host's identity: the directory `host` of a bundle, or the bundle (default: that of the bundle that is verified)",
    )
    .option(
      '--log-key <key>',
      "the log's key, name+id+key or a file with it: enough to know whose log it is, but not on which TPM (repeatable)",
      collect,
    )
  addPreviousOption(command)
  return addPolicyOption(command)
}

/** Reads what the options name. @throws CliError */
export async function readLogTrust(options: LogTrustOptions): Promise<LogFileTrust> {
  const policy = await readPolicy(options)
  return {
    ...(await readTrust(options, readAnyHead)),
    ...(policy === undefined ? {} : { policy }),
    ...(options.previous === undefined ? {} : { previous: options.previous }),
    identity: options.identity ?? null,
    logKeys: await readLogKeys(options.logKey ?? []),
    proof: undefined,
    entry: undefined,
  }
}

/** Logs of any make have checkpoints. */
function readAnyHead(bytes: Buffer): void {
  parseCheckpointText(parseNote(bytes).text)
}
