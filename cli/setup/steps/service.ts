import { existsSync } from 'node:fs'
import { configDigest, parseConfig } from '../../../configuration/daemon-file.ts'
import { MAX_CONFIG_BYTES } from '../../../configuration/read-file.ts'
import { CliError } from '../../error.ts'
import { readDocument } from '../../files.ts'
import { launcherFileWaits } from '../../probe/index.ts'
import { readOwner } from '../../state-directory.ts'
import { done, type Found, type Step, type StepContext, skipped, toDo } from '../step.ts'
import { systemCommand } from '../system-command.ts'

/** Enables and starts socket and launcher along (Also=, Wants=). */
const UNIT = 'writd.service'
/** A start of writd may take two minutes (TimeoutStartSec=). */
const START_MS = 180_000
const OFFLINE_MS = 30_000

/** Has the daemons started, now and at each boot. */
export const service: Step = {
  name: 'service',
  title: 'service',
  why: 'Launcher and daemon run from now on, and after each boot.',
  async look(context) {
    const { answers, stage, probes } = context
    if (!answers.service.start) return skipped(`not started, by the answers: ${startText(context)}`)
    if (stage === 'image') return lookAtImage()
    const unit = await probes.services.unit(UNIT)
    if (unit.seen) {
      if (unit.value.load !== 'loaded')
        throw new CliError('HOST_UNFIT', `systemd does not start ${UNIT}: it is ${unit.value.load}`, {
          at: UNIT,
          next: unit.value.load === 'masked' ? `systemctl unmask ${UNIT}` : 'Install the package again.',
        })
      return lookAtUnit(context, unit.value)
    }
    if (unit.why !== 'unsupported')
      throw new CliError('HOST_UNFIT', `cannot ask systemd for ${UNIT}: ${unit.reason}`, { at: UNIT })
    if ((await probes.daemon.status()).seen)
      return done([`writd          answers at ${answers.places.socket}`])
    return {
      state: 'waiting',
      for: 'START',
      found: ['systemd does not run this host'],
      next: `${startText(context)}, and run \`writ setup\` again.`,
    }
  },
}

async function lookAtUnit(context: StepContext, unit: { file: string; active: string }): Promise<Found> {
  const found = [`${UNIT}   ${unit.file}, ${unit.active}`]
  const warnings = await launcherWarnings(context)
  const restart = unit.active === 'active' && (await isOutdated(context))
  if (unit.file === 'enabled' && unit.active === 'active' && !restart) return done(found, warnings)
  const will = [
    ...(unit.file === 'enabled' ? [] : [`systemctl enable ${UNIT}`]),
    restart ? `systemctl restart ${UNIT}, for the configuration that was changed` : `systemctl start ${UNIT}`,
  ]
  return toDo(
    will,
    async () => {
      if (unit.file !== 'enabled') await systemctl(['enable', UNIT], OFFLINE_MS)
      // A host whose daemon gave up before may try again.
      if (unit.active === 'failed') await systemctl(['reset-failed', UNIT], OFFLINE_MS)
      await systemctl([restart ? 'restart' : 'start', UNIT], START_MS)
      await requireStarted(context)
      return { did: [`${UNIT}   enabled, active`] }
    },
    found,
    warnings,
  )
}

/** A restart of the launcher ends what runs, so it is for somebody to choose the time of, and not done here. */
async function launcherWarnings({ files: { launchd }, probes }: StepContext): Promise<string[]> {
  const waits = await launcherFileWaits(probes, launchd)
  if (!waits.seen) return [`whether the launcher runs by ${launchd} cannot be seen: ${waits.reason}`]
  return waits.value
    ? [
        `${launchd} was changed since the launcher started, and is not in force: \`systemctl restart writ-launchd\` puts it in force, and ends all executions`,
      ]
    : []
}

/** Whether the daemon runs by another configuration than the file's. A run that was ended before it restarted the daemon has left it so. */
async function isOutdated({ changed, files, probes }: StepContext): Promise<boolean> {
  if (changed.has('configuration')) return true
  const status = await probes.daemon.status()
  const inForce = status.seen ? status.value.configuration?.digest : undefined
  if (inForce === undefined || inForce === '') return false
  return (
    inForce !==
    configDigest(parseConfig(await readDocument(files.config, "writd's configuration", MAX_CONFIG_BYTES)))
  )
}

/**
 * systemctl is content with a unit that was left out because of its conditions.
 *
 * @throws CliError `HOST_UNFIT`
 */
async function requireStarted({ answers: { places }, probes }: StepContext): Promise<void> {
  const unit = await probes.services.unit(UNIT)
  if (!unit.seen || unit.value.active !== 'inactive') return
  throw new CliError('HOST_UNFIT', `systemd did not start ${UNIT}: its conditions are not met`, {
    at: UNIT,
    lines: [
      'the units want /etc/writ, /var/lib/writ and /etc/writ/credentials as they are shipped',
      `places.etc is ${places.etc}, places.state_directory is ${places.state_directory}, places.credentials is ${places.credentials ?? 'left open'}`,
    ],
    next: `\`systemctl status ${UNIT}\` names the condition. Set the host up with the usual places, or have the units name others (systemctl edit).`,
  })
}

/** What the image's first boot goes on with (packaging/systemd/writ-setup.service), where the answers for it are in the image. */
const FIRST_BOOT = { unit: 'writ-setup.service', answers: '/etc/writ/setup.toml' }

/** In an image nothing runs; systemctl makes the links by itself. */
function lookAtImage(): Found {
  const later = existsSync(FIRST_BOOT.answers)
  const wanted = later ? [UNIT, FIRST_BOOT.unit] : [UNIT]
  const open = wanted.filter(unit => !existsSync(`/etc/systemd/system/multi-user.target.wants/${unit}`))
  const warnings = later
    ? []
    : [
        `the first boot does nothing by itself: put the answers for it at ${FIRST_BOOT.answers}, and do this again`,
      ]
  const enabled = (units: readonly string[]) => units.map(unit => `${unit}   enabled`)
  if (open.length === 0) return done(enabled(wanted), warnings)
  return toDo(
    open.map(unit => `systemctl enable ${unit}: nothing starts before the host is provisioned`),
    async () => {
      await systemctl(['enable', ...open], OFFLINE_MS)
      return { did: enabled(open) }
    },
    [],
    warnings,
  )
}

async function systemctl(args: readonly string[], patienceMs: number): Promise<void> {
  const failure = await systemCommand('systemctl', ['--no-ask-password', ...args], patienceMs)
  if (failure === null) return
  throw new CliError('HOST_UNFIT', `systemctl ${args.join(' ')} failed: ${failure}`, {
    at: UNIT,
    next: '`journalctl -b -u writd -u writ-launchd` says why.',
  })
}

/** How somebody starts both by hand. */
function startText({ answers, files }: StepContext): string {
  if (existsSync('/run/systemd/system')) return `systemctl enable --now ${UNIT}`
  const { uid, gid } = readOwner(answers.daemon.user)
  return `start as root: writ-launchd --config ${files.launchd}; and as uid ${uid}, gid ${gid}: writd --config ${files.config}`
}
