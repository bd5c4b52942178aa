import { lstatSync } from 'node:fs'
import type { PartialConfig } from '../../configuration/daemon-file.ts'
import {
  examineLauncherConfig,
  inRange,
  type LauncherConfig,
  MAX_LAUNCHER_CONFIG_BYTES,
} from '../../configuration/launcher-file.ts'
import { readDocument } from '../files.ts'
import { Findings } from './findings.ts'
import { modeText } from './identity.ts'

/** Looks at a configuration of writ-launchd by itself. */
export async function checkLauncherFile(
  path: string,
): Promise<{ config: LauncherConfig | null; findings: Findings }> {
  const bytes = await readDocument(path, "writ-launchd's configuration", 2 * MAX_LAUNCHER_CONFIG_BYTES)
  const { config, problems, set } = examineLauncherConfig(bytes)
  const findings = new Findings(path, key => set.get(key as never))
  for (const { code, key, line, message } of problems) findings.error(code, key ?? null, message, line)
  const stat = lstatSync(path)
  // As config_load of native/launchd/config.c has it.
  if (!stat.isFile() || stat.uid !== 0 || (stat.mode & 0o022) !== 0) {
    const is = stat.isFile() ? `is of uid ${stat.uid}, mode ${modeText(stat)}` : 'is a link'
    findings.error('CONFIG_UNSAFE', null, `has to be a file of root that nobody else can write, and ${is}`)
  }
  return { config, findings }
}

/** Whether the two fit: what writd asks for is within what the launcher gives. */
export function checkAgreement(
  { attestation, daemon, execution }: PartialConfig,
  launcher: LauncherConfig,
  launcherFile: string,
  findings: Findings,
): void {
  const { uidRange, maxExecutions } = execution
  if (daemon.launcherSocket !== undefined && daemon.launcherSocket !== launcher.socket)
    findings.error(
      'FILES_DISAGREE',
      'daemon.launcher_socket',
      `is not the socket of ${launcherFile}, ${launcher.socket}`,
    )
  if (uidRange !== undefined && !uidRange.every(uid => inRange(uid, launcher.uids))) {
    const { first, last } = launcher.uids
    findings.error(
      'FILES_DISAGREE',
      'execution.uid_range',
      `is not within the uids of ${launcherFile}, ${first}-${last}`,
    )
  }
  const age = attestation.maxEvidenceAgeSeconds
  if (age !== undefined && age > launcher.max_evidence_age_seconds) {
    const most = launcher.max_evidence_age_seconds
    findings.error(
      'FILES_DISAGREE',
      'attestation.max_evidence_age_seconds',
      `is more than ${launcherFile} allows, ${most}: nothing would start`,
    )
  }
  if (maxExecutions !== undefined && maxExecutions > launcher.max_executions) {
    const most = launcher.max_executions
    findings.warn(
      'FILES_DISAGREE',
      'execution.max_executions',
      `is more than ${launcherFile} allows, ${most}`,
    )
  }
}
