import { type Look, seen, unseen } from './look.ts'
import type { Probes } from './probes.ts'

/** What reads launchd.conf, once, when it starts. */
const LAUNCHER = 'writ-launchd.service'

/** Whether the launcher that runs, if one does, started before its configuration was changed: what the file says is not in force then. */
export async function launcherFileWaits({ files, services }: Probes, path: string): Promise<Look<boolean>> {
  const unit = await services.unit(LAUNCHER)
  if (!unit.seen) return unit
  if (unit.value.active !== 'active') return seen(false)
  const file = await files.stat(path)
  if (!file.seen) return file
  if (unit.value.since === null)
    return unseen('failed', `systemd does not say since when ${LAUNCHER} is active`)
  // It says no more than the second.
  return seen(file.value.mtimeMs >= unit.value.since + 1000)
}
