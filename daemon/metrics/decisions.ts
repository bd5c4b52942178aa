import { type DaemonCore, DeniedError } from '../core.ts'
import type { Instruments } from './instruments.ts'

/** Reasons of a denial that say that the lineage did not take it. */
const NOT_TAKEN = new Set(['LINEAGE_UNAVAILABLE', 'LINEAGE_BROKEN'])

/**
 * The same daemon, with the denials noted that its lineage did not take. Everything else is counted once it is durable there: these would be
 * counted when the disk is mended, and nobody would be told before.
 */
export function watchedDecisions(
  core: DaemonCore,
  { unrecorded }: Pick<Instruments, 'unrecorded'>,
): DaemonCore {
  const noted = async <Answer>(answer: Promise<Answer>): Promise<Answer> => {
    try {
      return await answer
    } catch (error) {
      if (error instanceof DeniedError && error.reasons.some(({ code }) => NOT_TAKEN.has(code)))
        unrecorded.add()
      throw error
    }
  }
  const watched: Pick<DaemonCore, 'authorize' | 'execute'> = {
    authorize: (...asked) => noted(core.authorize(...asked)),
    execute: (...asked) => noted(core.execute(...asked)),
  }
  // What answers is exchanged while the daemon starts, so that everything is asked for anew each time.
  return new Proxy(core, {
    get: (_, name) => Reflect.get(watched, name) ?? Reflect.get(core, name),
  })
}
