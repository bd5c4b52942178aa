import { inRange } from '../../../configuration/launcher-file.ts'
import { valueIn } from '../../probe/index.ts'
import { groupsOf, type User } from '../accounts.ts'
import { type AreaReport, defineArea } from '../area.ts'
import type { Host } from '../host.ts'

/** The name that the package gives the daemon's user. */
const USER = 'writ'

export const ACCOUNTS = defineArea({
  name: 'accounts',
  title: 'users and groups: there, and nobody where executions run',
  findings: {
    USER_MISSING: {
      severity: 'error',
      what: 'there is no user for the daemon',
      why: 'The unit cannot start, and the launcher knows nobody to obey.',
      todo: '`systemd-sysusers writ.conf` (the package does that).',
    },
    USER_IS_ROOT: {
      severity: 'error',
      what: 'the daemon is to run as root',
      why: 'It has a large surface, and needs no right of its own.',
      todo: 'Name another user in launchd.conf (`writd_user`).',
    },
    TPM_NO_ACCESS: {
      severity: 'error',
      what: "the daemon's user may not open the TPM",
      why: 'What it cannot ask cannot attest.',
      todo: '`usermod -aG tss writ`; the package has a udev rule for the device: `udevadm trigger --subsystem-match=tpmrm`.',
    },
    TPM_OPEN: {
      severity: 'warning',
      what: 'every user may open the TPM',
      why: 'Whoever floods it keeps the host from attesting in time.',
      todo: "Remove the rule that opens it; the package's gives it to the group tss.",
    },
    EXECUTION_UIDS_TAKEN: {
      severity: 'error',
      what: 'a user has a number that executions get',
      why: 'A program under that number could touch his files, and he its.',
      todo: 'Give that user another number, or change `uids` of launchd.conf and execution.uid_range of writd.toml.',
    },
  },
  async look(host, report) {
    const accounts = report.need(OF_USER, await host.accounts())
    const launcher = report.need(OF_USER, await host.launcher(), host.launcherPath)
    // A device can be open to all whoever the users are.
    if (accounts === null) {
      await lookAtDevice(host, undefined, report)
      return
    }
    const name = launcher?.writd_user ?? USER
    const user = accounts.users.find(
      launcher === null ? other => other.name === name : ({ uid }) => uid === launcher.writd_uid,
    )
    if (user?.uid === 0) report.found('USER_IS_ROOT', `${name} is root`, { where: '/etc/passwd' })
    if (user === undefined && (launcher === null || launcher.writd_user !== null))
      report.found('USER_MISSING', `there is no user ${name}`, { where: '/etc/passwd' })
    await lookAtDevice(host, user, report)
    const uids = launcher?.uids
    for (const other of accounts.users)
      if (uids !== undefined && inRange(other.uid, uids))
        report.found(
          'EXECUTION_UIDS_TAKEN',
          `${other.name} has ${other.uid}, of ${uids.first}-${uids.last}`,
          {
            where: '/etc/passwd',
          },
        )
  },
})

/** Who the daemon's user is, and which numbers executions get, is for launchd.conf to say. */
const OF_USER = ['USER_MISSING', 'USER_IS_ROOT', 'TPM_NO_ACCESS', 'EXECUTION_UIDS_TAKEN'] as const

async function lookAtDevice(
  host: Host,
  user: User | undefined,
  report: AreaReport<keyof typeof ACCOUNTS.findings & string>,
): Promise<void> {
  const values = report.need(['TPM_NO_ACCESS', 'TPM_OPEN'], await host.values(), host.configPath)
  if (values === null) return
  const { tpm } = values
  const path = tpm.path ?? '/dev/tpmrm0'
  const device = await host.probes.files.stat(path)
  if (!device.seen || tpm.transport === 'swtpm') {
    report.skip(['TPM_NO_ACCESS', 'TPM_OPEN'], device.seen ? 'it is a simulated TPM' : device, path)
    return
  }
  const { mode, uid, gid } = device.value
  if ((mode & 0o006) !== 0) report.found('TPM_OPEN', `mode ${mode.toString(8)}`, { where: path })
  if (user === undefined) {
    report.skip(['TPM_NO_ACCESS'], 'the daemon has no user', path)
    return
  }
  const accounts = valueIn(await host.accounts())
  const isMember = accounts !== null && groupsOf(user, accounts).has(gid)
  const shift = user.uid === uid ? 6 : isMember ? 3 : 0
  if (((mode >> shift) & 6) !== 6)
    report.found(
      'TPM_NO_ACCESS',
      `${user.name} may not read and write it (mode ${mode.toString(8)}, of uid ${uid} and gid ${gid})`,
      {
        where: path,
      },
    )
}
