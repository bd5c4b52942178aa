import { isDeepStrictEqual } from 'node:util'
import {
  bindExtraData,
  type EnrolledAk,
  extendByUserspace,
  IMA_PCR,
  type ImaReplay,
  LogReplays,
  type PcrValues,
  parseUserspaceLog,
  pcrDigestMatcher,
  QUOTED_BANK,
  QUOTED_SELECTION,
  splitPcrs,
  type VerifiedQuote,
  verifyQuote,
} from '../../attestation/index.ts'
import { bindingOf } from '../appraisal-binding.ts'
import { LineageError } from '../error.ts'
import type { LineageEvent } from '../events/index.ts'
import type { AnchoredCheckpoint } from './checkpoints.ts'
import { failed, notChecked, type PropertyResult, verified } from './result.ts'

export const CHECKPOINT_PCRS = 'PCRs of the checkpoints'

type AppraisalEvent = LineageEvent & { type: 'appraisal' }

interface Appraisal {
  readonly index: number
  readonly event: AppraisalEvent
  quote?: Promise<VerifiedQuote>
}

/**
 * The appraisals on both sides of a checkpoint: the newest that passed before it, and the one after. After it is one whose entry *and* quote are: what was
 * quoted before the checkpoint, and had its entry behind it because it was still judged, does not know what IMA measured between the two quotes.
 */
interface Beside {
  readonly before: Appraisal
  readonly after: Appraisal | undefined
}

/**
 * What becomes of one: it `fits` what was appraised; it is `beyond` what any appraisal has covered yet, which is normal while a host runs; the log claims
 * nothing at that size, so it is `unclaimed`; it does not fit, and the next appraisal failed, so the log `disowns` it; a `later` boot signed it, as a
 * start does with the tree that the run before left pending; or its values, or the evidence to hold them against, are not at hand.
 */
type Outcome = 'fits' | 'beyond' | 'unclaimed' | 'disowned' | 'later' | 'unknown'

/** What a running system extends by systemd's log: phases of the boot and what it measures later (UAPI Group, Linux TPM PCR Registry). */
const RUNTIME_PCRS: ReadonlySet<number> = new Set([11, 15])
/** Most that wait for the next appraisal: a lease runs out long before. */
const MAX_WAITING = 4096

/** Most records of systemd's log that are tried, from the newest on. It measures some dozens in a boot. */
const MAX_RECORDS = 256

/** A mismatch that nothing explains. */
class Mismatch extends Error {}

/**
 * Holds the PCRs of each anchored checkpoint against the trust state that the log claims: while it says ATTESTED, all but PCR 10 are those of the newest
 * passing appraisal before it, and PCR 10 is a state that the IMA log of the appraisal before or after it goes through. Where the digests of the quotes are
 * equal nothing else is looked at. That the evidence of the appraisals is acceptable is another property.
 */
export class CheckpointPcrs {
  readonly #blob: (digest: string) => Promise<Buffer>
  readonly #ak: EnrolledAk | undefined
  readonly #replays = new LogReplays()
  readonly #outcomes: Record<Outcome, number> = {
    fits: 0,
    beyond: 0,
    unclaimed: 0,
    disowned: 0,
    later: 0,
    unknown: 0,
  }
  #newest: Outcome = 'unclaimed'
  #fault: string | undefined
  /** Where the gate began to be open or closed, as the log says. */
  #claims: { readonly index: number; readonly attested: boolean; readonly start: boolean }[] = []
  #appraisals: Appraisal[] = []
  #waiting: AnchoredCheckpoint[] = []
  /** Values that fitted an appraisal, and of which boot: from them the log of a later one is gone on from. */
  #known: { readonly values: PcrValues; readonly resetCount: number } | undefined

  /** @param blob gives evidence by its digest, which is checked; what was dropped is `BLOB_ABSENT` */
  constructor(blob: (digest: string) => Promise<Buffer>, ak: EnrolledAk | undefined) {
    this.#blob = blob
    this.#ak = ak
  }

  /** Takes the next event. */
  take(event: LineageEvent, index: number): void {
    if (event.type === 'daemon-start') this.#claims.push({ index, attested: false, start: true })
    else if (event.type === 'trust-transition')
      this.#claims.push({ index, attested: event.to === 'ATTESTED', start: false })
    else if (event.type === 'appraisal') this.#appraisals.push({ index, event })
  }

  /** Takes a checkpoint whose signatures hold; it is judged once the appraisal after it is there. */
  readonly anchored = (checkpoint: AnchoredCheckpoint): void => {
    this.#waiting.push(checkpoint)
  }

  /** Judges those that can be. @param atEnd whether no more events come */
  async settle(atEnd = false): Promise<void> {
    let settled = 0
    for (const checkpoint of this.#waiting) {
      const claimed = lastBefore(this.#claims, checkpoint.size)?.attested === true
      const after = this.#appraisals.find(appraisal => isAfter(appraisal, checkpoint))
      const mayWait = !atEnd && this.#waiting.length - settled <= MAX_WAITING
      if (claimed && after === undefined && mayWait) break
      await this.#settle(checkpoint, claimed, after)
      settled++
    }
    const last = this.#waiting[settled - 1]
    this.#waiting.splice(0, settled)
    this.#forget(this.#waiting[0]?.size ?? last?.size)
  }

  /** What lies before a checkpoint that was judged concerns none after it, but for the newest of each. */
  #forget(size: number | undefined): void {
    if (size === undefined) return
    const from = <T extends { index: number }>(list: readonly T[], keep: T | undefined) =>
      keep === undefined ? [...list] : list.filter(({ index }) => index >= keep.index)
    this.#claims = from(this.#claims, lastBefore(this.#claims, size))
    this.#appraisals = from(this.#appraisals, lastPassed(this.#appraisals, size))
  }

  async #settle(
    checkpoint: AnchoredCheckpoint,
    claimed: boolean,
    after: Appraisal | undefined,
  ): Promise<void> {
    if (this.#fault !== undefined) return
    let outcome: Outcome
    try {
      outcome = claimed ? await this.#outcomeOf(checkpoint, after) : 'unclaimed'
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      const isGone = error instanceof LineageError && error.code === 'BLOB_ABSENT'
      if (isGone) outcome = 'unknown'
      else {
        const { index } = checkpoint
        this.#fault = `${index === null ? 'the published checkpoint' : `the checkpoint in entry ${index}`}: ${message}`
        return
      }
    }
    this.#outcomes[outcome]++
    this.#newest = outcome
  }

  /** What spares a checkpoint the appraisal after it holds only if that is the one: then the clocks by which it was found are looked at. */
  async #outcomeOf(checkpoint: AnchoredCheckpoint, after: Appraisal | undefined): Promise<Outcome> {
    let outcome: Outcome
    try {
      outcome = await this.#judge(checkpoint, after)
    } catch (error) {
      if (!(error instanceof Mismatch && this.#isDisowned(checkpoint, after))) throw error
      outcome = 'disowned'
    }
    if (outcome === 'beyond' || outcome === 'disowned') await this.#holdClocks(checkpoint, after)
    return outcome
  }

  /** Holds what entries say of the clock against their quotes, of all that passed behind a checkpoint up to the one that counts as after it. */
  async #holdClocks({ size }: AnchoredCheckpoint, after: Appraisal | undefined): Promise<void> {
    const to = after?.index ?? Number.POSITIVE_INFINITY
    for (const one of this.#appraisals)
      if (one.index >= size && one.index <= to && passed(one)) await this.#quoteOf(one)
  }

  /** Whether an appraisal behind it has failed, up to the one that it is held against. */
  #isDisowned({ size }: AnchoredCheckpoint, after: Appraisal | undefined): boolean {
    const to = after?.index ?? Number.POSITIVE_INFINITY
    return this.#appraisals.some(one => one.index >= size && one.index <= to && !passed(one))
  }

  async #judge({ index, size, quote }: AnchoredCheckpoint, after: Appraisal | undefined): Promise<Outcome> {
    const before = lastPassed(this.#appraisals, size)
    if (before === undefined) throw new Mismatch('the log claims ATTESTED, and no appraisal before it passed')
    const { resetCount } = quote.clock
    const appraised = await this.#quoteOf(before)
    if (appraised.clock.resetCount !== resetCount) {
      if (index === null || this.#claims.some(at => at.start && at.index >= size && at.index < index))
        return 'later'
      throw new Mismatch(
        `the TPM was reset since the appraisal in entry ${before.index}, and the log claims ATTESTED`,
      )
    }
    const values = await this.#valuesOf(quote)
    if (isSame(quote, appraised)) {
      if (values !== null) this.#known = { values, resetCount }
      return 'fits'
    }
    const next = after?.event.clock?.resetCount === resetCount ? after : undefined
    if (next !== undefined && passed(next) && isSame(quote, await this.#quoteOf(next))) return 'fits'
    return values === null
      ? this.#judgeDigest(quote, appraised, { before, after: next })
      : this.#judgeValues(values, quote, appraised, { before, after: next })
  }

  /** The boot's PCRs are those of the appraisal, and PCR 10 goes on from its own along the IMA log. */
  async #judgeValues(
    values: PcrValues,
    quote: AnchoredCheckpoint['quote'],
    appraised: VerifiedQuote,
    beside: Beside,
  ): Promise<Outcome> {
    const { before, after } = beside
    for await (const list of this.#lists(after ?? before)) {
      for (const base of [values, ...this.#bases(quote)]) {
        const from = positionOf(list, pcrDigestMatcher(appraised, QUOTED_BANK, base, IMA_PCR))
        if (from !== null) return this.#follow(values, { base, list, from }, beside, quote)
      }
    }
    // What systemd measures later moves more than PCR 10, and which PCR that was cannot be told.
    if ((after ?? before).event.evidence.userspaceLog !== null) return 'unknown'
    throw new Mismatch(`the PCRs are not those of the appraisal in entry ${before.index}`)
  }

  /** @param base values that fit the appraisal before it, with PCR 10 as the list has it after `from` entries */
  async #follow(
    values: PcrValues,
    { base, list, from }: { base: PcrValues; list: ImaReplay | null; from: number },
    { before, after }: Beside,
    { clock }: AnchoredCheckpoint['quote'],
  ): Promise<Outcome> {
    const since = `since the appraisal in entry ${before.index}`
    const moved = [...values.keys()].filter(
      pcr => pcr !== IMA_PCR && !isEqual(values.get(pcr), base.get(pcr)),
    )
    const boot = moved.find(pcr => !RUNTIME_PCRS.has(pcr))
    if (boot !== undefined) throw new Mismatch(`PCR ${boot} changed ${since}`)
    if (moved.length > 0) {
      if (after === undefined) return 'beyond'
      if (!(await this.#isMeasured(moved, values, base, after)))
        throw new Mismatch(`PCR ${moved[0]} changed ${since}, and systemd's log does not say why`)
    }
    const at = positionOf(list, value => isEqual(value, values.get(IMA_PCR)))
    if (at === null && after === undefined) return 'beyond'
    if (at === null) throw new Mismatch(`PCR 10 changed ${since} to what the IMA log does not go through`)
    if (at < from) throw new Mismatch(`PCR 10 is from before the appraisal in entry ${before.index}`)
    this.#known = { values, resetCount: clock.resetCount }
    return 'fits'
  }

  /** Whether records of systemd's log, one after the other, lead from some values to others. */
  async #isMeasured(
    moved: readonly number[],
    values: PcrValues,
    base: PcrValues,
    { event }: Appraisal,
  ): Promise<boolean> {
    const log = event.evidence.userspaceLog
    if (log === null) return false
    const { events } = parseUserspaceLog(await this.#blob(log))
    const newest = events.slice(-MAX_RECORDS)
    for (let first = 0; first < newest.length; first++) {
      let pcrs: ReadonlyMap<number, Buffer> = new Map(
        moved.map(pcr => [pcr, Buffer.from(base.get(pcr) ?? [])]),
      )
      for (const record of newest.slice(first)) {
        pcrs = extendByUserspace({ bank: QUOTED_BANK, pcrs }, [record])
        if (moved.every(pcr => isEqual(pcrs.get(pcr), values.get(pcr)))) return true
      }
    }
    return false
  }

  /** The values were not kept: those that fitted in this boot stand for them, with PCR 10 wherever the list says. */
  async #judgeDigest(
    quote: AnchoredCheckpoint['quote'],
    appraised: VerifiedQuote,
    { before, after }: Beside,
  ): Promise<Outcome> {
    for (const base of this.#bases(quote)) {
      for await (const list of this.#lists(after ?? before)) {
        const from = positionOf(list, pcrDigestMatcher(appraised, QUOTED_BANK, base, IMA_PCR))
        const at = positionOf(list, pcrDigestMatcher(quote, QUOTED_BANK, base, IMA_PCR))
        if (from !== null && at !== null && at >= from) return 'fits'
      }
    }
    return 'unknown'
  }

  #bases({ clock }: AnchoredCheckpoint['quote']): PcrValues[] {
    return this.#known?.resetCount === clock.resetCount ? [this.#known.values] : []
  }

  /** An appraisal's quote, by the AK, bound to what the appraisal says, and with the clock that it says. */
  #quoteOf(appraisal: Appraisal): Promise<VerifiedQuote> {
    appraisal.quote ??= this.#readQuote(appraisal)
    return appraisal.quote
  }

  async #readQuote({ index, event }: Appraisal): Promise<VerifiedQuote> {
    const { attest, signature } = event.evidence
    const quote = {
      attest: await this.#blob(attest),
      signature: await this.#blob(signature),
    }
    let verified: VerifiedQuote
    try {
      const ak = this.#ak as EnrolledAk
      verified = verifyQuote(quote, {
        ak,
        extraData: bindExtraData(bindingOf(event)),
        pcrSelection: QUOTED_SELECTION,
      })
    } catch (error) {
      throw new Mismatch(`the quote of the appraisal in entry ${index} does not hold: ${String(error)}`)
    }
    const told = event.clock && { ...event.clock, clock: BigInt(event.clock.clock) }
    if (!isDeepStrictEqual(told, verified.clock))
      throw new Mismatch(`the clock of the appraisal in entry ${index} is not the one in its quote`)
    return verified
  }

  /** A checkpoint's PCR values are in the evidence store under the digest that its quote has; null where they were not kept. */
  async #valuesOf({ pcrDigest }: AnchoredCheckpoint['quote']): Promise<PcrValues | null> {
    try {
      return splitPcrs(QUOTED_SELECTION, await this.#blob(pcrDigest.toString('hex')))
    } catch (error) {
      if (error instanceof LineageError && error.code === 'BLOB_ABSENT') return null
      throw error
    }
  }

  /** The IMA log of an appraisal, each way that a kernel extends a bank by it; null for a host without one. */
  async *#lists({ event }: Appraisal): AsyncGenerator<ImaReplay | null> {
    const { imaLog, imaLength } = event.evidence
    if (imaLog.length === 0) {
      yield null
      return
    }
    const pieces: Buffer[] = []
    for (const digest of imaLog) pieces.push(await this.#blob(digest))
    const bytes = Buffer.concat(pieces).subarray(0, imaLength)
    for (const extend of ['native', 'padded'] as const) yield this.#replays.imaLog(bytes, extend)
  }

  /** @param chain what became of the chain of checkpoints: nothing is said of PCRs that no quote proves */
  result(chain: PropertyResult): PropertyResult {
    if (this.#ak === undefined) return notChecked(CHECKPOINT_PCRS, 'no attestation key was given')
    if (chain.status !== 'VERIFIED')
      return failed(CHECKPOINT_PCRS, 'the checkpoints are not all anchored', chain.file)
    if (this.#fault !== undefined) return failed(CHECKPOINT_PCRS, this.#fault)
    const { fits, beyond, unclaimed, disowned, later, unknown } = this.#outcomes
    const said = [
      `${fits} as appraised`,
      ...(beyond > 0 ? [`${beyond} beyond what an appraisal has covered yet`] : []),
      ...(unclaimed > 0 ? [`${unclaimed} while the log does not claim ATTESTED`] : []),
      ...(disowned > 0 ? [`${disowned} before an appraisal that failed`] : []),
      ...(later > 0 ? [`${later} signed after the TPM was reset`] : []),
      ...(unknown > 0 ? [`${unknown} without the evidence to tell`] : []),
    ].join(', ')
    return this.#newest === 'unknown' || this.#newest === 'later' || (fits === 0 && unknown > 0)
      ? notChecked(CHECKPOINT_PCRS, said)
      : verified(CHECKPOINT_PCRS, said)
  }
}

/**
 * Whether an appraisal is after a checkpoint in the log, and was quoted after it by the TPM's clock or in another boot: as the entry says, which is held against
 * its quote where anything hangs on it. Without a quote it has failed.
 */
function isAfter({ index, event: { clock } }: Appraisal, { size, quote }: AnchoredCheckpoint): boolean {
  if (index < size) return false
  return (
    clock === null || clock.resetCount !== quote.clock.resetCount || BigInt(clock.clock) > quote.clock.clock
  )
}

function passed({ event }: Appraisal): boolean {
  return event.verdict !== 'fail'
}

function lastBefore<T extends { readonly index: number }>(list: readonly T[], size: number): T | undefined {
  return list.findLast(({ index }) => index < size)
}

function lastPassed(list: readonly Appraisal[], size: number): Appraisal | undefined {
  return list.findLast(appraisal => appraisal.index < size && passed(appraisal))
}

function isSame(a: AnchoredCheckpoint['quote'], b: VerifiedQuote): boolean {
  return a.hash === b.hash && a.pcrDigest.equals(b.pcrDigest)
}

function isEqual(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a !== undefined && b !== undefined && Buffer.compare(a, b) === 0
}

/** Without an IMA log nothing extends PCR 10. */
function positionOf(list: ImaReplay | null, fits: (pcr10: Uint8Array) => boolean): number | null {
  if (list !== null) return list.findPosition(fits)
  return fits(Buffer.alloc(32)) ? 0 : null
}
