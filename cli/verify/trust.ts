import type { Command } from 'commander'
import { parseCheckpoint } from '../../lineage/index.ts'
import { CliError } from '../error.ts'
import { readAs } from '../files.ts'
import { readHostId } from '../host-id.ts'
import { readTrustedKey } from '../keys.ts'
import { addRootOptions, type RootOptions, readRoots } from '../roots.ts'
import { collect } from '../workload.ts'
import type { VerifyTrust } from './verify.ts'

/** What somebody who verifies brings, as options. */
export interface TrustOptions extends RootOptions {
  operatorKey?: string[]
  host?: string
  earlier?: string[]
  at?: string
  everyCheckpoint?: boolean
}

/** Adds the options by which somebody who verifies says what is to be trusted. */
export function addTrustOptions(command: Command, keyRequired = false): Command {
  const key = [
    '--operator-key <file>',
    "a governance key of the operator's; never taken from the bundle (repeatable)",
  ] as const
  if (keyRequired) command.requiredOption(...key, collect)
  else command.option(...key, collect)
  command
    .option('--host <id>', 'the host that it has to be of, if you know it')
    .option('--earlier <file>', 'a checkpoint of this log that you have seen before (repeatable)', collect)
    .option('--at <time>', 'instant at which certificates have to be valid (default: now)')
    .option(
      '--every-checkpoint',
      'look at the signatures of every checkpoint that the log tells of, also of thousands (default: of one in 1,024 entries then)',
    )
  return addRootOptions(command)
}

/** Adds the option by which a log that was put aside is held against the one that took its place. */
export function addPreviousOption(command: Command): Command {
  return command.option(
    '--previous <directory>',
    'a log whose place this one took, as `writ lineage recover` put it aside; the newest first (repeatable)',
    collect,
  )
}

/**
 * Reads what the options name.
 *
 * @param checkHead throws for what is no checkpoint; a log of another make may have others than this project's
 * @throws CliError
 */
export async function readTrust(
  options: TrustOptions,
  checkHead: (bytes: Buffer) => void = bytes => void parseCheckpoint(bytes),
): Promise<VerifyTrust> {
  const operators = await Promise.all(
    (options.operatorKey ?? []).map(path => readTrustedKey(path, "the operator's key")),
  )
  const roots = await readRoots(options)
  const earlier = await Promise.all((options.earlier ?? []).map(path => readCheckpoint(path, checkHead)))
  const at = options.at === undefined ? new Date() : new Date(options.at)
  if (Number.isNaN(at.getTime())) {
    throw new CliError('USAGE', `--at takes a time, not ${JSON.stringify(options.at)}`)
  }
  const hostId = options.host === undefined ? null : readHostId(options.host)
  return { operators, roots, hostId, earlier, at, everyCheckpoint: options.everyCheckpoint ?? false }
}

/** A checkpoint that the verifier kept; one that is none is said with its name. @throws CliError */
function readCheckpoint(path: string, checkHead: (bytes: Buffer) => void): Promise<Buffer> {
  return readAs(path, 'a checkpoint', bytes => {
    checkHead(bytes)
    return bytes
  })
}
