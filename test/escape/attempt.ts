import type { LaunchOrder } from '../../daemon/launcher/types.ts'

/** Where the files lie that attempts are made at. All of it is made by the test and gone afterwards. */
export interface Places {
  /** Root's, mode 0755, below /var/tmp: what the private /tmp of an execution does not cover. */
  readonly directory: string
  readonly cgroup: string
  /** A socket in /run that everybody may connect to. */
  readonly socket: string
  readonly abstract: string
  readonly port: number
  /** A process of the user {@link CALLER}. */
  readonly victim: number
  readonly sharedMemory: number
  /** Bound by a writable path in every run that orders `writable`. */
  readonly writable: string
  /** In the host's /tmp, for everybody to read. */
  readonly temporary: string
  readonly loader: string
}

/** The user in whose name things are asked for; Writ never runs anything as that one unless its number is signed. */
export const CALLER = 64400

export interface Attempt {
  readonly name: string
  /** Published advisories of this kind, if there are any. */
  readonly like?: string
  /** Name and arguments of the attempt in `attempts/*.c`. */
  readonly run: (places: Places) => string[]
  /** How the naive launcher is told to start it: as root unless `uid=` says otherwise. */
  readonly naive?: string[]
  /** What is ordered beside the program. */
  readonly order?: (places: Places) => Partial<LaunchOrder>
  /** The errno, or signal, with which the wall says no. Another one would be another wall, or none. */
  readonly refused: RegExp
  /** Whether the host has what the attempt is about, where not every host does. */
  readonly on?: () => boolean
}
