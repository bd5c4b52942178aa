import { type SpaceFacts, valueIn } from '../../probe/index.ts'
import { type AreaReport, defineArea } from '../area.ts'
import type { Host } from '../host.ts'

const MIB = 1 << 20
/** Below this the daemon is about to deny for want of room: it keeps some back for ends and kills. */
const NO_ROOM = 64 * MIB
const LITTLE_ROOM = 1024 * MIB
const FEW_INODES = 10_000

/** `f_type` of file systems (linux/magic.h), and what becomes of data on them. */
const TYPES: ReadonlyMap<number, { readonly name: string; readonly fate: 'gone' | 'unsure' }> = new Map([
  [0x01021994, { name: 'tmpfs', fate: 'gone' }],
  [0x858458f6, { name: 'ramfs', fate: 'gone' }],
  [0x794c7630, { name: 'overlayfs', fate: 'unsure' }],
  [0x6969, { name: 'NFS', fate: 'unsure' }],
  [0xfe534d42, { name: 'SMB', fate: 'unsure' }],
  [0xff534d42, { name: 'CIFS', fate: 'unsure' }],
  [0x01021997, { name: '9p', fate: 'unsure' }],
  [0x65735546, { name: 'FUSE', fate: 'unsure' }],
  [0x4d44, { name: 'FAT', fate: 'unsure' }],
])

export const DISK = defineArea({
  name: 'disk',
  title: 'the disk of the state directory: room, and kept what was written',
  findings: {
    DISK_FULL: {
      severity: 'error',
      what: 'there is no room left',
      why: 'Every request needs an entry of the lineage: without room everything is denied.',
      todo: 'Make room; lower lineage.evidence_max_bytes of writd.toml and reload.',
    },
    DISK_LOW: {
      severity: 'warning',
      what: 'there is little room left',
      why: 'When it is used up everything is denied.',
      todo: 'Make room; lower lineage.evidence_max_bytes of writd.toml and reload.',
    },
    INODES_LOW: {
      severity: 'error',
      what: 'there are few inodes left',
      why: 'Evidence is kept in files: without an inode nothing can be recorded.',
      todo: 'Remove what has many small files, or give the state directory a file system of its own.',
    },
    EVIDENCE_BOUND: {
      severity: 'warning',
      what: 'the bound of evidence does not fit the disk',
      why: 'The disk is full before the oldest evidence goes.',
      todo: 'Set lineage.evidence_max_bytes of writd.toml to less than the room that there is, and reload.',
    },
    DISK_READ_ONLY: {
      severity: 'error',
      what: 'the file system is mounted read-only',
      why: 'Nothing can be recorded, so everything is denied. Kernels do that after an error of the disk.',
      todo: 'See `dmesg`; check the file system before it is mounted for writing again.',
    },
    FILE_SYSTEM_VOLATILE: {
      severity: 'error',
      what: 'the state is on a file system in memory',
      why: "The lineage is gone at the next boot, and the TPM's counter says so: the host starts rolled back.",
      todo: 'Mount a disk at the state directory.',
    },
    FILE_SYSTEM_UNSURE: {
      severity: 'warning',
      what: 'the state is on a file system that may not keep what it said that it has written',
      why: 'The lineage relies on fsync and rename; after a crash it could be found damaged.',
      todo: 'Use ext4, xfs or btrfs on a local disk.',
    },
  },
  async look(host, report) {
    const state = await host.stateDirectory()
    if (!state.seen) {
      report.skipRest(state, { where: host.configPath })
      return
    }
    const where = state.value
    const space = await host.probes.files.space(where)
    if (!space.seen) {
      report.skipRest(space.why === 'missing' ? 'there is no state directory yet' : space, { where })
      return
    }
    lookAtRoom(space.value, where, report)
    lookAtType(space.value, where, report)
    await lookAtBound(host, space.value, report)
    await lookAtMount(host, where, report)
  },
})

type DiskReport = AreaReport<keyof typeof DISK.findings & string>

function lookAtRoom(
  { bytesFree, bytesTotal, inodesTotal, inodesFree }: SpaceFacts,
  where: string,
  report: DiskReport,
): void {
  const left = `${mebibytes(bytesFree)} of ${mebibytes(bytesTotal)} are free`
  if (bytesFree < NO_ROOM) report.found('DISK_FULL', left, { where })
  else if (bytesFree < LITTLE_ROOM && bytesFree < bytesTotal / 10) report.found('DISK_LOW', left, { where })
  if (inodesTotal > 0 && inodesFree < FEW_INODES)
    report.found('INODES_LOW', `${inodesFree} of ${inodesTotal} are free`, { where })
}

function lookAtType({ type }: SpaceFacts, where: string, report: DiskReport): void {
  const known = TYPES.get(type >>> 0)
  if (known?.fate === 'gone') report.found('FILE_SYSTEM_VOLATILE', `it is ${known.name}`, { where })
  if (known?.fate === 'unsure') report.found('FILE_SYSTEM_UNSURE', `it is ${known.name}`, { where })
}

async function lookAtBound(host: Host, space: SpaceFacts, report: DiskReport): Promise<void> {
  const values = report.need(['EVIDENCE_BOUND'], await host.values(), host.configPath)
  const most = values?.lineage.evidenceMaxBytes
  if (values === null || (most !== undefined && most <= space.bytesFree)) return
  const said = valueIn(await host.status())?.evidence?.bytes
  if (most === undefined || said === undefined) {
    report.skip(['EVIDENCE_BOUND'], 'how much is kept, and how much may be, is not known')
    return
  }
  const taken = Number(said)
  if (most > taken + space.bytesFree)
    report.found(
      'EVIDENCE_BOUND',
      `${mebibytes(most)} may be kept, and there is room for ${mebibytes(taken + space.bytesFree)}`,
      {
        where: host.configPath,
      },
    )
}

async function lookAtMount({ probes }: Host, where: string, report: DiskReport): Promise<void> {
  const from = '/proc/self/mounts'
  const mounts = report.need(['DISK_READ_ONLY'], await probes.files.read(from), from)
  if (mounts === null) return
  const options = mountOptions(mounts.toString('utf8'), where)
  if (options === null) report.skip(['DISK_READ_ONLY'], 'it does not say what is mounted there', from)
  else if (options.includes('ro'))
    report.found('DISK_READ_ONLY', 'it is mounted with the option ro', { where })
}

/** Options of what is mounted nearest above a path, the last of several; null where nothing is said (proc_pid_mounts(5)). */
export function mountOptions(mounts: string, path: string): readonly string[] | null {
  let best: { at: string; options: readonly string[] } | null = null
  for (const line of mounts.split('\n')) {
    const [, at, , options] = line.split(' ')
    if (at === undefined || options === undefined) continue
    const plain = at.replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    )
    const above = plain === '/' || path === plain || path.startsWith(`${plain}/`)
    if (above && plain.length >= (best?.at.length ?? 0)) best = { at: plain, options: options.split(',') }
  }
  return best?.options ?? null
}

function mebibytes(bytes: number): string {
  return `${(bytes / MIB).toFixed(0)} MiB`
}
