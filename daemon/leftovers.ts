import type { Logger } from 'pino'
import { untoldEnd } from './execution-end.ts'
import type { Kept } from './hand-over/kept.ts'
import type { History } from './history/history.ts'
import type { LaunchEnded, LauncherClient } from './launcher/client.ts'
import type { Recorder } from './recorder.ts'

/** How long executions of an earlier daemon may take to be gone before this one goes on. */
const LEFTOVERS_MS = 10_000

/** What an earlier run left running, and has ended. */
export interface Leftover {
  readonly executionId: string
  /** Entry by which it was handed over; null if it was not. */
  readonly handOver: bigint | null
  readonly end: LaunchEnded
}

/**
 * Waits for the end of what the run before left running, and records it: as the launcher saw it, or, if it saw nothing (it is a new one,
 * which ends whatever it finds before it serves), that it is gone. What is not seen to be dead stays open in the log.
 *
 * @param kept what is not to end, and all ends that the launcher has told of
 * @returns what has ended
 * @throws LineageError
 */
export async function endLeftovers(
  history: History,
  launcher: LauncherClient,
  kept: Pick<Kept, 'has' | 'ends'>,
  recorder: Recorder,
  log: Logger,
): Promise<Leftover[]> {
  const leftovers: Leftover[] = []
  const deadline = Date.now() + LEFTOVERS_MS
  for (const { executionId, decision, handOver } of history.openExecutions) {
    if (kept.has(executionId)) continue
    while (launcher.knows(executionId) && Date.now() < deadline)
      await new Promise(resolve => setTimeout(resolve, 20))
    if (launcher.knows(executionId)) {
      log.error({ executionId }, 'an execution of an earlier run is not dead yet')
      continue
    }
    const seen = kept.ends.get(executionId)
    const end = seen ?? untoldEnd(executionId, 'SUPERSEDED', 0n, true)
    await recorder.record({
      type: 'execution-end',
      ...{ executionId, decision: Number(decision), cause: end.cause },
      ...{ exitCode: end.exitCode, signal: end.signal, confirmedDead: true, streams: null },
      rusage: seen === undefined ? {} : { ...seen.rusage },
    })
    leftovers.push({ executionId, handOver, end })
  }
  return leftovers
}
