import { type KernelFeatures, lackingControllers, readCgroup, valueIn } from '../../probe/index.ts'
import { type AreaReport, defineArea } from '../area.ts'
import type { Host } from '../host.ts'

/** Since when `ioctl` on devices is walled off (5), and abstract sockets are (6): docs/launcher.md. */
const LANDLOCK = 6
/** Kinds of namespaces that an execution gets, each with a limit of the host (namespaces(7)). */
const NAMESPACES = ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'uts'] as const

export const KERNEL = defineArea({
  name: 'kernel',
  title: 'the kernel: has what the sandbox and the lease are made of',
  findings: {
    IN_CONTAINER: {
      severity: 'error',
      what: 'this runs in a container',
      why: "The daemon attests the host, and holds what runs there: in a container it has neither the host's TPM and logs nor its cgroups.",
      todo: 'Install the package on the host, and run `writ doctor` there.',
    },
    CGROUP_V2_MISSING: {
      severity: 'error',
      what: 'there is no cgroup v2 hierarchy',
      why: 'Executions could neither be held nor ended; the launcher does not start.',
      todo: 'Boot without `systemd.unified_cgroup_hierarchy=0`.',
    },
    CGROUP_CONTROLLER: {
      severity: 'warning',
      what: 'the v2 hierarchy lacks a controller',
      why: 'Artifacts that limit what it controls are denied (ENVIRONMENT_MISMATCH).',
      todo: 'Take `cgroup_disable=` and cgroup v1 mounts out of the boot.',
    },
    LANDLOCK_MISSING: {
      severity: 'error',
      what: 'the kernel has no Landlock',
      why: 'One wall around executions is not there; the launcher does not start unless launchd.conf says `landlock = optional`.',
      todo: 'Have landlock in the list `lsm=` of the command line, or boot a kernel with CONFIG_SECURITY_LANDLOCK.',
    },
    LANDLOCK_OLD: {
      severity: 'warning',
      what: 'Landlock is of an early version',
      why: 'It does not wall off devices (before 5) or abstract sockets of the host (before 6).',
      todo: 'Boot Linux 6.12 or newer.',
    },
    SECCOMP_MISSING: {
      severity: 'error',
      what: 'the kernel has no seccomp filters',
      why: 'No execution can be made.',
      todo: 'Boot a kernel with CONFIG_SECCOMP_FILTER.',
    },
    LEASE_UNSAFE: {
      severity: 'error',
      what: 'memory cannot be sealed against later writers (F_SEAL_FUTURE_WRITE)',
      why: 'The lease page rests on it; nothing can be started.',
      todo: 'Boot Linux 5.1 or newer.',
    },
    PEER_PIDFD: {
      severity: 'warning',
      what: 'the kernel does not name the process that connects (SO_PEERPIDFD)',
      why: 'Artifacts for certain programs of the caller are denied (INITIATOR_MISMATCH).',
      todo: 'Boot Linux 6.5 or newer.',
    },
    MEMFD_NOEXEC: {
      severity: 'warning',
      what: 'memory files cannot be made not executable',
      why: 'A workload can execute what it made in memory.',
      todo: 'Boot Linux 6.3 or newer.',
    },
    DEVICE_FILTER: {
      severity: 'warning',
      what: 'the kernel takes no filter of devices for cgroups',
      why: 'The private /dev is the only wall around devices.',
      todo: 'Boot a kernel with CONFIG_CGROUP_BPF.',
    },
    NAMESPACES_OFF: {
      severity: 'error',
      what: 'the host allows no namespaces of a kind',
      why: 'No execution can be made.',
      todo: 'Remove the setting from /etc/sysctl.d (`user.max_*_namespaces`).',
    },
  },
  async look(host, report) {
    const container = report.need(['IN_CONTAINER'], await host.container())
    if (container !== null) report.found('IN_CONTAINER', `of the kind ${container}`)
    const cgroup = await readCgroup(host.probes.files)
    if (!cgroup.seen) {
      if (cgroup.why === 'missing')
        report.found('CGROUP_V2_MISSING', 'neither at /sys/fs/cgroup nor at /sys/fs/cgroup/unified')
      report.skip(['CGROUP_V2_MISSING', 'CGROUP_CONTROLLER'], cgroup)
    } else {
      const lacking = lackingControllers(cgroup.value)
      if (lacking.length > 0)
        report.found('CGROUP_CONTROLLER', `it lacks ${lacking.join(', ')}`, { where: cgroup.value.path })
    }
    const features = report.need(OF_FEATURES, await host.probes.kernel.features())
    if (features !== null) await lookAtFeatures(host, features, report)
    for (const kind of NAMESPACES) {
      const where = `/proc/sys/user/max_${kind}_namespaces`
      const most = report.need(['NAMESPACES_OFF'], await host.probes.files.read(where), where)
      if (most?.toString().trim() === '0') report.found('NAMESPACES_OFF', `${kind}: at most 0`, { where })
    }
  },
})

const OF_FEATURES = [
  'LANDLOCK_MISSING',
  'LANDLOCK_OLD',
  'SECCOMP_MISSING',
  'LEASE_UNSAFE',
  'PEER_PIDFD',
  'MEMFD_NOEXEC',
  'DEVICE_FILTER',
] as const

async function lookAtFeatures(
  host: Host,
  { landlock, seccomp, sealFutureWrite, peerPidfd, memfdNoexec, deviceFilter }: KernelFeatures,
  report: AreaReport<keyof typeof KERNEL.findings & string>,
): Promise<void> {
  if (landlock === 0) {
    const optional = valueIn(await host.launcher())?.landlock === 'optional'
    report.found(
      'LANDLOCK_MISSING',
      optional ? 'and launchd.conf lets executions run without' : 'or it is switched off',
    )
  } else if (landlock < LANDLOCK) report.found('LANDLOCK_OLD', `it has version ${landlock}`)
  if (!seccomp) report.found('SECCOMP_MISSING', 'there is no action to end a process')
  if (!sealFutureWrite) report.found('LEASE_UNSAFE', 'the seal is refused')
  if (!peerPidfd) report.found('PEER_PIDFD', 'the socket option is unknown')
  if (!memfdNoexec) report.found('MEMFD_NOEXEC', 'the flag is unknown')
  if (deviceFilter === null) report.skip(['DEVICE_FILTER'], 'only root can try it')
  else if (!deviceFilter) report.found('DEVICE_FILTER', 'the program is refused')
}
