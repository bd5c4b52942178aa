import { api, type WritClient } from '../../proto/client.ts'
import type { Execution } from '../../proto/generated/writ/v1/Execution.ts'
import { CliError } from '../error.ts'

const PAGE_SIZE = 500

/** Executions that the caller may see, newest first, page by page. @throws CallError */
export async function* listExecutions(daemon: WritClient, includeEnded: boolean): AsyncGenerator<Execution> {
  let pageToken = ''
  do {
    const page = await daemon.call(api.execution.List, { includeEnded, pageSize: PAGE_SIZE, pageToken })
    yield* page.executions
    pageToken = page.nextPageToken
  } while (pageToken !== '')
}

/** One execution. @throws CallError, CliError */
export async function getExecution(daemon: WritClient, executionId: string): Promise<Execution> {
  return present((await daemon.call(api.execution.Get, { executionId })).execution)
}

/** The execution of an answer. @throws CliError when the answer has none */
export function present(execution: Execution | null): Execution {
  if (execution !== null) return execution
  throw new CliError('REQUEST_FAILED', 'the daemon answered without an execution')
}

export const hasEnded = ({ state }: Execution) => state === 'EXECUTION_STATE_ENDED'

/**
 * Each of some executions once it has ended, in the order in which they do. All of them have to exist now. One stream serves
 * them all.
 *
 * @throws CallError, CliError
 */
export async function* whenEnded(
  daemon: WritClient,
  ids: readonly string[],
  options: { deadlineMs?: number } = {},
): AsyncGenerator<Execution> {
  const open = new Set(ids)
  for (const id of open) {
    const execution = await getExecution(daemon, id)
    if (!hasEnded(execution)) continue
    open.delete(id)
    yield execution
  }
  if (open.size === 0) return
  for await (const answer of daemon.read(api.execution.Watch, {}, options)) {
    const execution = present(answer.execution)
    if (!hasEnded(execution) || !open.delete(execution.executionId)) continue
    yield execution
    if (open.size === 0) return
  }
  throw new CliError('REQUEST_FAILED', `the daemon stopped before ${[...open].join(', ')} ended`, {
    next: 'Ask again once it is back: writ executions --all',
  })
}
