import type { LaunchTerms } from '../authorization/index.ts'
import type { LaunchOrder } from './launcher/client.ts'
import { LauncherError } from './launcher/error.ts'
import type { AdoptedDeadlines } from './launcher/types.ts'

const NS_PER_MS = 1_000_000n
const NS_PER_SECOND = 1_000_000_000n

export interface LaunchContext {
  readonly executionId: string
  readonly parentExecution: string | null
  readonly epoch: bigint
  readonly terms: LaunchTerms
  /** Its secrets, opened. Left out: none. */
  readonly secrets?: LaunchOrder['secrets']
  /** The host's own greatest age of evidence. */
  readonly maxEvidenceAgeNs: bigint
  readonly nowBootNs: bigint
  readonly nowWallMs: number
}

/**
 * The order to the launcher for these terms.
 *
 * An execution that is kept over a restart is compared with it, byte for byte: a version that orders something else for the same terms ends at its
 * upgrade what was started before, unless it knows the earlier form as well.
 *
 * @throws LauncherError `LIMIT_UNENFORCEABLE` for what this version cannot enforce: it is refused, never left out
 */
export function launchOrder(context: LaunchContext): LaunchOrder {
  const { terms } = context
  if (terms.onLapse !== 'kill' && terms.devices.length > 0) {
    throw new LauncherError(
      'LIMIT_UNENFORCEABLE',
      'a device goes on computing for an execution that is frozen',
    )
  }
  const secrets = context.secrets ?? []
  // None is forgotten, and none is there that was not signed.
  const wanted = (terms.secrets ?? []).map(secret => secret.descriptor)
  if (String(wanted) !== String(secrets.map(secret => secret.descriptor)))
    throw new LauncherError('SECRET_REFUSED', 'its secrets are not those that were opened')
  const { limits } = terms
  return {
    executionId: context.executionId,
    parentExecution: context.parentExecution,
    epoch: context.epoch,
    ...deadlinesOf(context),
    graceNs: terms.onLapse === 'kill' ? null : BigInt(terms.onLapse.freeze.graceMs) * NS_PER_MS,
    digests: [terms.program, ...terms.files].map(file => file.sha256),
    argv: terms.argv,
    env: terms.env.map(({ name, value }) => `${name}=${value}`),
    cwd: terms.cwd,
    user: terms.user,
    groups: terms.user === 'own' ? [] : terms.user.groups,
    network: terms.sandbox.network,
    seccomp: terms.sandbox.seccomp,
    devices: terms.devices,
    writable: terms.sandbox.writable,
    children: terms.children !== 'none',
    stdio: stdioOf(terms.stdio),
    ...(secrets.length === 0 ? {} : { secrets }),
    limits: {
      runTimeNs: limits.runTimeMs === null ? null : BigInt(limits.runTimeMs) * NS_PER_MS,
      cpuTimeNs: limits.cpuSeconds === null ? null : BigInt(limits.cpuSeconds) * NS_PER_SECOND,
      memoryBytes: limits.memoryBytes,
      pids: limits.pids,
      openFiles: limits.openFiles,
      cpuPercent: limits.cpuPercent,
      fileBytes: limits.fileBytes,
    },
  }
}

/**
 * What an execution of these terms may not outlive. The end of validity is turned into an instant of the boot clock here, once for each run of the
 * daemon that it belongs to: from then on the wall clock can be set without effect.
 */
export function deadlinesOf({
  terms,
  maxEvidenceAgeNs,
  nowBootNs,
  nowWallMs,
}: Pick<LaunchContext, 'terms' | 'maxEvidenceAgeNs' | 'nowBootNs' | 'nowWallMs'>): AdoptedDeadlines {
  const leftMs = BigInt(Math.max(0, Math.floor(Date.parse(terms.notAfter) - nowWallMs)))
  const ownAgeNs = terms.maxEvidenceAgeMs === null ? null : BigInt(terms.maxEvidenceAgeMs) * NS_PER_MS
  return {
    expiryBootNs: nowBootNs + leftMs * NS_PER_MS,
    maxEvidenceAgeNs: ownAgeNs !== null && ownAgeNs < maxEvidenceAgeNs ? ownAgeNs : maxEvidenceAgeNs,
  }
}

/** The terms know a terminal by its three streams; it is one thing. */
function stdioOf({ stdin, stdout, stderr }: LaunchTerms['stdio']): LaunchOrder['stdio'] {
  if (stdin === 'terminal' || stdout === 'terminal' || stderr === 'terminal') return 'terminal'
  return { stdin, stdout, stderr }
}
