import { PACKAGED_COMPONENTS } from '../../components.ts'
import type { UnitFacts } from '../../probe/index.ts'
import { type AreaReport, defineArea } from '../area.ts'
import type { Host } from '../host.ts'
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
    SOCKET_TOO_OPEN: {
      severity: 'error',
      what: "the daemon's socket is open wider than the configuration says",
      why: 'The daemon does not serve on it.',
      todo: 'SocketMode= of writd.socket (`systemctl edit writd.socket`) and daemon.socket_access go together.',
    },
  },
  async look(host, report) {
    for (const unit of UNITS) {
      const facts = await host.probes.services.unit(unit)
      if (facts.seen) lookAtUnit(unit, facts.value, report)
      else
        report.skip(
          [
            'UNIT_MISSING',
            'UNIT_MASKED',
            'UNIT_FAILED',
            'UNIT_NOT_ENABLED',
            'UNIT_CHANGED',
            'UNIT_STALE',
            'UNIT_RESTARTED',
          ],
          facts,
        )
    }
    await lookAtProcesses(host, report)
    await lookAtSocket(host, report)
  },
})

type UnitsReport = AreaReport<keyof typeof UNITS_AREA.findings & string>

function lookAtUnit(name: string, unit: UnitFacts, report: UnitsReport): void {
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
  if (!SHIPPED.test(unit.path))
    report.found('UNIT_CHANGED', `it comes from ${unit.path}`, named(findings.UNIT_CHANGED.todo))
  for (const path of unit.dropIns)
    report.found('UNIT_CHANGED', `${path} adds to it`, named(findings.UNIT_CHANGED.todo))
  if (unit.needsReload) report.found('UNIT_STALE', 'systemd has an older one', { where })
  if (unit.restarts >= MANY_RESTARTS)
    report.found('UNIT_RESTARTED', `${unit.restarts} times`, named(findings.UNIT_RESTARTED.todo))
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
    for (const { pid, replaced } of await runnersOf(files, path))
      if (replaced) report.found(code, `pid ${pid} executes a file that was replaced`, { where: path })
  }
}

async function lookAtSocket(host: Host, report: UnitsReport): Promise<void> {
  const { daemon } = await host.values()
  const path = daemon.socket ?? host.probes.daemon.socket
  const socket = await host.probes.files.lstat(path)
  if (!socket.seen) {
    report.skip(['SOCKET_TOO_OPEN'], socket.why === 'missing' ? 'there is no socket' : socket, path)
    return
  }
  const most = SOCKET_MODES[daemon.socketAccess ?? 'group']
  if ((socket.value.mode & ~most) !== 0)
    report.found(
      'SOCKET_TOO_OPEN',
      `mode ${socket.value.mode.toString(8).padStart(4, '0')}, at most ${most.toString(8).padStart(4, '0')}`,
      {
        where: path,
      },
    )
}
