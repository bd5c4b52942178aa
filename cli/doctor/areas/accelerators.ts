import { posix } from 'node:path'
import { type Accelerator, readAccelerators } from '../../probe/index.ts'
import { groupsOf } from '../accounts.ts'
import { type AreaReport, defineArea } from '../area.ts'
import type { Host } from '../host.ts'

/** Its nodes are not made by udev, so the module has to be told (docs/gpu.md, which has why). */
const NVIDIA =
  "In /etc/modprobe.d/writ-gpu.conf: `options nvidia NVreg_ModifyDeviceFiles=0 NVreg_DeviceFileUID=0 NVreg_DeviceFileGID=0 NVreg_DeviceFileMode=0600` (Debian's own packages call the module nvidia-current); `update-initramfs -u`; reboot. docs/gpu.md"

export const ACCELERATORS = defineArea({
  name: 'accelerators',
  title: 'accelerators: only through Writ',
  findings: {
    ACCELERATOR_OPEN: {
      severity: 'warning',
      what: 'every user of the host can use an accelerator',
      why: 'Programs use it past Writ, ungoverned.',
      todo: '`touch /etc/writ/govern-accelerators` and reboot (AMD, Intel). For NVIDIA: docs/gpu.md.',
    },
    ACCELERATOR_SHARED: {
      severity: 'warning',
      what: 'members of a group can use an accelerator past Writ',
      why: 'Their programs are not governed.',
      todo: 'Take them out of the group, or give the node to a group without members. docs/gpu.md',
    },
    ACCELERATOR_UNNAMED: {
      severity: 'warning',
      what: 'no class of launchd.conf has an accelerator of this host',
      why: 'No execution can be given it.',
      todo: 'Add `device.gpu = …` to launchd.conf; its comments have examples. Then restart writ-launchd.',
    },
  },
  async look(host, report) {
    const { nodes, unseen } = await readAccelerators(host.probes.files)
    await lookAtModes(host, nodes, report)
    await lookAtClasses(host, nodes, report)
    await lookAtModule(host, report)
    if (unseen !== null) report.skipRest(unseen)
  },
})

type AcceleratorsReport = AreaReport<keyof typeof ACCELERATORS.findings & string>

async function lookAtModes(
  host: Host,
  nodes: readonly Accelerator[],
  report: AcceleratorsReport,
): Promise<void> {
  for (const { path, kind, mode, gid } of nodes) {
    const todo = kind === 'nvidia' ? NVIDIA : undefined
    if ((mode & 0o006) !== 0)
      report.found('ACCELERATOR_OPEN', `mode ${mode.toString(8)}`, { where: path, todo })
    else if ((mode & 0o060) !== 0) {
      const accounts = report.need(['ACCELERATOR_SHARED'], await host.accounts(), path)
      // Root needs no group.
      const sharing =
        accounts?.users.filter(user => user.uid !== 0 && groupsOf(user, accounts).has(gid)) ?? []
      if (sharing.length === 0) continue
      const group = accounts?.groups.find(other => other.gid === gid)?.name ?? `group ${gid}`
      const names = sharing.map(({ name }) => name).join(', ')
      report.found('ACCELERATOR_SHARED', `mode ${mode.toString(8)}; in ${group} are ${names}`, {
        where: path,
      })
    }
  }
}

async function lookAtClasses(
  host: Host,
  nodes: readonly Accelerator[],
  report: AcceleratorsReport,
): Promise<void> {
  // Nodes of a display are not what computes; a driver's other nodes come with it.
  const main = nodes.filter(({ path }) => /\/(?:nvidiactl|kfd|renderD[0-9]+|accel[0-9]+)$/.test(path))
  if (main.length === 0) return
  const launcher = report.need(['ACCELERATOR_UNNAMED'], await host.launcher(), host.launcherPath)
  if (launcher === null) return
  for (const { path } of main) {
    const named = launcher.devices.some(({ patterns }) =>
      patterns.some(glob => posix.matchesGlob(path, glob)),
    )
    if (!named) report.found('ACCELERATOR_UNNAMED', 'no device class has it', { where: path })
  }
}

async function lookAtModule({ probes: { files } }: Host, report: AcceleratorsReport): Promise<void> {
  const where = '/proc/driver/nvidia/params'
  const look = await files.read(where)
  if (!look.seen && look.why === 'missing') return
  const params = report.need(['ACCELERATOR_OPEN'], look, where)?.toString('latin1')
  if (
    params === undefined ||
    !/^ModifyDeviceFiles: 1$/m.test(params) ||
    !/^DeviceFileMode: 438$/m.test(params)
  )
    return
  const what = 'the module makes its nodes with mode 0666, whatever they are set to'
  report.found('ACCELERATOR_OPEN', what, { where, todo: NVIDIA })
}
