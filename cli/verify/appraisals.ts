import { isDeepStrictEqual } from 'node:util'
import {
  appraise,
  bindExtraData,
  type ClockHistory,
  type EnrolledAk,
  type Evidence,
  LogReplays,
  QUOTED_SELECTION,
  verifyQuote,
} from '../../attestation/index.ts'
import { bindingOf, CompactRange, encodeEvent, leafHash } from '../../lineage/index.ts'
import type { Documents, ReadBlob } from './documents.ts'
import { DroppedEntries } from './dropped-entries.ts'
import { goneOnWith } from './epochs.ts'
import { atEntry, type EventOf, type Holds, type LogEntry, type NotLookedAt, StepFailure } from './steps.ts'

type AppraisalEvent = EventOf<'appraisal'>

/**
 * Every quote of a cycle is by the attestation key, over PCR 0 to 15, and bound to the lineage as it was: at the size that
 * the quote names, the log had the root that it names. A quote of an appraisal that failed need not hold: that may be why.
 */
export async function checkQuotes(
  entries: readonly LogEntry[],
  ak: EnrolledAk,
  blob: ReadBlob,
): Promise<Holds | NotLookedAt> {
  const dropped = new DroppedEntries()
  const range = new CompactRange()
  const roots = new Map<number, Buffer>([[0, range.root()]])
  const wanted = new Set(
    entries.flatMap(({ event }) => (event.type === 'appraisal' ? [event.binding.treeSize] : [])),
  )
  let quotes = 0
  for (const { index, event } of entries) {
    if (event.type === 'appraisal' && event.verdict !== 'fail') {
      await atEntry(index, async () => {
        const root = roots.get(event.binding.treeSize)
        if (root === undefined || root.toString('hex') !== event.binding.lineageRoot) {
          throw new StepFailure('its quote is bound to another history')
        }
        await dropped.unless(index, async () => {
          await checkQuote(event, ak, blob)
          quotes++
        })
      })
    }
    range.append(leafHash(encodeEvent(event)))
    if (wanted.has(range.size)) roots.set(range.size, range.root())
  }
  return dropped.result(`${quotes} quotes, each over PCR 0 to 15 and the history before it`)
}

/** The quote of one appraisal is by the attestation key, over PCR 0 to 15, bound to what the appraisal says, and has the clock that it says. */
export async function checkQuote(event: AppraisalEvent, ak: EnrolledAk, blob: ReadBlob): Promise<void> {
  const { attest, signature } = event.evidence
  const quote = { attest: await blob(attest), signature: await blob(signature) }
  const { clock } = verifyQuote(quote, {
    ak,
    extraData: bindExtraData(bindingOf(event)),
    pcrSelection: QUOTED_SELECTION,
  })
  const told = event.clock && { ...event.clock, clock: BigInt(event.clock.clock) }
  if (!isDeepStrictEqual(told, clock)) throw new StepFailure("the TPM's clock is not the one in its quote")
}

/** Every appraisal, made again from its evidence and the reference values that it names, comes to the same verdict. */
export async function checkAppraisals(
  entries: readonly LogEntry[],
  ak: EnrolledAk,
  documents: Documents,
  blob: ReadBlob,
): Promise<Holds | NotLookedAt> {
  const dropped = new DroppedEntries()
  const replays = new LogReplays()
  const governed = new Set<string>()
  const verdicts = new Map<string, number>()
  // Runs on through every start of the daemon, which takes it up from the newest quote that verified.
  let previous: ClockHistory | null = null
  /** Whether the quote that the next one is judged by is among the dropped ones. */
  let gap = false
  for (const { index, event } of entries) {
    if (event.type === 'execution-start') for (const digest of event.subjects) governed.add(digest)
    if (event.type === 'epoch') {
      const before = await atEntry(index, () => goneOnWith(event, blob))
      for (const digest of before.governed) governed.add(digest)
      previous = before.history
    }
    if (event.type !== 'appraisal') continue
    const found = await atEntry(index, async () => {
      const reference = documents.referenceValues.get(event.binding.referenceValuesDigest)
      if (reference === undefined)
        throw new StepFailure("it is by reference values that the operator's key did not sign")
      const evidence = await dropped.unless(index, () => readEvidence(event, blob))
      if (evidence === undefined) return undefined
      const again = appraise({
        evidence,
        reference,
        expected: { ak, extraData: bindExtraData(bindingOf(event)) },
        previous: gap ? null : previous,
        governedDigests: governed,
        replays,
      })
      if (gap && again.history !== null) {
        // What a clock that goes back would have said, nobody can say any more.
        dropped.note(index)
        return { history: again.history, judged: false }
      }
      const codes = (list: readonly { code: string }[]) => list.map(({ code }) => code).join(' ')
      if (again.verdict !== event.verdict || codes(again.reasons) !== codes(event.reasons)) {
        throw new StepFailure(
          `appraised again it is ${again.verdict} (${codes(again.reasons)}), the log says ${event.verdict}`,
        )
      }
      return { history: again.history, judged: true }
    })
    if (found === undefined) {
      gap = true
      continue
    }
    // The history as it was before a quote that proves nothing is not known behind a gap either.
    gap &&= found.history === null
    previous = found.history
    if (found.judged) verdicts.set(event.verdict, (verdicts.get(event.verdict) ?? 0) + 1)
  }
  const found = [...verdicts].map(([verdict, count]) => `${count} ${verdict}`).join(', ')
  const result = dropped.result(found === '' ? 'none' : found)
  if (found === '' && 'detail' in result) throw new StepFailure('the log has no appraisal')
  return result
}

/** The evidence as raw bytes. An IMA log is kept in pieces, and its first `imaLength` bytes count. */
async function readEvidence({ evidence }: AppraisalEvent, blob: ReadBlob): Promise<Evidence> {
  const { attest, signature, eventLog, userspaceLog, imaLog, imaLength } = evidence
  const pieces = await Promise.all(imaLog.map(blob))
  const ima = Buffer.concat(pieces)
  if (imaLength > ima.length) throw new StepFailure('pieces of the IMA log are missing')
  return {
    quote: { attest: await blob(attest), signature: await blob(signature) },
    eventLog: await blob(eventLog),
    userspaceLog: userspaceLog === null ? null : await blob(userspaceLog),
    imaLog: pieces.length === 0 ? null : ima.subarray(0, imaLength),
  }
}
