import { type RevocationKind, RevocationSet, readRevocation } from '../../authorization/index.ts'
import type { Change, EntryOf, FoundRequest } from './find.ts'
import type { Recorded } from './recorded.ts'
import type { RequestSource } from './source.ts'

/** Why an execution ended: in words, and the entries that say so. */
export interface EndCause {
  readonly text: string
  readonly entries: readonly Change[]
}

/** Causes that mean that the gate closed, or that the lease was not renewed (native/launchd, `daemon/launcher/types.ts`). */
const BY_GATE: ReadonlySet<string> = new Set(['EPOCH', 'LEASE', 'LAPSE', 'GRACE'])
/** Causes that mean that it never ran: what lapsed between permit and first instruction keeps it from running. */
const NOT_RUN: ReadonlySet<string> = new Set(['NOT_STARTED', 'ABANDONED'])

const TEXTS: Readonly<Record<string, string>> = {
  EXPIRY: 'its artifact expired',
  RUN_TIME: 'its run time was over',
  CPU_TIME: 'its processor time was used up',
  OUTPUT_LIMIT: 'it wrote more than it may',
  PARENT: 'the execution that started it ended',
  TERMINATED: 'it was terminated through the API',
  CALLER_GONE: 'its caller went away',
  REVOKED: 'it was revoked',
  DAEMON: 'the daemon ended it',
  LAUNCHER_STOP: 'the launcher stopped',
  LAUNCHER_LOST: 'the launcher was lost',
  SUPERVISOR_LOST: 'its supervisor was lost',
  SUPERSEDED: 'another daemon took over',
  NOT_STARTED: 'it could not be started',
  ABANDONED: 'it was let go before its first instruction',
  DENIED: 'its authorization, decided again, did not hold any more',
  NOT_AS_PERMITTED: 'a daemon that was restarted left something else than was permitted under its id',
  INIT_LOST: 'what watched over its processes from within was killed',
  OUT_OF_MEMORY: 'it ran out of memory',
}

/** What can be revoked of a request. */
export type Revocable = readonly (readonly [kind: RevocationKind, id: string])[]

/** What of a request can be revoked, as far as its entry and its record say. */
export function revocableOf({ decision }: FoundRequest, { record, again }: Recorded): Revocable {
  const { artifact, executionId } = decision.event
  const terms = record?.terms
  const parent = record?.inputs?.caller?.parentExecution
  return [
    ...(artifact === null ? [] : [['artifact', artifact] as const]),
    ...(terms ? [terms.program, ...terms.files] : []).map(({ sha256 }) => ['program', sha256] as const),
    ...[executionId, parent].flatMap(id => (id ? [['execution', id] as const] : [])),
    ...(again?.signed.by ?? []).map(({ keyId }) => ['key', keyId] as const),
  ]
}

/** The last of these revocations that hits something of the request; null if none is known to. */
export async function hitting(
  source: RequestSource,
  revocations: readonly EntryOf<'revocation'>[],
  revocable: Revocable,
): Promise<{ entry: EntryOf<'revocation'>; kind: RevocationKind; id: string } | null> {
  for (const entry of revocations.toReversed()) {
    try {
      const set = RevocationSet.empty.with(readRevocation(await source.blob(entry.event, entry.event.blob)))
      for (const [kind, id] of revocable) if (set.has(kind, id)) return { entry, kind, id }
    } catch {
      // What cannot be read names nothing. That it cannot be read is said of the evidence.
    }
  }
  return null
}

/** Why it ended. Null while it has not. */
export async function causeOf(
  source: RequestSource,
  request: FoundRequest,
  recorded: Recorded,
): Promise<EndCause | null> {
  const { end, decision } = request
  if (end === null) return null
  const { cause, exitCode, signal } = end.event
  if (cause === 'EXITED') return { text: exited(exitCode, signal), entries: [] }
  if (BY_GATE.has(cause) || NOT_RUN.has(cause)) {
    const closing = closed(request, epochOf(request) ?? recorded.record?.inputs?.gate.epoch ?? null)
    if (closing !== null && cause !== 'GRACE') return closing
    if (closing !== null)
      return { ...closing, text: `${closing.text}, and it could not go on within its grace` }
    if (BY_GATE.has(cause)) return { text: 'its lease was not renewed in time', entries: [] }
  }
  if (cause === 'DENIED') {
    const denied = request.orders.findLast(
      ({ event }) => event.type === 'renewal' && event.outcome === 'deny',
    )?.event
    const reasons = denied?.type === 'renewal' ? denied.reasons : []
    if (reasons.length > 0) return { text: `${TEXTS.DENIED}: ${said(reasons)}`, entries: [] }
  }
  if (cause === 'REVOKED' || NOT_RUN.has(cause)) {
    const revocations = request.changes.filter(
      (entry): entry is EntryOf<'revocation'> =>
        entry.event.type === 'revocation' && entry.index > decision.index,
    )
    // A kill waits for no entry: that of the revocation may come after the end. Those before it are looked at first, the last of them first.
    const before = revocations.filter(entry => entry.index < end.index)
    const behind = revocations.slice(before.length).toReversed()
    const hit = await hitting(source, [...behind, ...before], revocableOf(request, recorded))
    if (hit !== null) {
      const { entry, kind, id } = hit
      return { text: `the ${kind} ${id} was revoked`, entries: [entry] }
    }
  }
  return { text: TEXTS[cause] ?? `of ${cause}`, entries: [] }
}

/** The epoch that it belonged to in the end: each thaw and each adoption moves it on. */
function epochOf({ start, orders }: FoundRequest): number | null {
  const last = orders.findLast(({ event }) => event.type === 'thaw' || event.type === 'adoption')?.event
  return last !== undefined && 'epoch' in last ? last.epoch : (start?.event.epoch ?? null)
}

function exited(exitCode: number | null, signal: number | null): string {
  if (exitCode !== null) return `it exited with status ${exitCode}`
  return signal === null ? 'it exited' : `signal ${signal} ended it`
}

/** The transition that ended the epoch, with the appraisal that failed, if one did. */
function closed({ changes, decision }: FoundRequest, epoch: number | null): EndCause | null {
  const at = changes.findIndex(
    ({ index, event }) =>
      index > decision.index &&
      event.type === 'trust-transition' &&
      (event.to === 'STALE' || event.to === 'FAILED') &&
      (epoch === null || event.epoch > epoch),
  )
  const transition = changes[at]
  if (transition?.event.type !== 'trust-transition') return null
  const { to, reasons } = transition.event
  if (to === 'STALE')
    return { text: `the host was no longer attested: ${said(reasons)}`, entries: [transition] }
  // The gate closes first, and the appraisal is written then.
  const appraisal = [...changes.slice(at), ...changes.slice(0, at).reverse()].find(
    ({ event }) => event.type === 'appraisal' && event.verdict === 'fail',
  )
  // The appraisal's reasons name the place, those of the gate do not.
  const failed = appraisal?.event.type === 'appraisal' ? appraisal.event.reasons : reasons
  return {
    text: `an appraisal failed: ${said(failed)}`,
    entries: [transition, ...(appraisal === undefined ? [] : [appraisal])],
  }
}

function said(reasons: readonly { code: string; message: string; at: string | null }[]): string {
  const texts = reasons.map(({ code, message, at }) => {
    return `${message === '' ? code : message}${at === null ? '' : ` (${at})`}`
  })
  return texts.join('; ') || 'no reason is recorded'
}
