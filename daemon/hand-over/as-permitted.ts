import { launchOrder } from '../launch-order.ts'
import { orderDigest } from '../launcher/order-digest.ts'
import type { ListedExecution, SubjectPath } from '../launcher/types.ts'
import type { RebuiltExecution } from './rebuild.ts'

/**
 * Whether what the launcher keeps under this id is what the log says: made of exactly what the permit orders, and the process that its START names. A
 * daemon that was taken over can have anything started under the id of a permit; the launcher, which it cannot make lie, knows what.
 *
 * @throws LauncherError when the permit orders what no launcher would take
 */
export function isAsPermitted(
  { executionId, permit: { input }, terms, pid }: RebuiltExecution,
  listed: Pick<ListedExecution, 'order' | 'pid'>,
): boolean {
  const order = launchOrder({
    ...{ executionId, terms, epoch: BigInt(input.gate.epoch) },
    parentExecution: input.caller?.parentExecution ?? null,
    secrets: (terms.secrets ?? []).map(({ descriptor }) => ({ fd: -1, descriptor })),
    // None of these is in the digest: the deadlines are given anew when it is adopted.
    ...{ maxEvidenceAgeNs: 1n, nowBootNs: 0n, nowWallMs: 0 },
  })
  const subjects: SubjectPath[] = [
    { path: terms.program.path, kind: 'file' },
    ...terms.files.map(({ path, role }) => ({ path, kind: role === 'tree' ? 'tree' : 'file' }) as const),
  ]
  return listed.pid === pid && listed.order === orderDigest(subjects, order)
}
