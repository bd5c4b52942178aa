import type { Logger } from 'pino'
import type { Prepared } from './launcher/client.ts'
import type { Permit } from './permit.ts'

/** Says in the daemon's own log what runs now, for whom. */
export function tellStarted(log: Logger, { input, decision, index }: Permit, { pid }: Prepared): void {
  log.info(
    {
      event: 'execution-started',
      executionId: input.request.executionId,
      decision: String(index),
      program: decision.terms?.program.path,
      issuer: decision.statement?.predicate.issuer,
      uid: input.caller?.uid,
      unit: input.caller?.unit,
      process: pid,
    },
    'execution started',
  )
}
