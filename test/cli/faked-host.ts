import { createHash } from 'node:crypto'
import type { HostIdentity } from '../../attestation/tpm2/index.ts'
import {
  type ClockFacts,
  type FileFacts,
  type FileProbe,
  type KernelFeatures,
  type Look,
  type Probes,
  type SpaceFacts,
  seen,
  type TpmFacts,
  type UnitFacts,
  unseen,
} from '../../cli/probe/index.ts'
import type { AttestationStatus } from '../../proto/generated/writ/v1/AttestationStatus.ts'

/** A file of a {@link FakedHost}; what is not said is a file of root's with mode 0644. */
export interface FakedFile extends Partial<FileFacts> {
  readonly content?: string | Buffer
  readonly link?: string
  readonly denied?: boolean
}

/** A host in memory, of which everything can be chosen; see what the probes of a real one are in cli/probe. */
export class FakedHost {
  euid = 0
  readonly files = new Map<string, FakedFile>()
  tpm: Look<TpmFacts>
  features: Look<KernelFeatures>
  clock: Look<ClockFacts>
  space: SpaceFacts
  status: Look<AttestationStatus>
  readonly units = new Map<string, Look<UnitFacts>>()

  constructor(known: Pick<FakedHost, 'tpm' | 'features' | 'clock' | 'space' | 'status'>) {
    this.tpm = known.tpm
    this.features = known.features
    this.clock = known.clock
    this.space = known.space
    this.status = known.status
  }

  put(path: string, file: FakedFile | string | Buffer): void {
    this.files.set(path, typeof file === 'string' || Buffer.isBuffer(file) ? { content: file } : file)
  }

  /** Changes what is said of a file that is there. */
  change(path: string, over: Partial<FakedFile>): void {
    const file = this.files.get(path)
    if (file === undefined) throw new Error(`there is no ${path}`)
    this.files.set(path, { ...file, ...over })
  }

  probes(): Probes {
    return {
      euid: this.euid,
      files: this.#files(),
      tpm: { where: 'device:/dev/tpmrm0', facts: async () => this.tpm },
      kernel: { features: async () => this.features, clock: async () => this.clock },
      services: { unit: async name => this.units.get(name) ?? unseen('unsupported', 'no systemd') },
      daemon: { socket: '/run/writ/writd.sock', status: async () => this.status },
    }
  }

  #files(): FileProbe {
    const find = async <T>(path: string, work: (file: FakedFile) => T): Promise<Look<T>> => {
      const file = this.files.get(path)
      if (file?.denied === true) return unseen('denied', 'permission denied', 'EACCES')
      if (file === undefined && !this.#isDirectory(path))
        return unseen('missing', 'there is no such file', 'ENOENT')
      return seen(work(file ?? { kind: 'directory', mode: 0o755 }))
    }
    /** Where a link leads, if there is something. */
    const at = (path: string) => {
      const { link } = this.files.get(path) ?? {}
      return link !== undefined && this.files.has(link) ? link : path
    }
    const bytes = ({ content = '' }: FakedFile) => Buffer.from(content as string)
    return {
      read: (path, most = 1 << 20) =>
        find(at(path), bytes).then(look =>
          look.seen && look.value.length > most ? unseen('failed', `it has more than ${most} bytes`) : look,
        ),
      sha256: path => find(at(path), file => createHash('sha256').update(bytes(file)).digest('hex')),
      stat: path => find(at(path), factsOf),
      lstat: path => find(path, factsOf),
      link: path => find(path, ({ link = '' }) => link),
      list: path =>
        find(path, () => {
          const below = [...this.files.keys()].filter(other => other.startsWith(`${path}/`))
          return [...new Set(below.map(other => other.slice(path.length + 1).split('/')[0] ?? ''))].sort()
        }),
      space: path => find(path, () => this.space),
    }
  }

  #isDirectory(path: string): boolean {
    return [...this.files.keys()].some(other => other.startsWith(`${path}/`))
  }
}

function factsOf({ content = '', link, denied: _denied, ...facts }: FakedFile): FileFacts {
  const kind = link === undefined ? 'file' : 'link'
  return { kind, mode: 0o644, uid: 0, gid: 0, size: content.length, mtimeMs: 0, ...facts }
}

/** What the doctor reads of an identity. */
export function identityFile(identity: Pick<HostIdentity, 'akHandle' | 'nvCounterIndex'>): string {
  return JSON.stringify({ version: 1, ...identity })
}
