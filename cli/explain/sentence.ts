import { short } from '../lineage/line.ts'
import type { EndCause } from './cause.ts'
import type { EntryOf, FoundRequest } from './find.ts'
import type { Recorded } from './recorded.ts'

/** What a sentence is made of. */
export interface Known {
  readonly request: FoundRequest
  readonly recorded: Recorded
  readonly cause: EndCause | null
  /** Permits that consumed a use of the same artifact before; newest last. */
  readonly uses: readonly EntryOf<'decision'>[]
  /** The revocation that hit a request that was denied. */
  readonly revocation: EntryOf<'revocation'> | null
}

/** Why, in one sentence; for an execution, how it ended and why in a second one. Not yet safe for a terminal. */
export function sentence(known: Known): string {
  const { outcome } = known.request.decision.event
  return outcome === 'permit' ? `${permitted(known)}.${ended(known)}` : `Denied: ${denied(known)}.`
}

function permitted({ request, recorded }: Known): string {
  const { record, again } = recorded
  const { caller, use, artifact } = request.decision.event
  const inputs = record?.inputs
  if (inputs == null) {
    const by = artifact === null ? '' : ` under ${use?.issuer ?? 'an'}'s artifact ${short(artifact)}…`
    return `Permitted to uid ${caller.uid}${by}`
  }
  const policies = again?.policy?.policies.map(({ id }) => id)
  const permits =
    policies === undefined
      ? 'the policy in force permits'
      : policies.length === 1
        ? `policy ${policies[0]} permits`
        : `policies ${and(policies)} permit`
  return [
    `Permitted: ${terms(request, recorded, inputs.request)}`,
    `${permits} it`,
    `and the host was attested ${duration(inputs.gate.evidenceAgeMs ?? 0)} before`,
  ].join(', ')
}

function terms(
  { decision: { event } }: FoundRequest,
  { statement }: Recorded,
  { operation, program }: { operation: string; program: string },
): string {
  const { uid } = event.caller
  const lets = operation === 'execute' ? 'lets' : 'would let'
  if (event.artifact === null)
    return `uid ${uid} asked for an artifact to run ${program}, and the host may make it`
  const name = `artifact ${short(event.artifact)}…`
  if (statement === null)
    return `${event.use?.issuer ?? 'an issuer'}'s ${name} ${lets} uid ${uid} run ${program}`
  const { issuer, validity } = statement.predicate
  const times =
    validity.maxUses === 'any' ? '' : validity.maxUses === 1 ? ' once' : ` ${validity.maxUses} times`
  return `${issuer}'s ${name} ${lets} uid ${uid} run ${program}${times} until ${validity.notAfter}`
}

function denied({ request, recorded, uses, revocation }: Known): string {
  const { reasons } = request.decision.event
  const [first, ...more] = reasons
  if (first === undefined) return 'no reason is recorded'
  const others =
    more.length === 0 ? '' : `, and for ${more.length} more reason${more.length === 1 ? '' : 's'}`
  const use = uses.at(-1)
  const maxUses = recorded.statement?.predicate.validity.maxUses
  if (first.code === 'REPLAYED' && first.message.startsWith('used ') && use !== undefined) {
    const which = maxUses === 1 ? 'its one use was' : `its ${uses.length} uses were`
    const last = maxUses === 1 ? 'by' : 'the last of them by'
    return `${which} consumed ${last} decision ${use.index} (execution ${use.event.executionId ?? 'unknown'})${others}`
  }
  if (first.code === 'REVOKED' && revocation !== null) {
    return `${first.message} (entry ${revocation.index}, epoch ${revocation.event.epoch})${others}`
  }
  return `${first.message} [${first.code}]${others}`
}

/** What an entry says that it is from then on; null if it says nothing of that. */
function stateBy(event: FoundRequest['orders'][number]['event']): string | null {
  if (event.type === 'freeze') return 'frozen'
  if (event.type === 'thaw' || event.type === 'adoption') return 'running'
  return event.type === 'hand-over' && event.over === 'restart' ? 'kept by the launcher' : null
}

function ended({ request, cause }: Known): string {
  const { start, end, decision } = request
  if (decision.event.use === null) return ''
  if (end === null || cause === null) {
    if (start === null) return ' No start of it is recorded.'
    const states = request.orders.flatMap(({ event }) => stateBy(event) ?? [])
    return ` No end of it is recorded: it is ${states.at(-1) ?? 'running'}.`
  }
  if (start === null) return ` It never ran, because ${cause.text}.`
  const after = duration(between(start, end))
  if (end.event.cause === 'EXITED') return ` ${capital(cause.text)} ${after} after its start.`
  return ` It ended ${after} after its start because ${cause.text}.`
}

/** Milliseconds between two entries; on the boot clock, which does not jump. */
export function between(
  a: { readonly event: { readonly bootNs: string } },
  b: { readonly event: { readonly bootNs: string } },
): number {
  return Math.max(0, Number((BigInt(b.event.bootNs) - BigInt(a.event.bootNs)) / 1_000_000n))
}

/** Milliseconds as a person says them. */
export function duration(ms: number): string {
  if (ms < 1000) return `${ms} ms`
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${(ms / 3_600_000).toFixed(1)} h`
}

function and(items: readonly string[]): string {
  return items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
