import type { AttestationStatusInput } from '../../proto/generated/writ/v1/AttestationStatus.ts'
import type { TrustReason } from '../gate.ts'
import { oneLine } from '../log/journal-fields.ts'
import { type Late, lateText } from '../progress.ts'

/** An answer to a scraper or a probe. */
export interface Page {
  readonly status: 200 | 404 | 405 | 500 | 503
  readonly type: string
  readonly body: string
}

const PLAIN = 'text/plain; charset=utf-8'
const METRICS = 'text/plain; version=0.0.4; charset=utf-8'
/** Most reasons that a probe is told. */
const MAX_REASONS = 16

export interface Sources {
  /** The page of metrics. */
  readonly metrics: () => Promise<string>
  /** What is late; null while the daemon gets on. */
  readonly late: () => Late | null
  /** The gate as the API tells it; null while nothing serves yet. */
  readonly status: () => AttestationStatusInput | null
  /** Why every request is denied behind an open gate, too. */
  readonly denying: () => readonly TrustReason[]
}

/** The pages that there are, by path: nothing of a request but its path selects, and nothing of it comes back. */
export async function pageAt(path: string, sources: Sources): Promise<Page> {
  switch (path) {
    case '/metrics':
      return { status: 200, type: METRICS, body: await sources.metrics() }
    case '/healthz':
      return healthy(sources.late())
    case '/readyz':
      return ready(sources.status(), sources.denying())
    default:
      return plain(404, ['/metrics, /healthz and /readyz'])
  }
}

/** Alive: the loop turns, which the answer shows, and what the daemon does is over in time. */
function healthy(late: ReturnType<Sources['late']>): Page {
  return late === null ? plain(200, ['ok']) : plain(503, [`${late.code}: ${lateText(late)}`])
}

/** Ready: attested, and with all that a permit rests on, so that what is asked for can be permitted. */
function ready(status: AttestationStatusInput | null, denying: readonly TrustReason[]): Page {
  if (status === null) return plain(503, ['UNATTESTED', 'NOT_YET_APPRAISED: the daemon is starting'])
  const state = String(status.state).replace(/^GATE_STATE_/, '')
  const ofGate = (status.reasons ?? []).slice(0, MAX_REASONS)
  const isReady = state === 'ATTESTED' && denying.length === 0
  return plain(isReady ? 200 : 503, [
    state,
    ...[...ofGate, ...denying].map(({ code, message }) => oneLine(`${code}: ${message}`)),
  ])
}

function plain(status: Page['status'], lines: readonly string[]): Page {
  return { status, type: PLAIN, body: `${lines.join('\n')}\n` }
}
