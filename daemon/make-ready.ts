import { DeniedError } from './core.ts'
import { launchOrder } from './launch-order.ts'
import type { LauncherClient, LaunchOrder, Prepared } from './launcher/client.ts'
import { LauncherError } from './launcher/error.ts'
import type { Decided } from './permit.ts'

/** Who makes it ready, and what it is held to. */
export interface Host {
  readonly launcher: LauncherClient
  readonly bootNs: () => bigint
  readonly wallMs: () => number
  readonly maxEvidenceAgeNs: bigint
}

/**
 * Has the launcher make ready, in a frozen cgroup, what was permitted. Nothing of it runs before a START.
 *
 * @throws DeniedError for what this host turns out not to be able to hold it to; LauncherError when it could not be made
 */
export function makeReady(
  { input, decision: { terms }, secrets }: Decided,
  { launcher, bootNs, wallMs, maxEvidenceAgeNs }: Host,
): Promise<Prepared> {
  return order(launcher, () => {
    if (terms === null) throw new Error('a permit has terms')
    return launchOrder({
      executionId: input.request.executionId,
      parentExecution: input.caller?.parentExecution ?? null,
      epoch: BigInt(input.gate.epoch),
      terms,
      secrets: secrets?.descriptors ?? [],
      maxEvidenceAgeNs,
      nowBootNs: bootNs(),
      nowWallMs: wallMs(),
    })
  })
}

/** What turns out to be more than this host can hold an execution to is denied, as it would have been had it been known before. */
async function order(launcher: LauncherClient, make: () => LaunchOrder): Promise<Prepared> {
  try {
    return await launcher.prepare(make())
  } catch (error) {
    const code = error instanceof LauncherError ? error.code : ''
    if (code !== 'LIMIT_UNENFORCEABLE' && code !== 'DEVICE_REFUSED') throw error
    throw new DeniedError([
      { code: 'ENVIRONMENT_MISMATCH', message: (error as LauncherError).message, at: '' },
    ])
  }
}
