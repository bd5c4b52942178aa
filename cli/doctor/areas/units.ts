import { PACKAGED_COMPONENTS } from '../../components.ts'
import { modeText } from '../../config/identity.ts'
import { launcherFileWaits, readUnit, settingsIn, type UnitFacts, valueIn } from '../../probe/index.ts'
import { type AreaReport, defineArea } from '../area.ts'
import type { Host } from '../host.ts'
import { METRICS_UNIT, metricsFault } from '../metrics-socket.ts'
import { runnersOf } from '../processes.ts'

const UNITS = ['writ-launchd.service', 'writd.socket', 'writd.service'] as const
/** Where the package puts them. */
const SHIPPED = /^(?:\/usr)?\/lib\/systemd\/system\//
/** Restarts after which something is wrong; each unclean one costs the TPM's counter two steps. */
const MANY_RESTARTS = 3
/** Widest mode of the socket, by daemon.socket_access. */
const SOCKET_MODES = { owner: 0o600, group: 0o660, all: 0o666 } as const

export const UNITS_AREA = defineArea({
  name: 'units',
  title: 'the units: as they are shipped, enabled, running what is installed',
  findings: {
    UNIT_MISSING: {
      severity: 'error',
      what: 'a unit is not installed',
      why: 'Nothing starts the daemon.',
      todo: '`apt install --reinstall writ`; `systemctl daemon-reload`.',
    },
    UNIT_MASKED: {
      severity: 'error',
      what: 'a unit is masked',
      why: 'It cannot be started.',
      todo: '`systemctl unmask UNIT`, if that was not meant.',
    },
    UNIT_FAILED: {
      severity: 'error',
      what: 'a unit has failed',
      why: 'Nothing is governed, or nothing can be started.',
      todo: '`journalctl -u UNIT -b`; then `systemctl reset-failed UNIT`, `systemctl start UNIT`.',
    },
    UNIT_NOT_ENABLED: {
      severity: 'warning',
      what: 'a unit does not start at boot',
      why: 'After a reboot nothing is governed.',
      todo: '`systemctl enable writd`',
    },
    UNIT_CHANGED: {
      severity: 'warning',
      what: 'a unit is not as it is shipped',
      why: "What the launcher's unit sets reaches every workload; what the daemon's takes away protects its secrets.",
      todo: '`systemctl cat UNIT`, `systemd-delta`; `systemctl revert UNIT` undoes it.',
    },
    UNIT_STALE: {
      severity: 'warning',
      what: 'the unit file was changed since systemd read it',
      why: 'What is in force is not what is written.',
      todo: '`systemctl daemon-reload`',
    },
    UNIT_RESTARTED: {
      severity: 'warning',
      what: 'a unit was restarted again and again',
      why: 'It does not stay up; executions end, and the counter of the TPM wears.',
      todo: '`journalctl -u UNIT -b`',
    },
    DAEMON_OUTDATED: {
      severity: 'warning',
      what: 'an older daemon runs than is installed',
      why: 'What was corrected is not in force.',
      todo: '`systemctl restart writd`',
    },
    LAUNCHER_OUTDATED: {
      severity: 'warning',
      what: 'an older launcher runs than is installed',
      why: 'What was corrected is not in force.',
      todo: '`systemctl restart writ-launchd` ends all executions: choose the time.',
    },
    LAUNCHER_RESTART_WAITS: {
      severity: 'warning',
      what: 'launchd.conf was changed since the launcher started',
      why: 'What it says is not in force.',
      todo: '`systemctl restart writ-launchd` ends all executions: choose the time.',
    },
    SOCKET_ELSEWHERE: {
      severity: 'error',
      what: 'the unit opens the socket at another place than the configuration says',
      why: 'The daemon refuses a socket that is bound elsewhere, and does not start.',
      todo: 'ListenStream= of writd.socket (`systemctl edit writd.socket`) and daemon.socket go together; restart both.',
    },
    SOCKET_TOO_OPEN: {
      severity: 'error',
      what: "the daemon's socket is open wider than the configuration says",
      why: 'The daemon does not serve on it.',
      todo: 'SocketMode= of writd.socket (`systemctl edit writd.socket`) and daemon.socket_access go together.',
    },
    METRICS_OFF: {
      severity: 'warning',
      what: 'nobody can read the metrics and probes',
      why: 'Alerts do not fire, and health is not seen: what goes wrong here is noticed late.',
      todo: '`systemctl status writd-metrics.socket`; `systemctl restart writd-metrics.socket writd`',
    },
  },
  async look(host, report) {
    for (const unit of UNITS) {
      const facts = report.need(OF_UNITS, await host.probes.services.unit(unit), unit)
      if (facts !== null) await lookAtUnit(host, unit, facts, report)
    }
    await lookAtMetrics(host, report)
    await lookAtProcesses(host, report)
    const waits = report.need(
      ['LAUNCHER_RESTART_WAITS'],
      await launcherFileWaits(host.probes, host.launcherPath),
      host.launcherPath,
    )
    if (waits === true)
      report.found('LAUNCHER_RESTART_WAITS', 'the launcher that runs has read an older one', {
        where: host.launcherPath,
      })
    await lookAtSocket(host, report)
  },
})

type UnitsReport = AreaReport<keyof typeof UNITS_AREA.findings & string>

const OF_UNITS = [
  'UNIT_MISSING',
  'UNIT_MASKED',
  'UNIT_FAILED',
  'UNIT_NOT_ENABLED',
  'UNIT_CHANGED',
  'UNIT_STALE',
  'UNIT_RESTARTED',
] as const

async function lookAtUnit(host: Host, name: string, unit: UnitFacts, report: UnitsReport): Promise<void> {
  const where = name
  const named = (todo: string) => ({ where, todo: todo.replaceAll('UNIT', name) })
  const { findings } = UNITS_AREA
  if (unit.load === 'not-found') {
    report.found('UNIT_MISSING', 'systemd does not find it', { where })
    return
  }
  if (unit.load === 'masked' || unit.file.startsWith('masked')) {
    report.found('UNIT_MASKED', 'it leads to /dev/null', named(findings.UNIT_MASKED.todo))
    return
  }
  if (unit.load !== 'loaded')
    report.found('UNIT_FAILED', `systemd says of the file: ${unit.load}`, named(findings.UNIT_FAILED.todo))
  if (unit.active === 'failed')
    report.found('UNIT_FAILED', `its result is ${unit.result}`, named(findings.UNIT_FAILED.todo))
  if (unit.file === 'disabled') report.found('UNIT_NOT_ENABLED', 'it is disabled', { where })
  await lookAtText(host, name, unit, report)
  if (unit.restarts >= MANY_RESTARTS)
    report.found('UNIT_RESTARTED', `${unit.restarts} times`, named(findings.UNIT_RESTARTED.todo))
}

/** Settings of a socket that are for the operator to choose; what comes of them is looked at by itself. */
const CHOSEN: ReadonlySet<string> = new Set(['ListenStream', 'SocketMode'])

/** Whether the unit is as it is shipped, and systemd has it so. */
async function lookAtText(
  { probes: { files } }: Host,
  name: string,
  unit: UnitFacts,
  report: UnitsReport,
): Promise<void> {
  const named = { where: name, todo: UNITS_AREA.findings.UNIT_CHANGED.todo.replaceAll('UNIT', name) }
  if (!SHIPPED.test(unit.path)) report.found('UNIT_CHANGED', `it comes from ${unit.path}`, named)
  for (const path of unit.dropIns) {
    const text = valueIn(await files.read(path))?.toString('utf8')
    const chosen =
      name.endsWith('.socket') && text !== undefined && settingsIn(text).every(([key]) => CHOSEN.has(key))
    if (!chosen) report.found('UNIT_CHANGED', `${path} adds to it`, named)
  }
  if (unit.needsReload) report.found('UNIT_STALE', 'systemd has an older one', { where: name })
}

async function lookAtMetrics(host: Host, report: UnitsReport): Promise<void> {
  const { services } = host.probes
  const unit = report.need(['METRICS_OFF'], await services.unit(METRICS_UNIT), METRICS_UNIT)
  if (unit === null) return
  const service = report.need(['METRICS_OFF'], await services.unit('writd.service'), 'writd.service')
  const fault = report.need(
    ['METRICS_OFF'],
    await metricsFault(host.probes, unit, service?.active === 'active'),
  )
  if (fault !== null) report.found('METRICS_OFF', fault.what, fault)
  if (unit.load === 'loaded') await lookAtText(host, METRICS_UNIT, unit, report)
}

async function lookAtProcesses({ probes: { files, euid } }: Host, report: UnitsReport): Promise<void> {
  if (euid !== 0) {
    report.skip(
      ['DAEMON_OUTDATED', 'LAUNCHER_OUTDATED'],
      "only root sees what other users' processes execute",
    )
    return
  }
  for (const [name, code] of [
    ['writd', 'DAEMON_OUTDATED'],
    ['writ-launchd', 'LAUNCHER_OUTDATED'],
  ] as const) {
    const path = PACKAGED_COMPONENTS.find(([component]) => component === name)?.[1] ?? ''
    const { list, complete } = await runnersOf(files, path)
    if (!complete) report.skip([code], 'some processes cannot be looked into', '/proc')
    for (const { pid, replaced } of list)
      if (replaced) report.found(code, `pid ${pid} executes a file that was replaced`, { where: path })
  }
}

async function lookAtSocket(host: Host, report: UnitsReport): Promise<void> {
  const { files, services } = host.probes
  const values = report.need(['SOCKET_ELSEWHERE', 'SOCKET_TOO_OPEN'], await host.values(), host.configPath)
  if (values === null) return
  const { daemon } = values
  const said = await services.unit('writd.socket')
  // Where systemd opens none the daemon does, at the place that it is told.
  if (!said.seen && said.why !== 'unsupported') report.skip(['SOCKET_ELSEWHERE'], said, 'writd.socket')
  const unit = said.seen ? await readUnit(files, 'writd.socket') : null
  if (unit !== null && unit.unread !== null) report.skip(['SOCKET_ELSEWHERE'], unit.unread, 'writd.socket')
  const listens = unit?.values('ListenStream') ?? []
  const configured = daemon.socket
  if (configured !== undefined && listens.length > 0 && !listens.includes(configured))
    report.found('SOCKET_ELSEWHERE', `ListenStream=${listens.join(' ')}, daemon.socket = "${configured}"`, {
      where: 'writd.socket',
    })
  const path = host.probes.daemon.socket
  const socket = await files.lstat(path)
  if (!socket.seen) {
    report.skip(['SOCKET_TOO_OPEN'], socket.why === 'missing' ? 'there is no socket' : socket, path)
    return
  }
  const most = SOCKET_MODES[daemon.socketAccess ?? 'group']
  if ((socket.value.mode & ~most) !== 0)
    report.found('SOCKET_TOO_OPEN', `mode ${modeText(socket.value)}, at most ${modeText({ mode: most })}`, {
      where: path,
    })
}
