import { EventLogError, type QuirkName } from '../eventlog/index.ts'
import type { Evidence } from '../evidence.ts'
import { IMA_PCR, ImaLogError, type ImaPosition, type ImaReplay } from '../ima/index.ts'
import { matchesPcrDigest, type PcrValues, pcrDigestMatcher, type VerifiedQuote } from '../quote/index.ts'
import { hashSize, QUOTED_BANK } from '../tpm2/structures/index.ts'
import { extendByUserspace, type UserspaceEvent, UserspaceLogError } from '../userspace/index.ts'
import { type AppraisalReason, attempt, failure } from './reason.ts'
import type { ReplayedBoot } from './replayed-boot.ts'
import type { LogReplays } from './replays.ts'

/** Logs that parse and replay, not yet compared with the quote. */
export interface ReadLogs {
  readonly replays: LogReplays
  readonly boot: ReplayedBoot
  /** What the event log may stand for beside that, if its own events do not give the quoted values. */
  readonly otherBoots: () => Iterable<ReplayedBoot>
  readonly userspace: readonly UserspaceEvent[]
  readonly ima: ImaReplay | null
  /** What the IMA log goes on from. */
  readonly imaBefore: ImaPosition | null
}

/**
 * Reads and replays all logs; null when one of them cannot be, with the reason added.
 *
 * @param imaBefore what the IMA log goes on from, where it is not whole
 * @param quirks known defects of firmware that the reference values put up with
 */
export function readLogs(
  evidence: Evidence,
  replays: LogReplays,
  reasons: AppraisalReason[],
  imaBefore: ImaPosition | null = null,
  quirks: readonly QuirkName[] = [],
): ReadLogs | null {
  const { eventLog, imaLog } = evidence
  const userspaceLog = evidence.userspaceLog ?? Buffer.alloc(0)
  const readings = () => replays.eventLog(eventLog, quirks)
  const boot = attempt(reasons, EventLogError, () => readings().next().value ?? null)
  const userspace = attempt(reasons, UserspaceLogError, () => replays.userspaceLog(userspaceLog))
  const ima = imaLog && attempt(reasons, ImaLogError, () => replays.imaLog(imaLog, 'native', imaBefore))
  for (const { code, message, at } of boot?.replay.problems ?? []) reasons.push(failure(code, message, at))
  if (boot === null || userspace === null || (ima === null && imaLog !== null)) return null
  const otherBoots = () => readings().drop(1)
  return { replays, boot, otherBoots, userspace, ima, imaBefore }
}

/** What the quote covers: PCR values, and the part of the IMA log that explains PCR 10. */
export interface AttestedLogs {
  readonly pcrs: ReadonlyMap<number, Buffer>
  readonly boot: ReplayedBoot
  readonly userspace: readonly UserspaceEvent[]
  readonly ima: ImaReplay | null
  readonly imaEntries: number
}

/** Most records of systemd's log that may be newer than the quote: it measures a few within one second of a boot, and then hardly any. */
const MAX_NEWER_RECORDS = 8

/**
 * Finds the positions in systemd's log and in the IMA log at which all logs together give the quoted digest; null, with the reason
 * added, when there are none: a PCR was extended with what no log says, or a log says what no PCR was extended with. Both logs grow while the
 * host runs and are read after the quote, so what lies beyond the positions is not yet attested, and that is normal.
 *
 * @param claimedPcrs values sent along with the quote, untrusted, to name the PCR that is wrong
 */
export function matchQuote(
  quote: VerifiedQuote,
  logs: ReadLogs,
  claimedPcrs: PcrValues | undefined,
  reasons: AppraisalReason[],
): AttestedLogs | null {
  for (const userspace of lessNewest(logs.userspace)) {
    const attested = matchBoot(quote, { ...logs, userspace }, logs.boot)
    if (attested !== null) return attested
    for (const boot of logs.otherBoots()) {
      const other = matchBoot(quote, { ...logs, userspace }, boot)
      if (other !== null) return other
    }
  }
  const pcrs = extendByUserspace(logs.boot.replay, logs.userspace)
  const why = explainMismatch(quote, pcrs, logs.ima, claimedPcrs)
  reasons.push(failure('QUOTE_PCR_DIGEST_MISMATCH', why, 'pcrDigest'))
  const where = logs.replays.imaContinuity.explain(quote, logs.ima)
  if (where !== null) reasons.push(where)
  return null
}

/** The log, then the log without its newest records, one after the other. Records that extend no PCR go with the one before them. */
function* lessNewest(userspace: readonly UserspaceEvent[]): Generator<readonly UserspaceEvent[]> {
  yield userspace
  let end = userspace.length
  for (let dropped = 0; dropped < MAX_NEWER_RECORDS && end > 0; ) {
    end--
    if (userspace[end]?.pcr === null) continue
    dropped++
    yield userspace.slice(0, end)
  }
}

/** The position in the IMA log at which all logs together give the quoted digest, with one reading of the event log. */
function matchBoot(quote: VerifiedQuote, logs: ReadLogs, boot: ReplayedBoot): AttestedLogs | null {
  const { userspace, replays } = logs
  const pcrs = extendByUserspace(boot.replay, userspace)
  const fits = pcrDigestMatcher(quote, QUOTED_BANK, pcrs, IMA_PCR)
  const attested = (ima: ImaReplay | null, imaEntries: number): AttestedLogs => {
    const pcr10 = ima?.pcr10After(imaEntries) ?? Buffer.alloc(hashSize(QUOTED_BANK))
    return { pcrs: new Map(pcrs).set(IMA_PCR, Buffer.from(pcr10)), boot, userspace, ima, imaEntries }
  }
  if (logs.ima === null) return fits(Buffer.alloc(hashSize(QUOTED_BANK))) ? attested(null, 0) : null
  for (const extend of ['native', 'padded'] as const) {
    // A log as kernels before 5.8 extend it is replayed only when the newer way does not match.
    const ima = extend === 'native' ? logs.ima : replays.imaLog(logs.ima.bytes, extend, logs.imaBefore)
    const imaEntries = ima.findPosition(fits)
    if (imaEntries === null) continue
    replays.imaContinuity.note(quote, ima, imaEntries)
    return attested(ima, imaEntries)
  }
  return null
}

/** Says which PCR is wrong, if PCR values were sent along and are the quoted ones. */
function explainMismatch(
  quote: VerifiedQuote,
  replayed: PcrValues,
  ima: ImaReplay | null,
  claimed: PcrValues | undefined,
): string {
  const unknown = 'the logs do not replay to the quoted PCR values'
  const known = claimed === undefined ? null : provenPcrs(quote, claimed, ima)
  if (known === null) return unknown
  const isWrong = (pcr: number, value: Buffer): boolean =>
    pcr === IMA_PCR && ima !== null
      ? ima.findPosition(state => state.equals(value)) === null
      : !value.equals(replayed.get(pcr) ?? Buffer.alloc(0))
  const wrong = Array.from(known).filter(([pcr, value]) => isWrong(pcr, Buffer.from(value)))
  return `${unknown}: ${wrong.map(([pcr]) => `PCR ${pcr}`).join(', ')} was extended otherwise than the logs say`
}

/**
 * The values that were sent along, if they are the quoted ones. IMA may have extended PCR 10 between the quote and the reading: then it is
 * what it was after as many entries of the log as fit.
 */
function provenPcrs(quote: VerifiedQuote, claimed: PcrValues, ima: ImaReplay | null): PcrValues | null {
  if (matchesPcrDigest(quote, () => claimed)) return claimed
  const fits = pcrDigestMatcher(quote, QUOTED_BANK, claimed, IMA_PCR)
  const entries = ima?.findPosition(fits) ?? null
  if (ima === null || entries === null) return null
  return new Map(claimed).set(IMA_PCR, Buffer.from(ima.pcr10After(entries)))
}
