import { existsSync, readdirSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { type Attempt, CALLER } from './attempt.ts'
import { EXCESSES } from './excesses.ts'

/** Of a cgroup v1 hierarchy; empty where there is none. */
function releaseAgent(): string {
  const hierarchies = existsSync('/sys/fs/cgroup') ? readdirSync('/sys/fs/cgroup') : []
  return hierarchies.map(name => `/sys/fs/cgroup/${name}/release_agent`).find(existsSync) ?? ''
}

/** An address of the host that is not its loopback's; empty when there is none. */
function hostAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap(list => list ?? [])
  return addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? ''
}

const caller = [`uid=${CALLER}`]
const kernel = (name: string, refused: RegExp, like?: string): Attempt => ({
  name,
  ...(like === undefined ? {} : { like }),
  run: () => [name],
  refused,
})

/** Each is made twice: under a naive launcher, where it succeeds, and under Writ, where it has to fail. */
export const ATTEMPTS: readonly Attempt[] = [
  // The kernel: mounts, namespaces, and calls that have opened kernels before.
  kernel('mount', /EPERM/, 'CVE-2019-19921, CVE-2023-27561 (runc): mounting over what the runtime reads'),
  kernel('bind-mount', /EPERM/, 'CVE-2019-18837 (crun), CVE-2021-30465 (runc)'),
  kernel('fsopen', /EPERM/, 'CVE-2022-0185: the new mount calls from inside'),
  kernel('open-tree', /EPERM/),
  kernel('chroot', /EPERM/, 'chroot break-out; CVE-2025-32463 (sudo --chroot)'),
  { ...kernel('user-namespace', /EPERM/, 'CVE-2020-5291 (bubblewrap), CVE-2024-1086'), naive: caller },
  kernel('mount-namespace', /EPERM/),
  { ...kernel('clone', /EPERM/, 'a user namespace by the flags of clone'), naive: caller },
  { ...kernel('clone3', /ENOSYS/, 'flags in memory, where no filter looks'), naive: caller },
  kernel('setns', /EPERM/),
  kernel('file-handle', /EPERM/, 'Shocker (Docker, 2014)'),
  kernel('bpf', /EPERM/, 'CVE-2021-3490, CVE-2023-2163'),
  { ...kernel('io-uring', /EPERM/, 'CVE-2023-2598; system calls that no filter sees'), naive: caller },
  kernel('userfaultfd', /EPERM/, 'CVE-2016-6516 and others: a window for races in the kernel'),
  kernel('perf', /EPERM/),
  { ...kernel('add-key', /EPERM/, 'CVE-2016-0728'), naive: caller },
  { ...kernel('session-keyring', /EPERM/, 'keyrings are in no namespace'), naive: caller },
  kernel('kernel-log', /EPERM/),
  kernel('clock', /EPERM/),
  kernel('reboot', /EPERM/),
  kernel('host-name', /EPERM/),
  { ...kernel('personality', /EPERM/), naive: caller },
  kernel('fanotify', /EPERM/),
  kernel('priority', /EACCES/),
  {
    ...kernel('other-entry', /SIGSYS/, 'the 32-bit table past a filter'),
    naive: caller,
    on: () => process.arch === 'x64',
  },

  // The kernel's files.
  {
    name: 'core-pattern',
    like: 'CVE-2022-0811 (cri-o), CVE-2025-31133, CVE-2025-52881 (runc): what the kernel starts as root',
    run: () => ['rewrite', '/proc/sys/kernel/core_pattern'],
    refused: /EROFS|EACCES/,
  },
  {
    name: 'sysrq',
    like: 'CVE-2025-52881 (runc)',
    on: () => existsSync('/proc/sysrq-trigger'),
    run: () => ['write-text', '/proc/sysrq-trigger', 'h'],
    refused: /EROFS|EACCES/,
  },
  {
    name: 'release-agent',
    like: 'CVE-2022-0492',
    on: () => releaseAgent() !== '',
    run: () => ['open-to-write', releaseAgent()],
    refused: /EROFS|EACCES/,
  },
  {
    name: 'leave-cgroup',
    like: 'CVE-2023-25809 (runc): a writable /sys/fs/cgroup',
    run: ({ cgroup }) => ['write-text', `${cgroup}/cgroup.procs`, '0'],
    refused: /EROFS|EACCES/,
  },
  {
    name: 'make-cgroup',
    run: ({ cgroup }) => ['directory', cgroup],
    refused: /EROFS/,
  },
  {
    name: 'change-dev',
    like: 'CVE-2025-31133 (runc): /dev/null replaced by a link',
    run: () => ['symlink', '/dev'],
    refused: /EROFS|EACCES/,
  },
  {
    name: 'console',
    like: 'CVE-2025-52565 (runc): /dev/console',
    run: () => ['open-to-write', '/dev/console'],
    refused: /ENOENT/,
  },
  { name: 'kernel-message', run: () => ['open-to-write', '/dev/kmsg'], refused: /ENOENT/ },
  {
    name: 'make-device',
    like: 'a node of one’s own for a device that was not given',
    run: () => ['make-device'],
    refused: /EPERM/,
  },

  // Files of the host and of the caller.
  {
    name: 'write-outside',
    run: ({ directory }) => ['create', `${directory}/created`],
    refused: /EROFS/,
  },
  { name: 'overwrite', run: ({ directory }) => ['overwrite', `${directory}/victim`], refused: /EROFS/ },
  { name: 'remove', run: ({ directory }) => ['remove', `${directory}/removable`], refused: /EROFS/ },
  {
    name: 'read-callers-secret',
    like: 'CVE-2021-23239, CVE-2020-8016 (sudo, podman): reading with another’s rights',
    naive: caller,
    run: ({ directory }) => ['read', `${directory}/callers-secret`],
    refused: /EACCES/,
  },
  {
    name: 'read-roots-secret',
    run: ({ directory }) => ['read', `${directory}/roots-secret`],
    refused: /EACCES/,
  },
  {
    name: 'kept-group',
    like: 'CVE-2022-2989 (podman), CVE-2022-36109 (moby): supplementary groups',
    naive: caller,
    run: ({ directory }) => ['read', `${directory}/for-group-0`],
    order: () => ({ user: { uid: CALLER, gid: CALLER } }),
    refused: /EACCES/,
  },
  {
    name: 'linked-writable-path',
    like: 'CVE-2024-42472 (flatpak), CVE-2021-30465 (runc): a writable path that is a link',
    run: ({ writable }) => ['overwrite', `${writable}/link/victim`],
    order: ({ writable }) => ({ writable: [`${writable}/link`] }),
    refused: /WRITABLE_REFUSED/,
  },
  {
    name: 'link-out-of-writable-path',
    run: ({ writable }) => ['overwrite', `${writable}/link/victim`],
    order: ({ writable }) => ({ writable: [writable] }),
    refused: /EROFS/,
  },
  {
    name: 'temporary-file-of-another',
    like: 'CVE-2019-12439 (bubblewrap): a shared /tmp',
    naive: caller,
    run: ({ temporary }) => ['read', temporary],
    refused: /ENOENT/,
  },

  // What the launcher has, and how it came by it.
  {
    name: 'leaked-directory',
    like: 'CVE-2024-21626 (runc), CVE-2016-9962 (runc)',
    naive: caller,
    run: () => ['leaked-directory'],
    refused: /EBADF/,
  },
  { name: 'leaked-file', naive: caller, run: () => ['leaked-file'], refused: /EBADF/ },
  {
    name: 'leaked-place',
    like: 'CVE-2024-21626 (runc): the working directory of the launcher',
    naive: caller,
    run: () => ['leaked-place'],
    refused: /ENOENT/,
  },
  {
    name: 'leaked-environment',
    like: 'CVE-2023-22809 (sudo), CVE-2023-4911 (GLIBC_TUNABLES), LD_PRELOAD',
    naive: caller,
    run: () => ['environment', 'WRIT_ESCAPE_SECRET'],
    refused: /ENOENT/,
  },
  {
    name: 'launcher-executable',
    like: 'CVE-2019-5736 (runc)',
    run: () => ['launcher-executable'],
    refused: /ENOENT|EACCES/,
  },
  kernel('parent-memory', /ENOENT|EACCES/, 'CVE-2016-9962 (runc)'),
  kernel('parent-environment', /ENOENT|EACCES/),
  kernel('parent-root', /ENOENT|EACCES/, 'the root directory of a process outside'),
  kernel('process-memory', /EPERM/),
  kernel('steal-descriptor', /EPERM/),
  kernel('trace-parent', /EPERM/, 'CVE-2014-6407, CVE-2016-9962'),
  { ...kernel('trace-me', /EPERM/, 'CVE-2019-13272 (pkexec and PTRACE_TRACEME)'), naive: caller },
  {
    name: 'trace-callers-process',
    like: 'sudo: a ticket taken from a process of the same user',
    naive: caller,
    run: ({ victim }) => ['trace', String(victim)],
    refused: /EPERM/,
  },
  {
    name: 'signal-callers-process',
    naive: caller,
    run: ({ victim }) => ['signal', String(victim)],
    order: () => ({ user: { uid: CALLER, gid: CALLER } }),
    refused: /ESRCH/,
  },
  {
    name: 'see-callers-process',
    like: 'arguments and environments of others in /proc',
    naive: caller,
    run: ({ victim }) => ['read', `/proc/${victim}/environ`],
    order: () => ({ user: { uid: CALLER, gid: CALLER } }),
    refused: /ENOENT/,
  },
  {
    name: 'shared-memory',
    naive: caller,
    run: ({ sharedMemory }) => ['shared-memory', String(sharedMemory)],
    order: () => ({ user: { uid: CALLER, gid: CALLER } }),
    refused: /EINVAL/,
  },

  // Executing what was not hashed.
  {
    name: 'execute-from-tmp',
    naive: caller,
    run: () => ['execute-written', '/tmp'],
    refused: /EACCES/,
  },
  {
    name: 'execute-from-shared-memory',
    naive: caller,
    run: () => ['execute-written', '/dev/shm'],
    refused: /EACCES/,
  },
  {
    name: 'execute-from-writable-path',
    run: ({ writable }) => ['execute-written', writable],
    order: ({ writable }) => ({ writable: [writable] }),
    refused: /EACCES/,
  },
  {
    name: 'execute-from-memory',
    like: 'what was never in a file; Linux 6.3 and later',
    naive: caller,
    on: () => existsSync('/proc/sys/vm/memfd_noexec'),
    run: () => ['execute-memfd'],
    refused: /EACCES/,
  },
  {
    name: 'execute-by-loader',
    like: 'ld.so PROGRAM: the loader maps what may not be executed',
    naive: caller,
    run: ({ loader, directory }) => ['execute-by-loader', loader, `${directory}/dynamic`],
    refused: /exit 127/,
  },
  { name: 'map-written', naive: caller, run: () => ['map-written', '/tmp'], refused: /EPERM/ },

  // Being somebody else.
  {
    name: 'set-user-id',
    like: 'CVE-2021-3156 (sudo), CVE-2021-4034 (pkexec): a program with a set-user-id bit',
    naive: caller,
    run: ({ directory }) => ['privileged', `${directory}/set-user-id`, 'be-root'],
    refused: /EPERM/,
  },
  {
    name: 'file-capability',
    naive: caller,
    run: ({ directory }) => ['privileged', `${directory}/capable`, 'read', `${directory}/roots-secret`],
    refused: /EACCES|EPERM/,
  },
  kernel('become-root', /EPERM/),
  kernel('become-other', /EPERM/),
  kernel('groups', /EPERM/),
  kernel('ambient', /EPERM/, 'CVE-2022-24769 (moby), CVE-2022-27650 (crun), CVE-2022-29162 (runc)'),
  kernel('secure-bits', /EPERM/),
  {
    name: 'user-4294967295',
    like: 'CVE-2019-14287 (sudo -u#-1)',
    naive: ['uid=4294967295'],
    run: () => ['be-root'],
    order: () => ({ user: { uid: 0xffff_ffff, gid: 0xffff_ffff } }),
    refused: /EPERM/,
  },

  // Terminals.
  {
    name: 'type',
    like: 'CVE-2017-5226 (bubblewrap), CVE-2016-2568 (pkexec), CVE-2005-4890 (sudo): TIOCSTI',
    naive: ['terminal'],
    run: () => ['type'],
    refused: /EPERM/,
  },
  {
    name: 'type-wide',
    like: 'CVE-2019-10063 (flatpak): TIOCSTI with a bit above the 32 that count',
    naive: ['terminal'],
    run: () => ['type-wide'],
    refused: /EPERM/,
  },
  {
    name: 'line-discipline',
    like: 'CVE-2017-2636, CVE-2020-14416: a discipline with a bug, whose module the kernel loads for it',
    naive: ['terminal'],
    run: () => ['line-discipline'],
    refused: /EPERM/,
  },
  {
    name: 'console-selection',
    like: 'CVE-2023-1523 (snapd), CVE-2023-28100 (flatpak): TIOCLINUX',
    on: () => existsSync('/dev/tty0'),
    run: () => ['console', '/dev/tty0'],
    refused: /EPERM/,
  },
  {
    name: 'controlling-terminal',
    like: 'sudo without use_pty: the caller’s terminal stays the program’s',
    naive: [...caller, 'terminal'],
    run: () => ['controlling-terminal'],
    refused: /ENXIO|ENOENT/,
  },

  // Networks.
  {
    name: 'host-loopback',
    like: 'CVE-2020-8558 (kube-proxy): services on 127.0.0.1',
    naive: caller,
    run: ({ port }) => ['tcp', '127.0.0.1', String(port)],
    refused: /ENETUNREACH/,
  },
  {
    name: 'host-loopback-from-an-own-one',
    naive: caller,
    run: ({ port }) => ['tcp', '127.0.0.1', String(port)],
    order: () => ({ network: 'loopback' }),
    refused: /ECONNREFUSED/,
  },
  {
    name: 'outside',
    like: 'data that leaves by a route; metadata services',
    naive: caller,
    run: ({ port }) => ['tcp', hostAddress(), String(port)],
    on: () => hostAddress() !== '',
    refused: /ENETUNREACH/,
  },
  {
    name: 'abstract-socket',
    like: 'CVE-2020-15257 (containerd)',
    naive: caller,
    run: ({ abstract }) => ['unix', `@${abstract}`],
    refused: /ECONNREFUSED/,
  },
  {
    name: 'abstract-socket-on-the-hosts-network',
    like: 'CVE-2020-15257 (containerd)',
    naive: caller,
    run: ({ abstract }) => ['unix', `@${abstract}`],
    order: () => ({ network: 'host' }),
    refused: /EPERM/,
  },
  {
    name: 'socket-in-run',
    like: 'a runtime’s or a service’s control socket',
    naive: caller,
    run: ({ socket }) => ['unix', socket],
    refused: /ENOENT/,
  },
  kernel('packet', /EAFNOSUPPORT/, 'CVE-2017-7308, CVE-2020-14386'),
  kernel('raw', /EPERM/),
  { ...kernel('vsock', /EAFNOSUPPORT/, 'the hypervisor, from any network namespace'), naive: caller },
  { ...kernel('vsock-pair', /EAFNOSUPPORT/, 'code of a family of sockets, by way of a pair'), naive: caller },
  kernel('configure', /EPERM/),

  ...EXCESSES,
]
