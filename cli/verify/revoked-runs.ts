import { isRevoked, type PermittedRun, Reevaluator } from '../../authorization/index.ts'
import type { PublicKey } from '../../signing/key.ts'
import type { ReadBlob } from './documents.ts'
import type { DroppedEntries } from './dropped-entries.ts'
import type { LogState } from './log-state.ts'
import { type EventOf, type LogEntry, StepFailure } from './steps.ts'
import { RECORDED_MS } from './timeline.ts'

/** How long a start of the daemon may take until it has ended what was revoked: it waits up to 10 s for what is dying, first. */
const RESTARTED_MS = 3 * RECORDED_MS

/** What runs, by its START. */
interface Alive {
  readonly decision: number
  /** What revocations can hit of it, once one was looked at. */
  run?: PermittedRun | undefined
  /** Entry of the revocation that ends it, and until when on the boot clock its end has to be ordered; null while none does. */
  end: { readonly revocation: number; readonly byMs: number } | null
}

/**
 * What ran when what it runs was revoked ends for it: its kill, or its end, is in the log. That it is not is said at the next appraisal after its time,
 * by which it would live on: a daemon that goes, and has left what runs to the launcher, cannot end it any more and makes none. The next one does
 * it first of all.
 */
export class RevokedRuns {
  readonly #blob: ReadBlob
  readonly #dropped: DroppedEntries
  readonly #reevaluator: Reevaluator
  readonly #alive = new Map<string, Alive>()
  readonly #parents = new Map<string, string>()
  #policyDigest: string | null = null

  constructor(operators: readonly PublicKey[], blob: ReadBlob, dropped: DroppedEntries) {
    this.#blob = blob
    this.#dropped = dropped
    this.#reevaluator = new Reevaluator(blob, { governance: operators })
  }

  /** @param state the fold with this entry. @throws StepFailure */
  async apply(
    entry: LogEntry,
    { revocations }: Pick<LogState, 'revocations'>,
    entries: readonly LogEntry[],
  ): Promise<void> {
    const { event } = entry
    const nowMs = msOf(event.bootNs)
    if (event.type === 'daemon-start') {
      for (const alive of this.#alive.values())
        if (alive.end !== null) alive.end = { ...alive.end, byMs: nowMs + RESTARTED_MS }
    } else if (event.type === 'policy') this.#policyDigest = event.digest
    else if (event.type === 'rollback-accepted' || event.type === 'epoch-accepted') this.#policyDigest = null
    else if (event.type === 'decision') {
      if (event.executionId !== null && event.caller.parent !== null)
        this.#parents.set(event.executionId, event.caller.parent)
    } else if (event.type === 'execution-start')
      this.#alive.set(event.executionId, { decision: event.decision, end: null })
    else if (event.type === 'kill-sent' || event.type === 'execution-end')
      this.#alive.delete(event.executionId)
    else if (event.type === 'revocation')
      await this.#revoke(entry.index, nowMs + RECORDED_MS, revocations.newest, entries)
    else if (event.type === 'appraisal') this.#judge(nowMs)
  }

  #judge(nowMs: number): void {
    for (const [executionId, { end }] of this.#alive)
      if (end !== null && nowMs > end.byMs)
        throw new StepFailure(
          `the execution ${executionId} runs on, and what it runs was revoked in entry ${end.revocation}`,
        )
  }

  async #revoke(
    revocation: number,
    byMs: number,
    revocations: LogState['revocations']['newest'],
    entries: readonly LogEntry[],
  ): Promise<void> {
    const hit = new Set<string>()
    for (const [executionId, alive] of this.#alive) {
      alive.run ??= await this.#dropped.unless(revocation, () =>
        this.#permitted(executionId, alive.decision, entries),
      )
      if (alive.run !== undefined && isRevoked(alive.run, revocations, this.#policyDigest))
        hit.add(executionId)
    }
    for (const [executionId, alive] of this.#alive)
      if (this.#lineOf(executionId).some(one => hit.has(one) || revocations.has('execution', one)))
        alive.end ??= { revocation, byMs }
  }

  async #permitted(
    executionId: string,
    decision: number,
    entries: readonly LogEntry[],
  ): Promise<PermittedRun> {
    const permit = entries[decision]?.event as EventOf<'decision'> | undefined
    if (permit?.type !== 'decision') throw new StepFailure('a START that names no decision')
    const { input, decision: again } = await this.#reevaluator.permit(await this.#blob(permit.record))
    const { artifactDigest, terms, signed } = again
    if (terms === null) throw new StepFailure('a permit without terms')
    return {
      ...{ executionId, artifactDigest: artifactDigest ?? '', terms, signed },
      ...{ permittedTime: input.clock.now, hostId: input.host.id },
    }
  }

  /** It, and all that it descends from. */
  #lineOf(executionId: string): string[] {
    const line = new Set<string>()
    let next: string | undefined = executionId
    while (next !== undefined && !line.has(next)) {
      line.add(next)
      next = this.#parents.get(next)
    }
    return [...line]
  }
}

function msOf(bootNs: string): number {
  return Number(BigInt(bootNs) / 1_000_000n)
}
