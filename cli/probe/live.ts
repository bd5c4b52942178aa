import type { TpmSelection } from '../tpm.ts'
import { liveDaemon } from './live/daemon.ts'
import { liveFiles } from './live/files.ts'
import { liveKernel } from './live/kernel.ts'
import { liveServices } from './live/services.ts'
import { liveTpm } from './live/tpm.ts'
import type { Probes } from './probes.ts'

export interface LiveOptions extends TpmSelection {
  /** The daemon's socket. */
  readonly socket: string
  /** What stands for `/`: files are looked at below it, and systemd is not asked then. Default: the host itself. */
  readonly root?: string | undefined
}

/** The host that this runs on. */
export function liveProbes({ tpm, socket, root = '' }: LiveOptions): Probes {
  return {
    euid: process.geteuid?.() ?? -1,
    files: liveFiles(root),
    tpm: liveTpm(tpm),
    kernel: liveKernel(),
    services: liveServices(root === ''),
    daemon: liveDaemon(socket),
  }
}
