import { type LaunchTerms, Reevaluator } from '../../authorization/index.ts'
import { inlineBlob, type Lineage, LineageError, type LineageEvent, parseEvent } from '../../lineage/index.ts'
import type { Caller } from '../core.ts'
import type { OpenExecution } from '../history/history.ts'
import type { Permit } from '../permit.ts'
import type { Carried } from '../running.ts'

/** What of the lineage is needed. */
export type ReadableLog = Pick<Lineage, 'entry' | 'getBlob'>

/** An execution as the log has it: all that a daemon needs to go on with it, and nothing that the log does not vouch for. */
export interface RebuiltExecution {
  readonly executionId: string
  readonly permit: Permit
  /** The permit's. */
  readonly terms: LaunchTerms
  readonly caller: Caller
  /** As its START says. */
  readonly pid: number
  readonly cgroup: string
  readonly startedTime: string
  /** Of whoever it runs as; 0 where that is a uid of its own, which nothing else has. */
  readonly uid: number
  /** What is handed over with it. */
  readonly kept: {
    readonly attach: string | null
    readonly before: Carried
    readonly children: { readonly started: number; readonly lastMinute: number } | null
    /** Boot-clock instant at which that was so. */
    readonly bootNs: bigint
  }
}

type EventOf<T extends LineageEvent['type']> = Extract<LineageEvent, { type: T }>

/**
 * Reads an execution from the log: its permit, made again from its record and compared with that byte for byte; its START; and what was handed over
 * last.
 *
 * Documents are read without their signatures: that they were in force then is what the log says, and whether they are now is for the decision that
 * comes before it goes on.
 *
 * @throws LineageError, AuthorizationError when something is missing or does not agree
 */
export async function rebuild(log: ReadableLog, open: OpenExecution): Promise<RebuiltExecution> {
  const { executionId, decision, start, handOver } = open
  const permitted = await entryOf(log, decision, 'decision', executionId)
  const started = await entryOf(log, start, 'execution-start', executionId)
  const handed = await entryOf(log, handOver, 'hand-over', executionId)
  const ofPermit = [started, handed].every(event => BigInt(event.decision) === decision)
  if (!ofPermit) throw new LineageError('EVENT_INVALID', 'its entries name different permits')
  const blob = async (digest: string) => inlineBlob(permitted, digest) ?? (await log.getBlob(digest))
  const {
    input,
    decision: again,
    observed,
  } = await new Reevaluator(blob, { governance: null }).permit(await blob(permitted.record))
  const { caller, request } = input
  const { terms } = again
  if (caller === null || terms === null || request.executionId !== executionId)
    throw new LineageError('EVENT_INVALID', 'the record is that of another execution')
  const { attach, stdinBytes, outputBytes, inputEnded, children, bootNs } = handed
  return {
    executionId,
    permit: { input, decision: again, observed, index: decision },
    terms,
    caller: {
      ...{ uid: caller.uid, gid: caller.gid, pid: caller.pid, cgroup: caller.cgroup || null },
      ...{ parentExecution: caller.parentExecution, connection: 'kept', pidfd: null },
      ...{ governor: false, auditor: false },
    },
    ...{ pid: started.pid, cgroup: started.cgroup, startedTime: started.time },
    uid: terms.user === 'own' ? 0 : terms.user.uid,
    kept: { attach, before: { stdinBytes, outputBytes, inputEnded }, children, bootNs: BigInt(bootNs) },
  }
}

async function entryOf<const T extends 'decision' | 'execution-start' | 'hand-over'>(
  log: ReadableLog,
  index: bigint | null,
  type: T,
  executionId: string,
): Promise<EventOf<T>> {
  const event = index === null ? null : parseEvent(await log.entry(index))
  if (event?.type !== type || event.executionId !== executionId)
    throw new LineageError('EVENT_INVALID', `there is no ${type} of it where one should be`, {
      at: String(index ?? ''),
    })
  return event as EventOf<T>
}
