import type { Logger } from 'pino'
import type { History } from '../history/history.ts'
import type { LauncherClient } from '../launcher/client.ts'
import type { LaunchEnded } from '../launcher/types.ts'
import { isAsPermitted } from './as-permitted.ts'
import { type ReadableLog, type RebuiltExecution, rebuild } from './rebuild.ts'

/** What an earlier run of the daemon handed over, and this one may adopt. */
export type KeptExecution = RebuiltExecution

interface Sources {
  readonly history: Pick<History, 'openExecutions' | 'failure'>
  readonly launcher: Pick<LauncherClient, 'list' | 'kill' | 'on' | 'off' | 'earlierEnds'>
  readonly lineage: ReadableLog
  readonly log: Pick<Logger, 'warn' | 'info' | 'error'>
}

/** Executions that the launcher keeps, as this run of the daemon found them. */
export class Kept {
  /** Those that may be adopted, each after its parent. */
  readonly executions: readonly KeptExecution[]
  /** Ends of executions of earlier runs that the launcher has told of so far, by their id. */
  readonly ends: ReadonlyMap<string, LaunchEnded>
  readonly #stop: () => void

  private constructor(
    executions: readonly KeptExecution[],
    ends: ReadonlyMap<string, LaunchEnded>,
    stop: () => void,
  ) {
    this.executions = executions
    this.ends = ends
    this.#stop = stop
  }

  /**
   * What both say, the launcher and the log: kept, handed over, not ended, and made of what was permitted. Everything else that the launcher keeps is
   * killed: what the log does not know, what it cannot be rebuilt from, what was not handed over, what is something else than its permit orders, and
   * all of it on a host that has failed.
   *
   * To be called in the turn in which the launcher was connected to: ends are heard from then on.
   */
  static async find({ history, launcher, lineage, log }: Sources): Promise<Kept> {
    const ends = new Map(launcher.earlierEnds.map(end => [end.executionId, end]))
    const see = (end: LaunchEnded) => ends.set(end.executionId, end)
    launcher.on('ended', see)
    const listed = new Map(
      (await launcher.list()).filter(({ state }) => state === 'KEPT').map(it => [it.executionId, it]),
    )
    const kept: KeptExecution[] = []
    const found = new Set<string>()
    const forged = new Set<string>()
    const open = [...history.openExecutions].sort((a, b) => Number((a.start ?? 0n) - (b.start ?? 0n)))
    for (const execution of open) {
      const { executionId } = execution
      const it = listed.get(executionId)
      if (it === undefined || history.failure !== null) continue
      try {
        const rebuilt = await rebuild(lineage, execution)
        if (!isAsPermitted(rebuilt, it)) {
          forged.add(executionId)
          continue
        }
        const { parentExecution } = rebuilt.caller
        if (parentExecution !== null && !found.has(parentExecution)) continue
        kept.push(rebuilt)
        found.add(executionId)
      } catch (err) {
        log.error({ err, executionId }, 'what the log has of it is not enough to go on')
      }
    }
    const refused = [...listed.keys()].filter(executionId => !found.has(executionId))
    for (const executionId of refused)
      launcher.kill(executionId, forged.has(executionId) ? 'NOT_AS_PERMITTED' : 'DAEMON')
    for (const executionId of forged)
      log.error(
        { event: 'execution-not-as-permitted', executionId },
        'what was kept under its id is not what was permitted: the daemon that left it was taken over, or is broken',
      )
    if (listed.size > 0)
      log.info(
        { event: 'executions-kept', executions: kept.length, refused: refused.length },
        'the launcher kept executions of an earlier run',
      )
    return new Kept(kept, ends, () => launcher.off('ended', see))
  }

  has(executionId: string): boolean {
    return this.executions.some(kept => kept.executionId === executionId)
  }

  /** Ends of those here, so far. Whoever asks hears of the others from the launcher. */
  takeEnds(): LaunchEnded[] {
    this.#stop()
    return [...this.ends.values()].filter(({ executionId }) => this.has(executionId))
  }
}
