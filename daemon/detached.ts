import type { ExecutionEndInput } from '../proto/generated/writ/v1/ExecutionEnd.ts'
import type { Caller, ExecuteStreams } from './core.ts'
import type { KeptExecution } from './hand-over/kept.ts'
import type { OutputFile } from './output-file.ts'
import type { OutputFiles } from './output-files.ts'
import type { DaemonParts } from './parts.ts'
import type { RunPermit } from './permit.ts'
import type { ConnectedStreams, DetachedStreams } from './running.ts'

/** What the daemon needs of itself to run something that is nobody's call. */
type Parts = Pick<DaemonParts, 'executor' | 'files' | 'log'>

/**
 * Runs what was permitted to outlive its call. Until it has started it belongs to the call, which can still end it; from then on
 * to the daemon alone: it ends by itself, by Terminate, or by whatever ends every execution. Its input is empty, its output goes to
 * files.
 *
 * @returns null once it runs; how it ended if it did not come to that
 */
export async function detached(
  { executor, files, log }: Parts,
  permit: RunPermit,
  caller: Caller,
  streams: ExecuteStreams,
  signal: AbortSignal,
): Promise<ExecutionEndInput | null> {
  const { executionId } = permit.input.request
  const file = files.open(executionId, permit.index)
  const tied = new AbortController()
  const drop = () => tied.abort(signal.reason)
  if (signal.aborted) drop()
  else signal.addEventListener('abort', drop, { once: true })
  const started = Promise.withResolvers<null>()
  const own: ExecuteStreams = {
    ...streamsOf(file),
    terminalSize: streams.terminalSize,
    digest: streams.digest,
    started: async message => {
      signal.removeEventListener('abort', drop)
      await streams.started(message)
      started.resolve(null)
    },
  }
  const ended = executor.run(permit, caller, own, tied.signal).finally(() => {
    signal.removeEventListener('abort', drop)
    return files.end(executionId)
  })
  ended.catch((err: unknown) => log.debug({ err }, 'a detached execution did not come to its end'))
  return await Promise.race([started.promise, ended])
}

/**
 * What a detached execution that an earlier run of the daemon handed over is connected to: its files, where they end. Null for one that is not
 * detached.
 */
export async function detachedAgain(
  files: OutputFiles,
  { executionId, permit }: Pick<KeptExecution, 'executionId' | 'permit'>,
): Promise<DetachedStreams | null> {
  if (permit.decision.terms?.detach !== true) return null
  const file = await files.goOn(executionId, permit.index)
  return { ...streamsOf(file), over: () => files.end(executionId) }
}

/** No input, and files for the output. */
function streamsOf(file: OutputFile): ConnectedStreams {
  return {
    stdin: nothing(),
    stdinTaken: () => undefined,
    stdinClosed: () => undefined,
    output: (stream, bytes) => file.write(stream, bytes),
    // Nobody listens: the next daemon goes on with the files.
    handedOver: async () => undefined,
  }
}

async function* nothing(): AsyncGenerator<Buffer, void, undefined> {}
