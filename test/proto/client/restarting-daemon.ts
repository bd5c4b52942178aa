import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  AttachError,
  type AttachStreams,
  type DaemonCore,
  type ExecuteStreams,
  NotFoundError,
} from '../../../daemon/core.ts'
import { Input, Output } from '../../../daemon/pump.ts'
import type { ExecutionEndInput } from '../../../proto/generated/writ/v1/ExecutionEnd.ts'
import { KeptWorkload } from '../../daemon/hand-over/kept-workload.ts'
import { type Rig, startRig } from '../../daemon/rpc/rig.ts'

/** One execution over all runs of the daemon. */
class Kept {
  readonly token = randomBytes(32)
  readonly workload: KeptWorkload
  stdinBytes = 0
  outputBytes = 0
  /** Hands it over, while somebody is connected to it. */
  handOver: (() => Promise<void>) | null = null

  constructor(script: string) {
    this.workload = new KeptWorkload(script)
  }

  /** Carries its streams until it ends, or is handed over: then null. */
  async carry(
    streams: Pick<
      ExecuteStreams | AttachStreams,
      'stdin' | 'stdinTaken' | 'stdinClosed' | 'output' | 'handedOver'
    >,
  ): Promise<ExecutionEndInput | null> {
    const opened = this.workload.adopt()
    const input = new Input(streams, opened.stdin, null, this.stdinBytes)
    const output = new Output(
      { ...streams } as ExecuteStreams,
      opened,
      1e12,
      () => undefined,
      undefined,
      undefined,
      this.outputBytes,
    )
    let over = false
    opened.stdin?.once('close', () => over || this.workload.closeStdin())
    void input.pump()
    output.begin()
    const handedOver = Promise.withResolvers<null>()
    this.handOver = async () => {
      over = true
      const released = opened.release()
      this.stdinBytes = input.handOver(released.stdinBytes)
      this.outputBytes = (await output.handOver(released)) ?? Number.NaN
      await streams.handedOver(this.stdinBytes)
      handedOver.resolve(null)
    }
    const ended = this.workload.exited.then(exitCode => ({ exitCode }))
    const how = await Promise.race([handedOver.promise, ended])
    this.handOver = null
    if (how === null) return null
    await output.finished()
    return { cause: 'END_CAUSE_EXIT', confirmedDead: true, exitCode: how.exitCode ?? -1 }
  }
}

/** The API's server, restarted again and again with the same executions on real pipes: who decides and keeps them is the test. */
export class RestartingDaemon {
  readonly #dir = mkdtempSync(join(tmpdir(), 'writ-restarting-'))
  readonly socket = join(this.#dir, 'run', 'writd.sock')
  readonly kept = new Map<string, Kept>()
  #rig: Rig | null = null
  /** What the next Attach is told instead, if anything. */
  onAttach: () => Promise<void> = async () => undefined
  attaches = 0

  async start(): Promise<void> {
    const rig = await startRig({ listen: { path: this.socket } })
    this.#rig = rig
    for (const executionId of this.kept.keys()) this.#own(rig, executionId)
    rig.core.execute = (async (_caller, _artifact, workload, streams) => {
      const executionId = randomBytes(16).toString('hex')
      const kept = new Kept(workload.argv?.[2] ?? '')
      this.kept.set(executionId, kept)
      this.#own(rig, executionId)
      await streams.started({ executionId, attachToken: kept.token, outlivesCrash: true })
      return kept.carry(streams) as Promise<ExecutionEndInput>
    }) satisfies DaemonCore['execute'] as typeof rig.core.execute
    rig.core.onAttach = async (_caller, { executionId, token }, streams) => {
      this.attaches++
      await this.onAttach()
      const kept = this.kept.get(executionId)
      if (kept === undefined) throw new NotFoundError('it')
      if (!kept.token.equals(token)) throw new AttachError('TOKEN_WRONG', 'another token')
      await streams.attached({
        executionId,
        stdinBytes: String(kept.stdinBytes),
        outputBytes: String(kept.outputBytes),
      })
      return kept.carry(streams)
    }
  }

  /** Hands over all that runs, and is gone. */
  async stop(): Promise<void> {
    await Promise.all([...this.kept.values()].map(kept => kept.handOver?.()))
    await this.#rig?.server.close(2000)
    this.#rig = null
  }

  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }

  async close(): Promise<void> {
    await this.#rig?.server.close(100)
    for (const kept of this.kept.values()) kept.workload.end()
    rmSync(this.#dir, { recursive: true, force: true })
  }

  #own(rig: Rig, executionId: string): void {
    rig.core.executions.set(executionId, { executionId, callerUid: process.getuid?.() ?? 0 })
  }
}
