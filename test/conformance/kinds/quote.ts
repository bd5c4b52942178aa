import {
  bankName,
  checkPcrValues,
  checkQuote,
  judgeClock,
  parseQuoteAttest,
  QuoteError,
  type QuoteKey,
  type QuoteQuestion,
  readClaimedPcrs,
  readQuoteKey,
  readSelectionText,
  readSignatureFormat,
  type SignatureFormat,
  type VerifiedQuote,
} from '../../../attestation/index.ts'
import { WritError } from '../../../encoding/error.ts'
import type { JsonValue } from '../../../encoding/json.ts'
import type { Answer, Answerer, ConformanceCase } from '../case.ts'

type Fields = Readonly<Record<string, JsonValue>>

/** Quotes, and pairs of quotes by one key. */
export const answerQuote: Answerer = given => {
  const files = given.case ?? {}
  if ('first' in files) return answerPair(given, files)
  if (keyOf(given, files) === null) return facts(parseQuoteAttest(given.read(text(files.attest))))
  try {
    const quote = verified(given, files, files)
    if (files.pcrs !== undefined) checkPcrValues(quote, readClaimedPcrs(given.read(text(files.pcrs))))
    return { verify: true, ...facts(quote) }
  } catch (error) {
    return { verify: false, reason: refusal(error) }
  }
}

function answerPair(given: ConformanceCase, files: Fields): Answer {
  try {
    const [first, second] = [files.first, files.second].map(member =>
      verified(given, files, member as Fields),
    )
    if (first === undefined || second === undefined) throw new TypeError('not a pair')
    const step = judgeClock({ ...first.clock, firmwareVersion: first.firmwareVersion }, second.clock)
    // What went back is named by whoever judges; that it did is what counts.
    if (step.startsWith('rollback')) return { accept: false }
    return { accept: true, pair: step === 'running' ? 'ok' : step }
  } catch (error) {
    return { accept: false, reason: refusal(error) }
  }
}

function verified(given: ConformanceCase, files: Fields, quote: Fields): VerifiedQuote {
  const key = keyOf(given, files)
  if (key === null) throw new TypeError('no key')
  const question: QuoteQuestion = {
    key,
    signatureFormat: readSignatureFormat(text(files.signatureFormat)) as SignatureFormat,
    extraData: typeof quote.nonce === 'string' ? Buffer.from(quote.nonce, 'hex') : null,
    pcrs: { atLeast: requiredPcrs(files.requiredPcrs) },
  }
  return checkQuote(
    { attest: given.read(text(quote.attest)), signature: given.read(text(quote.signature)) },
    question,
  )
}

function keyOf(given: ConformanceCase, files: Fields): QuoteKey | null {
  const name = files.akPublic ?? files.akPem
  return name === undefined ? null : readQuoteKey(given.read(text(name)))
}

function requiredPcrs(required: JsonValue | undefined) {
  return Object.entries((required ?? {}) as Record<string, number[]>).flatMap(
    ([bank, pcrs]) => readSelectionText(`${bank}:${pcrs.join(',')}`) ?? [],
  )
}

type Facts = Pick<VerifiedQuote, 'extraData' | 'pcrSelection' | 'clock'>

function facts({ extraData, pcrSelection, clock }: Facts): Answer {
  return {
    nonce: extraData.toString('hex'),
    pcrSelection: pcrSelection.map(({ bank, pcrs }) => ({ hash: bankName(bank), pcrs: [...pcrs] })),
    ...clock,
    clock: Number(clock.clock),
  }
}

function refusal(error: unknown): string {
  if (error instanceof QuoteError || error instanceof WritError) return error.code
  throw error
}

function text(value: JsonValue | undefined): string {
  if (typeof value !== 'string') throw new TypeError('the case lacks a member')
  return value
}
