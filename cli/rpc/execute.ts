import type { Readable } from 'node:stream'
import { api, CallError, type ExecuteCall, StartFailedError, type WritClient } from '../../proto/client.ts'
import type { ExecuteStartInput } from '../../proto/generated/writ/v1/ExecuteStart.ts'
import type { ExecuteStarted } from '../../proto/generated/writ/v1/ExecuteStarted.ts'
import type { ExecutionEnd } from '../../proto/generated/writ/v1/ExecutionEnd.ts'
import { CliError } from '../error.ts'
import { readerGone, writeTo } from '../streams.ts'

export interface ExecuteResult {
  started: ExecuteStarted
  ended: ExecutionEnd
}

const ENDING_SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/**
 * Runs a workload with this process's standard streams. Bytes pass as they are; nothing is read faster than the other
 * side takes it. The first SIGINT, SIGTERM or SIGHUP asks the daemon to end the execution, a second one drops the call
 * (which ends it too, without waiting for the confirmation). When nobody reads the output any longer the execution is ended
 * likewise, as SIGPIPE ends a program in a pipeline.
 *
 * @throws CallError, CliError
 */
export async function execute(daemon: WritClient, start: ExecuteStartInput): Promise<ExecuteResult> {
  const call = daemon.executeCall(start)
  let started: ExecuteStarted | undefined
  let ended: ExecutionEnd | undefined
  let signals = 0
  const end = () => {
    if (started === undefined) call.cancel()
    // What goes wrong with it shows in the call itself.
    else daemon.call(api.execution.Terminate, { executionId: started.executionId }).catch(() => {})
  }
  const onSignal = () => {
    if (++signals > 1) call.cancel()
    else end()
  }
  for (const name of ENDING_SIGNALS) process.on(name, onSignal)
  readerGone.addEventListener('abort', end)
  const input = sendInput(call, process.stdin)
  try {
    for await (const response of call.answers) {
      if (response.message === 'started') started = response.started ?? undefined
      else if (response.message === 'stdout') await writeTo(process.stdout, response.stdout ?? '')
      else if (response.message === 'stderr') await writeTo(process.stderr, response.stderr ?? '')
      else if (response.message === 'ended') ended = response.ended ?? undefined
    }
  } catch (error) {
    if (signals === 0 || !(error instanceof CallError) || error.code === 'DENIED') throw error
    throw new CliError('REQUEST_FAILED', 'interrupted; the daemon ends the execution', { cause: error })
  } finally {
    input.stop()
    for (const name of ENDING_SIGNALS) process.off(name, onSignal)
    readerGone.removeEventListener('abort', end)
  }
  if (ended === undefined) {
    throw new CliError('REQUEST_FAILED', 'the daemon did not say how the execution ended', {
      next: 'Look at `writ status` and `writ lineage tail`.',
    })
  }
  if (started === undefined) throw new StartFailedError(ended)
  return { started, ended }
}

/** Sends the input, one piece at a time; its end, or that it cannot be read, is the end of the workload's input. */
function sendInput(call: ExecuteCall, input: Readable): { stop: () => void } {
  let stopped = false
  const send = async () => {
    try {
      for await (const chunk of input) {
        if (stopped) return
        await call.stdin(chunk as Buffer)
      }
    } catch {
      // A directory or a closed descriptor as standard input is an empty one.
    }
    if (!stopped) call.endStdin()
  }
  void send()
  return {
    stop: () => {
      stopped = true
      // An open terminal or pipe would keep this process alive.
      input.destroy()
    },
  }
}
