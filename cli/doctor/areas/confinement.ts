import { type AreaReport, defineArea } from '../area.ts'
import type { Host } from '../host.ts'

/** The profile that the package brings for the daemon's unit. */
const PROFILE = 'writd'
const UNIT = 'writd.service'

export const CONFINEMENT = defineArea({
  name: 'confinement',
  title: "confinement of the daemon by AppArmor, beside its unit's",
  hiddenInContainers: true,
  findings: {
    APPARMOR_OFF: {
      severity: 'warning',
      what: 'the kernel has no AppArmor, or it is switched off',
      why: 'The daemon is confined by its unit alone.',
      todo: 'Have `apparmor` in the list `lsm=` of the command line; `apt install apparmor`.',
    },
    APPARMOR_PROFILE_MISSING: {
      severity: 'warning',
      what: 'the profile of the daemon is not loaded',
      why: 'A wall around a daemon that was taken over is missing.',
      todo: '`apparmor_parser -r /etc/apparmor.d/writd`, then restart writd.',
    },
    APPARMOR_COMPLAINS: {
      severity: 'warning',
      what: 'the profile of the daemon only complains',
      why: 'What it forbids is logged, and done all the same.',
      todo: '`aa-enforce /etc/apparmor.d/writd`',
    },
    DAEMON_UNCONFINED: {
      severity: 'warning',
      what: 'the daemon that runs is not under its profile',
      why: 'A profile confines what is started under it, and this was started without.',
      todo: '`systemctl restart writd`',
    },
  },
  async look(host, report) {
    const { files } = host.probes
    const enabled = await files.read('/sys/module/apparmor/parameters/enabled')
    if (!enabled.seen && enabled.why !== 'missing') {
      report.skipRest(enabled, { where: '/sys/module/apparmor' })
      return
    }
    if (!enabled.seen || enabled.value.toString().trim() !== 'Y') {
      report.found('APPARMOR_OFF', enabled.seen ? 'it is switched off' : 'the kernel has none')
      report.skipRest('there is no AppArmor')
      return
    }
    const where = '/sys/kernel/security/apparmor/profiles'
    const profiles = report.need(
      ['APPARMOR_PROFILE_MISSING', 'APPARMOR_COMPLAINS'],
      await files.read(where, 1 << 22),
      where,
    )
    if (profiles === null) {
      await lookAtProcess(host, report)
      return
    }
    const [, mode] = new RegExp(`^${PROFILE} \\((.*)\\)$`, 'm').exec(profiles.toString('utf8')) ?? []
    if (mode === undefined) {
      report.found('APPARMOR_PROFILE_MISSING', `there is no profile ${PROFILE}`, { where })
      report.skip(['APPARMOR_COMPLAINS', 'DAEMON_UNCONFINED'], 'it is not loaded')
      return
    }
    if (mode !== 'enforce') report.found('APPARMOR_COMPLAINS', `its mode is ${mode}`, { where })
    await lookAtProcess(host, report)
  },
})

/** Whether the process that serves is under the profile, which a profile that was loaded later does not bring about. */
async function lookAtProcess(
  { probes: { files, services } }: Host,
  report: AreaReport<keyof typeof CONFINEMENT.findings & string>,
): Promise<void> {
  const unit = report.need(['DAEMON_UNCONFINED'], await services.unit(UNIT), UNIT)
  if (unit === null) return
  const { mainPid } = unit
  if (!(mainPid > 0)) {
    report.skip(['DAEMON_UNCONFINED'], 'it does not run', UNIT)
    return
  }
  // AppArmor's own file (Linux 5.8) says nothing of another module; the older one is AppArmor's where that is the only one.
  const own = `/proc/${mainPid}/attr/apparmor/current`
  const older = `/proc/${mainPid}/attr/current`
  const said = await files.read(own)
  const where = !said.seen && said.why === 'missing' ? older : own
  const label = report.need(['DAEMON_UNCONFINED'], where === own ? said : await files.read(older), where)
  if (label === null) return
  // `writd (enforce)`; several that hold at once are joined by `//&`.
  const [name = ''] = label.toString('utf8').split(/[\s\0]/, 1)
  if (name === '') report.skip(['DAEMON_UNCONFINED'], 'the kernel does not say', where)
  else if (!name.split('//&').includes(PROFILE))
    report.found('DAEMON_UNCONFINED', `pid ${mainPid} is ${name}`, { where })
}
