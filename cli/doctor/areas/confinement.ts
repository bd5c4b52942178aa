import { defineArea } from '../area.ts'

/** The profile that the package brings for the daemon's unit. */
const PROFILE = 'writd'

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
  },
  async look({ probes: { files } }, report) {
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
    if (profiles === null) return
    const [, mode] = new RegExp(`^${PROFILE} \\((.*)\\)$`, 'm').exec(profiles.toString('utf8')) ?? []
    if (mode === undefined) {
      report.found('APPARMOR_PROFILE_MISSING', `there is no profile ${PROFILE}`, { where })
      report.skip(['APPARMOR_COMPLAINS'], 'it is not loaded')
    } else if (mode !== 'enforce') report.found('APPARMOR_COMPLAINS', `its mode is ${mode}`, { where })
  },
})
