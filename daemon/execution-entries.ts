import type { History } from './history/history.ts'
import type { LaunchEnded, Prepared } from './launcher/client.ts'
import type { Permit } from './permit.ts'
import type { Recorder } from './recorder.ts'
import type { RecordedStreams } from './stream-digests.ts'

/** Writes START of what was made ready, and what its subjects are for the attestor. @throws LineageError */
export async function recordStart(
  { recorder, history }: { readonly recorder: Recorder; readonly history: History },
  { input, decision, index }: Permit,
  { pid, cgroup }: Prepared,
): Promise<void> {
  const { terms } = decision
  if (terms === null) throw new Error('a permit has terms')
  const subjects = [...new Set([terms.program, ...terms.files].map(file => file.sha256))]
  // Before the entry: an IMA entry that the start causes must never be judged without it.
  for (const digest of subjects) history.governed.add(digest)
  await recorder.record({
    type: 'execution-start',
    executionId: input.request.executionId,
    decision: Number(index),
    subjects,
    pid,
    cgroup,
    epoch: input.gate.epoch,
    parent: input.caller?.parentExecution ?? null,
  })
}

/**
 * Writes the END of what was seen to be dead.
 *
 * @param decision entry of its permit
 * @param streams what went through its streams; null if nobody asked for that
 * @throws LineageError
 */
export async function recordEnd(
  recorder: Recorder,
  decision: bigint,
  { executionId, cause, exitCode, signal, rusage, confirmedDead }: LaunchEnded,
  streams: RecordedStreams | null = null,
): Promise<void> {
  const { userUs, systemUs, maxRssKib } = rusage
  await recorder.record({
    type: 'execution-end',
    ...{ executionId, decision: Number(decision), cause, exitCode, signal, confirmedDead },
    rusage: { userUs, systemUs, maxRssKib },
    streams,
  })
}
