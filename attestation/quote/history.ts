import * as v from 'valibot'
import { sha256Hex } from '../../encoding/digest.ts'
import { canonicalJsonBytes, parseJson } from '../../encoding/json.ts'
import {
  type ClockHistory,
  type ClockStep,
  firmwareChanged,
  formatFirmwareVersion,
  judgeClock,
} from './clock.ts'
import { QuoteInputError } from './error.ts'
import type { VerifiedQuote } from './verify.ts'

/** What a verifier remembers of one host from quote to quote. */
export interface QuoteHistory {
  /** The key's Name, or SHA-256 of its SubjectPublicKeyInfo behind `spki:` where there is no Name. */
  readonly host: string
  /** The newest quote that was accepted. */
  readonly newest: ClockHistory & { readonly time: string }
  /** SHA-256 of the extraData of the quotes that were accepted, the newest last. */
  readonly nonces: readonly string[]
}

/** How a quote follows those before. */
export interface HistoryStep {
  readonly clock: ClockStep
  readonly firmwareChanged: boolean
  /** Whether a quote with the same extraData was accepted before: the same quote again, or a nonce that was used twice. */
  readonly nonceRepeated: boolean
  /** What to remember now; what it was before when the quote is not acceptable. */
  readonly next: QuoteHistory | null
}

/** Nonces that are remembered: a day of quotes every minute and a half. */
const MAX_NONCES = 1024
/** Most bytes of a history. */
export const MAX_HISTORY_BYTES = 256 << 10
const FORMAT = 'writ-quote-history-v1'

const u32 = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffffffff))
const SCHEMA = v.strictObject({
  format: v.literal(FORMAT),
  host: v.pipe(
    v.string(),
    v.regex(/^(?:[0-9a-f]{4}(?:[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})|spki:[0-9a-f]{64})$/),
  ),
  newest: v.strictObject({
    clock: v.pipe(v.string(), v.regex(/^(?:0|[1-9]\d{0,19})$/)),
    resetCount: u32,
    restartCount: u32,
    firmwareVersion: v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/)),
    time: v.pipe(v.string(), v.isoTimestamp()),
  }),
  nonces: v.pipe(v.array(v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))), v.maxLength(MAX_NONCES)),
})

/**
 * Judges a verified quote by what is remembered of its host. A clock that goes back, or a nonce that was used before, is not
 * acceptable and is not remembered.
 *
 * @param history null for the first quote of a host
 * @param host as {@link QuoteHistory.host}; another than the history's is a mistake of the caller
 * @param time when it was verified, RFC 3339
 */
export function judgeHistory(
  history: QuoteHistory | null,
  host: string,
  quote: Pick<VerifiedQuote, 'clock' | 'firmwareVersion' | 'extraData'>,
  time: string,
): HistoryStep {
  if (history !== null && history.host !== host) throw new TypeError('the history is of another host')
  const { clock, resetCount, restartCount } = quote.clock
  const newest = history?.newest ?? null
  const step = judgeClock(newest, quote.clock)
  const nonce = sha256Hex(quote.extraData)
  // A quote that no nonce was asked for says nothing of when it was made, however often it comes.
  const nonceRepeated = quote.extraData.length > 0 && (history?.nonces.includes(nonce) ?? false)
  const isAcceptable = !step.startsWith('rollback') && !nonceRepeated
  const next: QuoteHistory = {
    host,
    newest: { clock, resetCount, restartCount, firmwareVersion: quote.firmwareVersion, time },
    nonces: [...(history?.nonces ?? []), ...(quote.extraData.length > 0 ? [nonce] : [])].slice(-MAX_NONCES),
  }
  return {
    clock: step,
    firmwareChanged: firmwareChanged(newest, quote.firmwareVersion),
    nonceRepeated,
    next: isAcceptable ? next : history,
  }
}

/** A history as bytes for a file. */
export function encodeQuoteHistory({ host, newest, nonces }: QuoteHistory): Buffer {
  return canonicalJsonBytes({
    format: FORMAT,
    host,
    newest: {
      ...newest,
      clock: String(newest.clock),
      firmwareVersion: formatFirmwareVersion(newest.firmwareVersion),
    },
    nonces: [...nonces],
  })
}

/** Reads what {@link encodeQuoteHistory} wrote, strictly: half a history would forget. @throws QuoteInputError */
export function parseQuoteHistory(bytes: Uint8Array): QuoteHistory {
  try {
    const { host, newest, nonces } = v.parse(
      SCHEMA,
      parseJson(bytes, { maxBytes: MAX_HISTORY_BYTES, maxDepth: 4 }),
    )
    const clock = BigInt(newest.clock)
    if (clock >= 1n << 64n) throw new RangeError('a clock of more than 64 bits')
    return {
      host,
      newest: { ...newest, clock, firmwareVersion: BigInt(`0x${newest.firmwareVersion}`) },
      nonces,
    }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new QuoteInputError('QUOTE_HISTORY_MALFORMED', `not a history of quotes: ${why}`, { cause })
  }
}
