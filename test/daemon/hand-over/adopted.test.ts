import { describe, expect, test } from 'vitest'
import { rebuild } from '../../../daemon/hand-over/rebuild.ts'
import type { OpenExecution } from '../../../daemon/history/history.ts'
import type { LaunchOrder } from '../../../daemon/launcher/client.ts'
import { running } from '../support/executions.ts'
import { ofType, world } from '../support/world.ts'

const ATTACH_MS = 100

/** A daemon that has adopted what the run before it had handed over. */
async function adopted() {
  const before = await world()
  const { id: executionId } = await running(before)
  const decision = before.registry.get(executionId)?.decisionIndex ?? 0n
  const handOver = await before.recorder.record({
    ...{ type: 'hand-over', executionId, decision: Number(decision), over: 'restart' },
    ...{ attach: 'ab'.repeat(32), stdinBytes: 3, outputBytes: 5, inputEnded: true, children: null },
  })
  const start = (await before.events()).findIndex(({ type }) => type === 'execution-start')
  const open = { executionId, decision, start: BigInt(start), handOver } as OpenExecution
  const rebuilt = await rebuild(before.lineage, open)
  const w = await world({ attachMs: ATTACH_MS })
  w.executor.expect(rebuilt)
  const prepared = await w.launcher.prepare({ executionId } as LaunchOrder)
  await w.executor.goOn(rebuilt, { ...prepared, noted: 0 }, 2n, null)
  return { w, executionId }
}

describe('what was adopted', () => {
  test('ends when its caller does not come back in time: nobody would hear of it', async () => {
    const { w, executionId } = await adopted()
    expect(w.registry.get(executionId)).toMatchObject({ state: 'RUNNING', epoch: 2n })
    expect(w.launcher.steps).not.toContain('kill CALLER_GONE')
    await expect.poll(() => w.launcher.steps, { interval: 10 }).toContain('kill CALLER_GONE')
    expect(w.registry.get(executionId)?.state).toBe('ENDING')
    w.launcher.end(executionId, { cause: 'CALLER_GONE', signal: 9 })
    await expect
      .poll(async () => ofType(await w.events(), 'execution-end').map(({ cause }) => cause))
      .toEqual(['CALLER_GONE'])
  })
})
