import { ImaLogError, ImaLogReader } from '../../attestation/index.ts'
import { type Look, seen, unseen, valueIn } from './look.ts'
import type { FileProbe } from './probes.ts'

/** Where the kernel shows its log; launchd.conf can name another place. */
export const IMA_LOG = '/sys/kernel/security/ima/binary_runtime_measurements'
/** There as long as a policy can be loaded (Documentation/ABI/testing/ima_policy). */
const POLICY_DOOR = '/sys/kernel/security/ima/policy'
/** Where systemd takes a policy from (docs/reference-values.md). */
export const IMA_POLICY = '/etc/ima/ima-policy'
/** What the package installs to be put there. */
export const SHIPPED_IMA_POLICY = '/usr/share/writ/ima-policy'
/** A log of half a million entries. */
const MOST_BYTES = 64 << 20

/** What IMA has measured in this boot. */
export interface ImaFacts {
  readonly entries: number
  readonly violations: number
  /** Algorithm of the first entry: what `ima_hash=` says. */
  readonly hash: string | null
  /** Content of {@link IMA_POLICY} when the kernel read it, `algorithm:hex`, the last one; null: it did not. */
  readonly policy: string | null
  /** Whether root can load a policy by hand; null: not known. */
  readonly policyOpen: boolean | null
  /** Digests by path, of the paths that were asked for. */
  readonly measured: ReadonlyMap<string, ReadonlySet<string>>
}

/**
 * Reads the kernel's log. `code` of one that was read and is none is an ImaLogErrorCode.
 *
 * @param paths whose digests are wanted
 */
export async function readIma(
  files: FileProbe,
  paths: readonly string[] = [],
  log = IMA_LOG,
): Promise<Look<ImaFacts>> {
  const bytes = await files.read(log, MOST_BYTES)
  if (!bytes.seen) return bytes
  const measured = new Map(paths.map(path => [path, new Set<string>()]))
  let hash: string | null = null
  let policy: string | null = null
  const reader = new ImaLogReader({
    banks: [],
    onEntry: ({ digest, path }) => {
      hash ??= digest.split(':')[0] ?? null
      if (path === IMA_POLICY) policy = digest
      measured.get(path)?.add(digest)
    },
  })
  try {
    reader.push(bytes.value)
    const { entries, violations } = reader.end()
    const door = await files.stat(POLICY_DOOR)
    const policyOpen = door.seen ? true : door.why === 'missing' ? false : null
    return seen({ entries, violations, hash, policy, policyOpen, measured })
  } catch (error) {
    if (!(error instanceof ImaLogError)) throw error
    return unseen('failed', error.message, error.code)
  }
}

/** Whether a policy file is what the package ships; null where either cannot be read. */
export async function isShippedPolicy(files: FileProbe): Promise<boolean | null> {
  const own = valueIn(await files.read(IMA_POLICY))
  const shipped = valueIn(await files.read(SHIPPED_IMA_POLICY))
  return own === null || shipped === null ? null : own.equals(shipped)
}
