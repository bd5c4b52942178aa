import { existsSync } from 'node:fs'
import {
  examineLauncherConfig,
  type LauncherConfig,
  MAX_LAUNCHER_CONFIG_BYTES,
} from '../../configuration/launcher-file.ts'
import { shippedFile } from '../../encoding/shipped.ts'
import { CliError } from '../error.ts'
import { readDocument } from '../files.ts'
import { readOwner } from '../state-directory.ts'
import type { Answers } from './answers.ts'
import type { StepContext } from './step.ts'

/**
 * What launchd.conf is to be for the user and the logs that the answers name. One that is not there, or as it is shipped, becomes that.
 *
 * @returns null where it says so already, or is wrong by itself, which whoever checks it says
 * @throws CliError `FILE_EXISTS` for one that says something else and is somebody's own
 */
export async function launcherText(context: StepContext): Promise<string | null> {
  const { launchd } = context.files
  const shipped = shippedFile('launcherConfig')
  if (!existsSync(launchd)) return shippedFor(context, shipped)
  const bytes = await readDocument(launchd, "writ-launchd's configuration", 2 * MAX_LAUNCHER_CONFIG_BYTES)
  if (bytes.equals(shipped)) {
    const wanted = shippedFor(context, shipped)
    return bytes.equals(Buffer.from(wanted)) ? null : wanted
  }
  const { config } = examineLauncherConfig(bytes)
  const different = config === null ? [] : differences(context, config)
  const [first] = different
  if (first === undefined) return null
  throw new CliError('FILE_EXISTS', `${launchd} says ${first.said}, and is not overwritten`, {
    at: launchd,
    next: `Have it say ${different.map(({ wanted }) => wanted).join('; ')}; or change the answers.`,
  })
}

const LOGS = ['event_log', 'userspace_log', 'ima_log'] as const

interface Difference {
  readonly said: string
  readonly wanted: string
}

function differences({ answers: { daemon, places } }: StepContext, config: LauncherConfig): Difference[] {
  const found: Difference[] = []
  for (const key of LOGS) {
    const wanted = places[key] === 'none' ? null : places[key]
    if (config[key] !== wanted) found.push({ said: logLine(key, config[key]), wanted: logLine(key, wanted) })
  }
  if (daemon.user !== config.writd_user) {
    const { uid, gid } = readOwner(daemon.user)
    if (uid !== config.writd_uid || gid !== config.writd_gid)
      found.push({ said: `writd_uid = ${config.writd_uid}`, wanted: userLines(daemon.user).join('; ') })
  }
  return found
}

function shippedFor({ answers: { daemon, places } }: StepContext, shipped: Buffer): string {
  const lines: Readonly<Record<string, readonly string[]>> = {
    writd_user: userLines(daemon.user),
    event_log: [logLine('event_log', places.event_log)],
    userspace_log: [logLine('userspace_log', places.userspace_log)],
    ima_log: [logLine('ima_log', places.ima_log)],
  }
  const text = shipped
    .toString('utf8')
    .replace(
      /^(writd_user|event_log|userspace_log|ima_log) = .*$/gm,
      (line, key: string) => lines[key]?.join('\n') ?? line,
    )
  requireReadBack(places, text)
  return text
}

/** What the launcher would refuse, or take for something else, is said here and not written. @throws CliError `USAGE` */
function requireReadBack(places: Answers['places'], text: string): void {
  const { config, problems } = examineLauncherConfig(Buffer.from(text))
  for (const key of LOGS) {
    const problem = problems.find(found => found.key === key)
    const kept = config === null || logLine(key, config[key]) === logLine(key, places[key])
    // The end of a line would begin another key.
    if (problem === undefined && kept && !places[key].includes('\n')) continue
    throw new CliError('USAGE', `the launcher takes no ${key} of this name`, { at: `places.${key}` })
  }
}

/** A user without a name is one of this host's numbers. */
function userLines(user: string): string[] {
  if (!/^[0-9]/.test(user)) return [`writd_user = ${user}`]
  const { uid, gid } = readOwner(user)
  return [`writd_uid = ${uid}`, `writd_gid = ${gid}`]
}

function logLine(key: string, path: string | null): string {
  return path === null || path === 'none' ? `# ${key}: there is none` : `${key} = ${path}`
}
