import { existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { examineConfig } from '../../configuration/daemon-file.ts'
import { MAX_CONFIG_BYTES, whyUnsafe } from '../../configuration/read-file.ts'
import type { KeyName } from '../../configuration/schema.ts'
import { readDocument } from '../files.ts'
import type { Owner } from '../state-directory.ts'
import { type Finding, Findings } from './findings.ts'
import { checkHostPaths } from './host-paths.ts'
import { type Identity, identityOf, READ, whyNoAccess } from './identity.ts'
import { checkAgreement, checkLauncherFile } from './launcher.ts'
import { checkNamedFiles } from './named-files.ts'

export interface CheckOptions {
  /** writ-launchd's configuration; undefined: the one beside, if there is one. */
  readonly launchd: string | undefined
  /** The user that the daemon runs as; undefined: the one that is named by writ-launchd's configuration, else the state directory's. */
  readonly user: Owner | undefined
  /** Looks at nothing but the two files. */
  readonly onlyFiles: boolean
}

export interface CheckResult {
  readonly files: readonly string[]
  readonly findings: readonly Finding[]
}

/**
 * Says everything that is wrong with a configuration: the file itself, writ-launchd's, what both have to agree on, the files that they
 * name, and the host's own places.
 *
 * @throws CliError when a configuration file cannot be read
 */
export async function checkConfiguration(path: string, options: CheckOptions): Promise<CheckResult> {
  const bytes = await readDocument(path, "writd's configuration", MAX_CONFIG_BYTES)
  const { values, problems, set } = examineConfig(bytes)
  const findings = new Findings(path, key => set.get(key as KeyName))
  for (const { code, key, line, message } of problems) findings.error(code, key ?? null, message, line)

  const beside = join(dirname(path), 'launchd.conf')
  const launcherFile = options.launchd ?? (existsSync(beside) ? beside : undefined)
  const launcher = launcherFile === undefined ? null : await checkLauncherFile(launcherFile)
  if (launcher?.config && launcherFile !== undefined)
    checkAgreement(values, launcher.config, launcherFile, findings)

  const files = [path, ...(launcherFile === undefined ? [] : [launcherFile])]
  if (!options.onlyFiles) {
    const user = daemonUser(
      options.user ?? launcherUser(launcher?.config ?? null),
      values.daemon.stateDirectory,
    )
    if (user === null) findings.warn('FILE_NO_ACCESS', null, 'who writd runs as is not known: --user says it')
    checkOwnFile(path, user, findings)
    files.push(...(await checkNamedFiles(values, user, findings)))
    await checkHostPaths(values, user, findings)
  }
  return { files, findings: [...findings.list, ...(launcher?.findings.list ?? [])] }
}

function launcherUser(launcher: { writd_uid: number; writd_gid: number } | null): Owner | undefined {
  return launcher === null ? undefined : { uid: launcher.writd_uid, gid: launcher.writd_gid }
}

function daemonUser(said: Owner | undefined, stateDirectory: string | undefined): Identity | null {
  const owner =
    said ?? (stateDirectory === undefined ? undefined : statSync(stateDirectory, { throwIfNoEntry: false }))
  return owner === undefined ? null : identityOf(owner.uid, owner.gid)
}

function checkOwnFile(path: string, user: Identity | null, findings: Findings): void {
  const unsafe = whyUnsafe(statSync(path), user?.uid)
  if (unsafe !== null) findings.error('CONFIG_UNSAFE', null, unsafe)
  const why = user === null ? null : whyNoAccess(path, user, READ)
  if (why !== null) findings.error('FILE_NO_ACCESS', null, why)
}
