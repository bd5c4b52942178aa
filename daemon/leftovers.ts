import type { Logger } from 'pino'
import type { History } from './history/history.ts'
import type { LaunchEnded, LauncherClient } from './launcher/client.ts'
import type { Recorder } from './recorder.ts'

/** How long executions of an earlier daemon may take to be gone before this one goes on. */
const LEFTOVERS_MS = 10_000

/**
 * Waits for the end of what the run before left running, and records it: as the launcher saw it, or, if it saw nothing (it is a new one,
 * which ends whatever it finds before it serves), that it is gone. What is not seen to be dead stays open in the log.
 *
 * @throws LineageError
 */
export async function endLeftovers(
  history: History,
  launcher: LauncherClient,
  recorder: Recorder,
  log: Logger,
): Promise<void> {
  const seen = new Map(launcher.earlierEnds.map(end => [end.executionId, end]))
  const see = (end: LaunchEnded) => seen.set(end.executionId, end)
  launcher.on('ended', see)
  try {
    const deadline = Date.now() + LEFTOVERS_MS
    for (const { executionId, decision } of history.openExecutions) {
      while (launcher.knows(executionId) && Date.now() < deadline)
        await new Promise(resolve => setTimeout(resolve, 20))
      if (launcher.knows(executionId)) {
        log.error({ executionId }, 'an execution of an earlier run is not dead yet')
        continue
      }
      const end = seen.get(executionId)
      await recorder.record({
        type: 'execution-end',
        executionId,
        decision: Number(decision),
        cause: end?.cause ?? 'SUPERSEDED',
        exitCode: end?.exitCode ?? null,
        signal: end?.signal ?? null,
        rusage: end === undefined ? {} : { ...end.rusage },
        confirmedDead: true,
        streams: null,
      })
    }
  } finally {
    launcher.off('ended', see)
  }
}
