import { posix } from 'node:path'
import { readAccelerators, valueIn } from '../../probe/index.ts'
import { defineArea } from '../area.ts'

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
    const nodes = await readAccelerators(host.probes.files)
    if (nodes.length === 0) return
    const { groups } = await host.accounts()
    for (const { path, kind, mode, gid } of nodes) {
      if ((mode & 0o006) !== 0)
        report.found('ACCELERATOR_OPEN', `mode ${mode.toString(8)}`, {
          where: path,
          todo: kind === 'nvidia' ? NVIDIA : undefined,
        })
      else if ((mode & 0o060) !== 0) {
        const group = groups.find(other => other.gid === gid)
        if (group !== undefined && group.members.length > 0)
          report.found(
            'ACCELERATOR_SHARED',
            `mode ${mode.toString(8)}; in ${group.name} are ${group.members.join(', ')}`,
            {
              where: path,
            },
          )
      }
    }
    const launcher = await host.launcher()
    // Nodes of a display are not what computes; a driver's other nodes come with it.
    const main = nodes.filter(({ path }) => /\/(?:nvidiactl|kfd|renderD[0-9]+|accel[0-9]+)$/.test(path))
    if (launcher === null) report.skip(['ACCELERATOR_UNNAMED'], 'launchd.conf cannot be read')
    else
      for (const { path } of main) {
        const named = launcher.devices.some(({ patterns }) =>
          patterns.some(glob => posix.matchesGlob(path, glob)),
        )
        if (!named) report.found('ACCELERATOR_UNNAMED', 'no device class has it', { where: path })
      }
    const params = valueIn(await host.probes.files.read('/proc/driver/nvidia/params'))?.toString('latin1')
    if (
      params !== undefined &&
      /^ModifyDeviceFiles: 1$/m.test(params) &&
      /^DeviceFileMode: 438$/m.test(params)
    )
      report.found(
        'ACCELERATOR_OPEN',
        'the module makes its nodes with mode 0666, whatever they are set to',
        {
          where: '/proc/driver/nvidia/params',
          todo: NVIDIA,
        },
      )
  },
})
