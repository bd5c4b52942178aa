import type { HierarchyState, TpmUse, TpmVendor } from '../../attestation/tpm2/index.ts'
import type { AttestationStatus } from '../../proto/generated/writ/v1/AttestationStatus.ts'
import type { Look } from './look.ts'

/**
 * Everything that is looked at on a host, so that what is concluded from it needs no host: the checks of `writ doctor` and the steps of
 * `writ setup` are judged in tests by recorded and by faked ones. `live.ts` has the real ones, each as thin as it can be. Nothing
 * here changes anything, throws, or waits longer than some seconds.
 */
export interface Probes {
  /** The effective uid of whoever looks; 0 sees everything. */
  readonly euid: number
  readonly files: FileProbe
  readonly tpm: TpmProbe
  readonly kernel: KernelProbe
  readonly services: ServiceProbe
  readonly daemon: DaemonProbe
}

export interface FileFacts {
  readonly kind: 'file' | 'directory' | 'link' | 'socket' | 'character-device' | 'block-device' | 'pipe'
  /** Permission bits, with those for set-uid, set-gid and sticky: 0 to 0o7777. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  /** When its content was last changed, in milliseconds since 1970. */
  readonly mtimeMs: number
}

/** A file system, by statfs(2). */
export interface SpaceFacts {
  /** `f_type`: a magic number of linux/magic.h. */
  readonly type: number
  readonly bytesTotal: number
  /** That unprivileged users can have. */
  readonly bytesFree: number
  /** 0 where the file system has no fixed number of them. */
  readonly inodesTotal: number
  readonly inodesFree: number
}

/** Files by the absolute paths that they have on the host. */
export interface FileProbe {
  /** @param most bytes that are read; a longer file is `failed`. Default 1 MiB. */
  read(path: string, most?: number): Promise<Look<Buffer>>
  /** The file itself, or what a link leads to. */
  stat(path: string): Promise<Look<FileFacts>>
  /** SHA-256 of a regular file of whatever size, in lower-case hexadecimal. */
  sha256(path: string): Promise<Look<string>>
  /** As {@link stat}, of the link itself. */
  lstat(path: string): Promise<Look<FileFacts>>
  /** Where a link leads, as it says. */
  link(path: string): Promise<Look<string>>
  /** Names in a directory, sorted; at most 100,000. */
  list(path: string): Promise<Look<readonly string[]>>
  /** The file system that a path is on. */
  space(path: string): Promise<Look<SpaceFacts>>
}

export interface TpmFacts {
  readonly vendor: TpmVendor
  readonly hierarchies: HierarchyState
  readonly use: TpmUse
  /** Banks that have PCRs, with them. */
  readonly banks: readonly { readonly bank: string; readonly pcrs: readonly number[] }[]
  /** DER of the EK's certificate; null: the TPM has none. */
  readonly ekCertificate: Buffer | null
  readonly ekIntermediates: readonly Buffer[]
  readonly persistentHandles: readonly number[]
  /** NV indices that are defined. */
  readonly nvIndices: readonly number[]
}

export interface TpmProbe {
  /** As `--tpm` has it. */
  readonly where: string
  /**
   * What the TPM says of itself, asked once. `code` of what was not seen is what the TPM answered (`0x902`), the name of the system's error
   * (`EBUSY`), or a TpmErrorCode.
   */
  facts(): Promise<Look<TpmFacts>>
}

/** What the kernel can do of what Writ builds on, found by trying. */
export interface KernelFeatures {
  /** Version of Landlock; 0: the kernel has none, or it is switched off. */
  readonly landlock: number
  readonly seccomp: boolean
  /** SO_PEERPIDFD: the kernel names the process that connected (Linux 6.5). */
  readonly peerPidfd: boolean
  /** memfds that cannot be executed: MFD_NOEXEC_SEAL (Linux 6.3). */
  readonly memfdNoexec: boolean
  /** F_SEAL_FUTURE_WRITE (Linux 5.1), on which the lease page rests. */
  readonly sealFutureWrite: boolean
  /** Filters of devices for cgroups, by BPF; null: only root can find out. */
  readonly deviceFilter: boolean | null
}

export interface ClockFacts {
  /** Milliseconds since 1970. */
  readonly now: number
  /** Seconds since the boot, with those in suspend. */
  readonly sinceBoot: number
  /** Seconds in suspend since the boot. */
  readonly suspended: number
  /** Whether something keeps it by another clock (adjtimex(2), STA_UNSYNC). */
  readonly synchronized: boolean
  /** Most that it is wrong by, as the kernel believes. */
  readonly maxErrorMs: number
}

export interface KernelProbe {
  features(): Promise<Look<KernelFeatures>>
  clock(): Promise<Look<ClockFacts>>
}

/** What `systemctl show` says of a unit. */
export interface UnitFacts {
  /** `loaded`, `not-found`, `masked`, `bad-setting`, … */
  readonly load: string
  /** `active`, `inactive`, `failed`, `activating`, … */
  readonly active: string
  readonly sub: string
  /** `enabled`, `disabled`, `masked`, `static`, …; empty where there is no file. */
  readonly file: string
  /** Where it was read from; empty where there is none. */
  readonly path: string
  readonly dropIns: readonly string[]
  readonly needsReload: boolean
  /** `success`, or why it failed last. */
  readonly result: string
  /** 0: none. */
  readonly mainPid: number
  readonly restarts: number
  /** When it became active last, in milliseconds since 1970, to the second; null: never. */
  readonly since: number | null
}

export interface ServiceProbe {
  /** `unsupported` where systemd does not run the host. */
  unit(name: string): Promise<Look<UnitFacts>>
}

export interface DaemonProbe {
  /** Where its socket is. */
  readonly socket: string
  /** What the running daemon says of itself. */
  status(): Promise<Look<AttestationStatus>>
}
