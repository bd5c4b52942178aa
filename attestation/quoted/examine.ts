import { sha256Hex } from '../../encoding/digest.ts'
import { WritError } from '../../encoding/error.ts'
import { type AppraisalReason, abridge } from '../appraisal/reason.ts'
import { type Appraisal, appraise } from '../appraise.ts'
import {
  type BankValues,
  bankName,
  type ClockStep,
  checkPcrValues,
  checkQuote,
  formatFirmwareVersion,
  judgeHistory,
  type Quote,
  QuoteError,
  type QuoteHistory,
  type QuoteKey,
  type QuoteQuestion,
  type VerifiedQuote,
  verifyName,
  weakness,
} from '../quote/index.ts'
import type { ReferenceValues } from '../reference/document.ts'
import type { HashAlgorithm } from '../tpm2/structures/index.ts'
import { compareLogs, isAbout } from './compare.ts'
import { explainMismatch } from './explain.ts'
import {
  findQuotedValues,
  type GivenLogs,
  ImaBanks,
  quotedBanks,
  type ReadLogs,
  type ReplayedBanks,
  readGivenLogs,
  replayBank,
} from './replay.ts'

/** What a person has beside a quote, and asks of it. */
export interface QuoteExamination extends QuoteQuestion {
  readonly quote: Quote
  /** Name of the key, as enrolment showed it; null: not checked. */
  readonly name: Uint8Array | null
  readonly logs: GivenLogs
  /** PCR values from beside the quote: they have to be the quoted ones. */
  readonly claimedPcrs: BankValues | null
  /** Appraises the host as the daemon does; needs the selection that Writ quotes. */
  readonly reference: ReferenceValues | null
  /** What is remembered of this host; undefined: nothing is remembered. */
  readonly history: QuoteHistory | null | undefined
  /** RFC 3339, for the history. */
  readonly time: string
  /** Whether a weak signature fails; else it is only told. */
  readonly refuseWeak: boolean
}

/** A finding; `fail` is what keeps a quote from being verified. */
export interface QuoteReason {
  readonly code: string
  readonly severity: AppraisalReason['severity']
  readonly message: string
  readonly at?: string
}

/** What of the question could be answered. */
export interface QuoteProperty {
  readonly property: string
  readonly status: 'VERIFIED' | 'NOT CHECKED' | 'FAILED'
  readonly detail: string
}

/** What came of it. The facts are null as long as the signature is not verified: then they are anybody's. */
export interface QuoteFinding {
  readonly verified: boolean
  readonly reasons: readonly QuoteReason[]
  readonly properties: readonly QuoteProperty[]
  readonly quote: VerifiedQuote | null
  readonly clockStep: ClockStep | null
  /** The quoted values; null when no values are known that give the quoted digest. */
  readonly pcrs: BankValues | null
  /** Quoted PCRs whose values no log explains, as `sha256:10`; empty where there is no log at all. */
  readonly unexplained: readonly string[]
  readonly imaAttestedEntries: number
  readonly appraisal: Appraisal | null
  /** What to remember; undefined when nothing is to change. */
  readonly nextHistory: QuoteHistory | undefined
}

/** How the verifier remembers a key's host: by Name, or by public key where there is none. */
export function historyHost({ name, object }: QuoteKey): string {
  return name?.toString('hex') ?? `spki:${sha256Hex(object.export({ type: 'spki', format: 'der' }))}`
}

/**
 * Verifies a quote and all that was brought with it. Pure; nothing that a host sends makes it throw. `verified` says that nothing failed
 * of all that could be looked at; what could not be is a property NOT CHECKED. With a bare public key that is most of all whether
 * the key is one that attests.
 */
export function examineQuote(input: QuoteExamination): QuoteFinding {
  return new Examination(input).run()
}

class Examination {
  readonly #in: QuoteExamination
  readonly #reasons: QuoteReason[] = []
  readonly #properties: QuoteProperty[] = []
  #clockStep: ClockStep | null = null
  #pcrs: BankValues | null = null
  #unexplained: readonly string[] = []
  #imaEntries = 0
  #appraisal: Appraisal | null = null
  #next: QuoteHistory | undefined

  constructor(input: QuoteExamination) {
    this.#in = input
  }

  run(): QuoteFinding {
    const quote = this.#verify()
    if (quote !== null) {
      this.#checkStrength(quote)
      this.#checkClock(quote)
      this.#checkValues(quote)
      this.#appraise()
    }
    const verified = quote !== null && !this.#reasons.some(({ severity }) => severity === 'fail')
    return {
      verified,
      reasons: this.#reasons,
      properties: this.#properties,
      quote,
      clockStep: this.#clockStep,
      pcrs: this.#pcrs,
      unexplained: this.#unexplained,
      imaAttestedEntries: this.#imaEntries,
      appraisal: this.#appraisal,
      nextHistory: verified ? this.#next : undefined,
    }
  }

  #verify(): VerifiedQuote | null {
    const { key, name, quote, extraData, pcrs } = this.#in
    try {
      if (name !== null) verifyName(key, name)
      const verified = checkQuote(quote, this.#in)
      this.#say('signature', 'VERIFIED', `${verified.scheme} with ${verified.hash}, by the given ${key.form}`)
      if (key.area === null)
        this.#say(
          'attestation key',
          'NOT CHECKED',
          `a ${key.form} does not say whether the key signs only what its TPM made`,
        )
      else
        this.#say('attestation key', 'VERIFIED', `restricted signing key, Name ${key.name?.toString('hex')}`)
      const named = name === null ? 'NOT CHECKED' : 'VERIFIED'
      this.#say(
        'key that was enrolled',
        named,
        name === null ? 'no Name was given' : 'the Name is the given one',
      )
      const fresh = extraData === null ? 'NOT CHECKED' : 'VERIFIED'
      this.#say(
        'nonce',
        fresh,
        extraData === null ? 'no nonce was given: the quote may be of any age' : 'the given one',
      )
      const asked =
        'exactly' in pcrs ? 'exactly those that were asked for' : 'at least those that were asked for'
      this.#say('PCR selection', 'VERIFIED', asked)
      return verified
    } catch (error) {
      if (!(error instanceof QuoteError)) throw error
      this.#fail(error.code, error.message, error.at)
      this.#say('quote', 'FAILED', error.message)
      return null
    }
  }

  #checkStrength(quote: VerifiedQuote): void {
    const weak = weakness(this.#in.key, quote)
    if (weak === null) return
    this.#reasons.push({
      code: 'QUOTE_WEAK',
      severity: this.#in.refuseWeak ? 'fail' : 'degrade',
      message: weak,
      at: 'signature',
    })
  }

  #checkClock(quote: VerifiedQuote): void {
    const { history, key, time } = this.#in
    if (!quote.clock.safe) {
      const message = 'the TPM lost power without a shutdown, so its clock may be behind what it was'
      this.#reasons.push({ code: 'CLOCK_NOT_SAFE', severity: 'degrade', message, at: 'clockInfo' })
    }
    if (history === undefined) {
      this.#say('history', 'NOT CHECKED', 'no history of this host was given')
      return
    }
    const step = judgeHistory(history, historyHost(key), quote, time)
    this.#clockStep = step.clock
    if (step.clock.startsWith('rollback')) {
      const what = step.clock.slice('rollback-'.length)
      this.#fail(
        'CLOCK_ROLLED_BACK',
        `the TPM's ${what} went back since the newest quote that was accepted`,
        'clockInfo',
      )
    }
    if (step.nonceRepeated) {
      this.#fail('QUOTE_NONCE_REPEATED', 'a quote with this nonce was accepted before', 'extraData')
    }
    if (step.firmwareChanged) {
      const message = `the TPM's firmware changed to ${formatFirmwareVersion(quote.firmwareVersion)}`
      this.#reasons.push({
        code: 'TPM_FIRMWARE_CHANGED',
        severity: 'degrade',
        message,
        at: 'firmwareVersion',
      })
    }
    const good = !step.clock.startsWith('rollback') && !step.nonceRepeated
    if (good && step.next !== null) this.#next = step.next
    this.#say('history', good ? 'VERIFIED' : 'FAILED', `the clock says: ${step.clock}`)
  }

  #checkValues(quote: VerifiedQuote): void {
    const { claimedPcrs, logs: given } = this.#in
    const { eventLog, userspaceLog, imaLog } = given
    const hasLogs = eventLog !== null || userspaceLog !== null || imaLog !== null
    if (claimedPcrs === null && !hasLogs) {
      this.#say(
        'PCR values',
        'NOT CHECKED',
        'neither values nor logs were given: the quote has only their digest',
      )
      return
    }
    try {
      const logs = hasLogs ? readGivenLogs(given) : null
      if (claimedPcrs !== null) checkPcrValues(quote, claimedPcrs)
      const proven = claimedPcrs === null ? null : onlyQuoted(quote, claimedPcrs)
      this.#pcrs = logs === null ? proven : this.#compare(quote, logs, proven)
      const status = this.#pcrs === null || this.#hasFailed() ? 'FAILED' : 'VERIFIED'
      this.#say('PCR values', status, this.#valuesText(status))
    } catch (error) {
      if (!(error instanceof WritError)) throw error
      this.#fail(error.code, error.message, error.at)
      this.#say('PCR values', 'FAILED', error.message)
    }
  }

  /** @returns the quoted values, null when the logs do not give them */
  #compare(quote: VerifiedQuote, logs: ReadLogs, proven: BankValues | null): BankValues | null {
    const banks = new Map(quotedBanks(quote).map(bank => [bank, replayBank(logs, bank)]))
    const ima = logs.imaLog && new ImaBanks(logs.imaLog)
    const values = proven ?? onlyQuoted(quote, findQuotedValues(quote, banks, ima))
    if (values === null) {
      const found = explainMismatch(quote, banks, ima)
      const hint =
        found === null
          ? unknownHint(quote, logs, banks)
          : `PCR ${found.pcr} is not as the log says: ${found.how}`
      const at = found === null ? 'pcrDigest' : `PCR ${found.pcr}`
      this.#fail('QUOTE_PCR_DIGEST_MISMATCH', `the logs do not give the quoted PCR values; ${hint}`, at)
      return null
    }
    const { faults, imaAttestedEntries, unexplained } = compareLogs(logs, banks, values)
    this.#reasons.push(...abridgeFaults(faults.map(fault => ({ ...fault, severity: 'fail' }))))
    this.#imaEntries = imaAttestedEntries
    this.#unexplained = unexplained
    return values
  }

  #valuesText(status: QuoteProperty['status']): string {
    if (status === 'FAILED') return 'they are not those that were given or logged'
    const rest = this.#unexplained.length
    return rest === 0
      ? 'they give the quoted digest'
      : `they give the quoted digest; no log is about ${rest} of them`
  }

  #appraise(): void {
    const { reference, quote, key, signatureFormat, extraData, logs } = this.#in
    if (reference === null) {
      this.#say('reference values', 'NOT CHECKED', 'none were given')
      return
    }
    this.#appraisal = appraise({
      evidence: { quote, ...logs, eventLog: logs.eventLog ?? Buffer.alloc(0) },
      reference,
      expected: { key, signatureFormat, extraData },
      previous: this.#in.history?.newest ?? null,
      governedDigests: new Set(),
      ...(this.#in.claimedPcrs?.has('sha256')
        ? { claimedPcrs: this.#in.claimedPcrs.get('sha256') ?? new Map() }
        : {}),
    })
    const known = new Set(this.#reasons.map(({ code, at }) => `${code} ${at}`))
    this.#reasons.push(...this.#appraisal.reasons.filter(({ code, at }) => !known.has(`${code} ${at}`)))
    const passes = this.#appraisal.verdict !== 'fail'
    this.#say(
      'reference values',
      passes ? 'VERIFIED' : 'FAILED',
      `the appraisal says: ${this.#appraisal.verdict}`,
    )
  }

  #hasFailed(): boolean {
    return this.#reasons.some(({ severity }) => severity === 'fail')
  }

  #fail(code: string, message: string, at?: string): void {
    this.#reasons.push({ code, severity: 'fail', message, ...(at === undefined ? {} : { at }) })
  }

  #say(property: string, status: QuoteProperty['status'], detail: string): void {
    this.#properties.push({ property, status, detail })
  }
}

/** Only what the quote covers is known. */
function onlyQuoted<T extends BankValues | null>({ pcrSelection }: VerifiedQuote, values: T): T {
  if (values === null) return values
  const quoted = Array.from(values, ([bank, pcrs]) => {
    const selected = pcrSelection
      .filter(selection => bankName(selection.bank) === bank)
      .flatMap(({ pcrs }) => pcrs)
    return [bank, new Map(Array.from(pcrs).filter(([pcr]) => selected.includes(pcr)))] as const
  })
  return new Map(quoted.filter(([, pcrs]) => pcrs.size > 0)) as BankValues as T
}

function unknownHint({ pcrSelection }: VerifiedQuote, logs: ReadLogs, banks: ReplayedBanks): string {
  const silent = new Set(
    pcrSelection.flatMap(({ bank, pcrs }) =>
      pcrs.filter(pcr => isAbout(logs, banks, bankName(bank) as HashAlgorithm, pcr) === null),
    ),
  )
  if (silent.size === 0)
    return 'no single PCR explains it; with the PCR values beside it, the PCR can be named'
  return `no log is about PCR ${[...silent].join(', ')}, which may have been extended; with the PCR values beside it, the PCR can be named`
}

function abridgeFaults(faults: readonly (QuoteReason & { severity: 'fail' })[]): QuoteReason[] {
  return abridge(faults as readonly AppraisalReason[])
}
