import { type Lineage, parseEvent } from '../../lineage/index.ts'
import { endMessage } from '../execution-end.ts'
import type { ExecutionRegistry } from '../execution-registry.ts'
import type { Executor } from '../executor.ts'
import type { TrustGate } from '../gate.ts'
import type { LauncherClient } from '../launcher/client.ts'
import type { Leftover } from '../leftovers.ts'
import { rfc3339 } from '../recorder.ts'
import type { Kept } from './kept.ts'

interface Parts {
  readonly executor: Executor
  readonly launcher: Pick<LauncherClient, 'takeLastOutput'>
  readonly registry: Pick<ExecutionRegistry, 'families'>
  readonly gate: Pick<TrustGate, 'snapshot'>
  readonly lineage: Pick<Lineage, 'entry'>
  readonly wallMs: () => number
}

/** Makes known to this run of the daemon what an earlier one handed over: what the launcher keeps, and what has ended since, for its caller to hear of. */
export async function takeOver(kept: Kept, leftovers: readonly Leftover[], parts: Parts): Promise<void> {
  const { executor, registry } = parts
  for (const execution of kept.executions) {
    const { executionId, caller, kept: handed } = execution
    executor.expect(execution)
    if (caller.parentExecution !== null) registry.families.livesOn(caller.parentExecution, executionId)
    if (handed.children !== null) registry.families.goOn(executionId, handed.children, handed.bootNs)
  }
  for (const end of kept.takeEnds()) executor.endings.ended(end)
  for (const leftover of leftovers) await tellEnd(leftover, parts)
}

/** Its caller may come to ask how it ended, with the token that it has. */
async function tellEnd(
  { executionId, handOver, end }: Leftover,
  { executor, launcher, gate, lineage, wallMs }: Parts,
): Promise<void> {
  const output = launcher.takeLastOutput(executionId)
  const event = handOver === null ? null : parseEvent(await lineage.entry(handOver))
  if (event?.type === 'hand-over') {
    const { attach, stdinBytes, outputBytes, inputEnded } = event
    executor.attachments.expect({ executionId, attach, before: { stdinBytes, outputBytes, inputEnded } })
  }
  const message = endMessage(end, null, gate.snapshot().state, rfc3339(wallMs()))
  executor.attachments.ended(executionId, message, output)
}
