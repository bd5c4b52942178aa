import type { ExecutionEndInput } from '../../proto/generated/writ/v1/ExecutionEnd.ts'
import { type AttachClaim, AttachError, type AttachStreams, NotFoundError, StartingError } from '../core.ts'
import type { LastOutput } from '../launcher/types.ts'
import { Output } from '../pump.ts'
import type { Carried, Running } from '../running.ts'
import { isAttachToken } from './attach-token.ts'

/** How long the caller of what was adopted has to attach, and that of what has ended to hear of it, where nothing else is said. */
export const ATTACH_MS = 30_000

/** What was handed over to this run of the daemon, or has been started by it. */
export interface Attachable {
  readonly executionId: string
  readonly attach: string | null
  readonly before: Carried
}

/** What becomes of an execution that was handed over: it is adopted, or it has ended before it was. */
type Outcome =
  | { readonly running: Running; readonly epoch: bigint; readonly over: Promise<ExecutionEndInput> }
  | { readonly end: ExecutionEndInput; readonly lastOutput: LastOutput | null }

interface Place extends Attachable {
  /** Whether somebody is attached to it, or waits for it. */
  taken: boolean
  readonly settle: (outcome: Outcome) => void
  readonly outcome: Promise<Outcome>
  timer: NodeJS.Timeout | null
}

/** Callers that come back to what they had started before the daemon was. */
export class Attachments {
  readonly #places = new Map<string, Place>()
  readonly #kill: (executionId: string) => void
  readonly #attachMs: number
  readonly #over = Promise.withResolvers<'over'>()

  /**
   * @param kill ends an execution whose caller is gone
   * @param attachMs how long a caller has to come back
   */
  constructor(kill: (executionId: string) => void, attachMs: number = ATTACH_MS) {
    this.#kill = kill
    this.#attachMs = attachMs
  }

  /** It was started in this run: whoever started it is attached until it ends. */
  started(what: Attachable): void {
    this.#put(what).taken = true
  }

  /** An earlier run handed it over. */
  expect(what: Attachable): void {
    this.#put(what)
  }

  /** It runs again. Whoever is not attached in time is gone, unless it belongs to nobody. */
  adopted(running: Running, epoch: bigint, over: Promise<ExecutionEndInput>): void {
    const place = this.#places.get(running.executionId)
    if (place === undefined) return
    place.settle({ running, epoch, over })
    this.#awaitCaller(place, running)
  }

  /** This run of the daemon adopts nothing any more: whoever waits asks the next one. */
  over(): void {
    this.#over.resolve('over')
  }

  /** It has ended, and was not adopted. */
  ended(executionId: string, end: ExecutionEndInput, lastOutput: LastOutput | null): void {
    const place = this.#places.get(executionId)
    if (place === undefined) {
      destroy(lastOutput)
      return
    }
    place.settle({ end, lastOutput })
    this.forget(executionId)
  }

  /** Lets go of an execution that has ended, once its caller has had time to hear of it. */
  forget(executionId: string): void {
    const place = this.#places.get(executionId)
    if (place === undefined) return
    if (place.timer !== null) clearTimeout(place.timer)
    place.timer = setTimeout(() => {
      this.#places.delete(executionId)
      // Whoever is attached reads on.
      if (place.taken) return
      void place.outcome.then(outcome =>
        'running' in outcome ? outcome.running.discard() : destroy(outcome.lastOutput),
      )
    }, this.#attachMs).unref()
  }

  /**
   * Goes on with an execution for its caller; see `DaemonCore.attach`.
   *
   * @throws AttachError, NotFoundError, StartingError
   */
  async attach(
    { executionId, token }: AttachClaim,
    streams: AttachStreams,
    signal: AbortSignal,
  ): Promise<ExecutionEndInput | null> {
    const place = this.#places.get(executionId)
    if (place === undefined) throw new NotFoundError(`execution ${executionId}`)
    if (place.attach === null)
      throw new AttachError(
        'NOT_ATTACHABLE',
        'it is detached, or asked for what does not go on over a restart',
      )
    if (!isAttachToken(token, place.attach))
      throw new AttachError('TOKEN_WRONG', 'the token is not that of this execution')
    if (place.taken) throw new AttachError('ATTACHED', 'somebody is attached to it')
    if (signal.aborted) return null
    place.taken = true
    const gone = Promise.withResolvers<null>()
    const leave = () => gone.resolve(null)
    signal.addEventListener('abort', leave, { once: true })
    try {
      const outcome = await Promise.race([place.outcome, gone.promise, this.#over.promise])
      if (outcome === 'over') throw new StartingError('STARTING', 'the daemon stops')
      if (outcome === null) {
        place.taken = false
        // It may have been adopted in this very turn, when this was still waiting for it.
        void place.outcome.then(found => 'running' in found && this.#awaitCaller(place, found.running))
        return null
      }
      if (place.timer !== null && 'running' in outcome) clearTimeout(place.timer)
      return 'running' in outcome
        ? await this.#carry(place, outcome, streams, signal)
        : await this.#tellEnd(place, outcome, streams)
    } finally {
      signal.removeEventListener('abort', leave)
    }
  }

  async #carry(
    { executionId, before }: Place,
    { running, epoch, over }: Extract<Outcome, { running: Running }>,
    streams: AttachStreams,
    signal: AbortSignal,
  ): Promise<ExecutionEndInput | null> {
    const onAbort = () => this.#kill(executionId)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      if (streams.terminalSize !== null) running.resize(streams.terminalSize)
      running.connect(streams)
      await streams.attached({ ...beginning(executionId, before), epoch: String(epoch) })
      running.begin()
      return await untilOver(running, over, streams)
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** What it wrote last, and how it ended. */
  async #tellEnd(
    { executionId, before }: Place,
    { end, lastOutput }: Extract<Outcome, { end: ExecutionEndInput }>,
    streams: AttachStreams,
  ): Promise<ExecutionEndInput> {
    // It says how much came before: whoever did not get all of that has to know, even if nothing follows.
    await streams.attached({ ...beginning(executionId, before), epoch: '0' })
    if (lastOutput === null) return end
    const output = new Output(streams, lastOutput, Number.POSITIVE_INFINITY, () => undefined)
    output.begin()
    await output.finished()
    return end
  }

  #awaitCaller(place: Place, { executionId, detached }: Running): void {
    if (detached || place.taken || place.timer !== null) return
    place.timer = setTimeout(() => this.#kill(executionId), this.#attachMs).unref()
  }

  #put(what: Attachable): Place {
    const { promise: outcome, resolve: settle } = Promise.withResolvers<Outcome>()
    const { executionId, attach, before } = what
    const place: Place = { executionId, attach, before, taken: false, settle, outcome, timer: null }
    this.#places.set(executionId, place)
    return place
  }
}

/**
 * Resolves with the end, after all output; with null when it was handed over and its caller knows.
 *
 * @throws StartingError if it was handed over and not all that it wrote has reached its caller
 */
export async function untilOver(
  running: Running,
  over: Promise<ExecutionEndInput>,
  streams: Pick<AttachStreams, 'handedOver'>,
): Promise<ExecutionEndInput | null> {
  const first = await Promise.race([
    over.then(end => ({ end })),
    running.handedOver.then(what => ({ handedOver: what })),
  ])
  if ('end' in first) {
    await running.finished()
    return first.end
  }
  if (first.handedOver === null)
    throw new StartingError('STARTING', 'the daemon stops, and not all output was taken in time')
  await streams.handedOver(first.handedOver.stdinBytes ?? 0)
  return null
}

function beginning(executionId: string, { stdinBytes, outputBytes }: Carried) {
  return {
    executionId,
    ...(stdinBytes === null ? {} : { stdinBytes: String(stdinBytes) }),
    ...(outputBytes === null ? {} : { outputBytes: String(outputBytes) }),
  }
}

function destroy(output: LastOutput | null): void {
  output?.stdout?.destroy()
  output?.stderr?.destroy()
}
