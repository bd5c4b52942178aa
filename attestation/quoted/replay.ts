import { hash } from 'node:crypto'
import { ANY_EVENT_LOG, type EventLog, parseEventLog, replayEventLog } from '../eventlog/index.ts'
import { binaryImaLog, IMA_PCR, type ImaExtend, ImaReplay } from '../ima/index.ts'
import { type BankValues, bankDigestMatcher, matchesBanks, type VerifiedQuote } from '../quote/index.ts'
import { type HashAlgorithm, hashName, hashSize } from '../tpm2/structures/index.ts'
import { parseUserspaceLog, type UserspaceEvent } from '../userspace/index.ts'

/** Logs that somebody brought beside a quote. Controlled by the host. */
export interface GivenLogs {
  readonly eventLog: Uint8Array | null
  readonly userspaceLog: Uint8Array | null
  readonly imaLog: Uint8Array | null
}

/** The same, read. */
export interface ReadLogs {
  readonly eventLog: EventLog | null
  readonly userspace: readonly UserspaceEvent[] | null
  /** In binary form. */
  readonly imaLog: Uint8Array | null
}

/** One extension of a PCR. */
export interface Extension {
  readonly digest: Buffer
  /** `event 12` of the firmware's log, `record 3` of the user-space log. */
  readonly at: string
}

/** What the logs make of one PCR of one bank. */
export interface ReplayedPcr {
  readonly start: Buffer
  readonly extensions: readonly Extension[]
  readonly value: Buffer
}

/** PCRs of a PC Client TPM (PTP 1.05, section 4.6). */
const PCR_COUNT = 24
/** PCRs that a TPM2_Startup leaves at all ones until a dynamic launch (ibid., table 6). */
const DYNAMIC = { first: 17, last: 22 } as const

/** Reads the logs. @throws EventLogError | UserspaceLogError | ImaLogError */
export function readGivenLogs({ eventLog, userspaceLog, imaLog }: GivenLogs): ReadLogs {
  return {
    eventLog: eventLog && parseEventLog(eventLog, ANY_EVENT_LOG),
    userspace: userspaceLog && parseUserspaceLog(userspaceLog).events,
    imaLog: imaLog && binaryImaLog(imaLog),
  }
}

/** The banks that a quote covers, those that are known. */
export function quotedBanks({ pcrSelection }: Pick<VerifiedQuote, 'pcrSelection'>): HashAlgorithm[] {
  const banks = pcrSelection.flatMap(({ bank, pcrs }) => (pcrs.length > 0 ? [hashName(bank)] : []))
  return [...new Set(banks.filter(bank => bank !== undefined))]
}

/** Replays the firmware's and the user-space log in one bank. PCR 10 is IMA's as far as there is an IMA log; here it is without it. */
export function replayBank(logs: ReadLogs, bank: HashAlgorithm): ReadonlyMap<number, ReplayedPcr> {
  const extensions = new Map<number, Extension[]>()
  const add = (pcr: number, digest: Buffer | undefined, at: string): void => {
    if (digest === undefined) return
    const known = extensions.get(pcr)
    if (known === undefined) extensions.set(pcr, [{ digest, at }])
    else known.push({ digest, at })
  }
  const replay = logs.eventLog && replayEventLog(logs.eventLog, bank)
  for (const { event, extended } of replay?.events ?? []) {
    if (extended) add(event.pcr, event.digests.get(bank), `event ${event.index}`)
  }
  for (const { pcr, digests, index } of logs.userspace ?? []) {
    if (pcr !== null) add(pcr, digests.get(bank), `record ${index}`)
  }
  const pcrs = new Map<number, ReplayedPcr>()
  for (let pcr = 0; pcr < PCR_COUNT; pcr++) {
    const start = Buffer.alloc(hashSize(bank), pcr >= DYNAMIC.first && pcr <= DYNAMIC.last ? 0xff : 0)
    if (pcr === 0) start.writeUInt8(replay?.startupLocality ?? 0, start.length - 1)
    const own = extensions.get(pcr) ?? []
    const value = own.reduce<Buffer>((before, { digest }) => extend(bank, before, digest), start)
    pcrs.set(pcr, { start, extensions: own, value })
  }
  return pcrs
}

/** What TPM2_PCR_Extend makes of a value (TPM 2.0 Part 1, section 17.3). */
export function extend(bank: HashAlgorithm, value: Uint8Array, digest: Uint8Array): Buffer {
  return hash(bank, Buffer.concat([value, digest]), 'buffer')
}

/** Replays of all banks. */
export type ReplayedBanks = ReadonlyMap<HashAlgorithm, ReadonlyMap<number, ReplayedPcr>>

/** The values alone. */
export function valuesOf(banks: ReplayedBanks): BankValues {
  return new Map(
    Array.from(banks, ([bank, pcrs]) => [bank, new Map(Array.from(pcrs, ([n, pcr]) => [n, pcr.value]))]),
  )
}

/** The IMA log in one bank after another, each replayed once. */
export class ImaBanks {
  readonly #log: Uint8Array
  readonly #replays = new Map<string, ImaReplay>()

  /** @param log in binary form */
  constructor(log: Uint8Array) {
    this.#log = log
  }

  /** @throws ImaLogError */
  replay(bank: HashAlgorithm, how: ImaExtend): ImaReplay {
    const key = `${bank} ${how}`
    const known = this.#replays.get(key)
    if (known !== undefined) return known
    const replay = new ImaReplay({ bank, extend: how })
    replay.append(this.#log)
    replay.finish()
    this.#replays.set(key, replay)
    return replay
  }
}

/**
 * The values that the logs give and that are the quoted ones: PCR 10 after as many entries of the IMA log as fit in all quoted banks.
 *
 * @returns null when no position fits
 * @throws ImaLogError
 */
export function findQuotedValues(
  quote: VerifiedQuote,
  banks: ReplayedBanks,
  ima: ImaBanks | null,
): BankValues | null {
  const values = valuesOf(banks)
  const fits = ima && bankDigestMatcher(quote, values, IMA_PCR)
  if (ima === null || fits === null) return matchesBanks(quote, values) ? values : null
  for (const how of ['native', 'padded'] as const) {
    const replays = new Map(Array.from(banks.keys(), bank => [bank, ima.replay(bank, how)]))
    const [first] = replays.values()
    for (let count = first?.length ?? 0; count >= 0; count--) {
      const at = (bank: HashAlgorithm): Buffer => replays.get(bank)?.pcr10After(count) ?? Buffer.alloc(0)
      if (fits(at)) return withPcr10(values, at)
    }
  }
  return null
}

/** The values with another PCR 10. */
export function withPcr10(values: BankValues, at: (bank: HashAlgorithm) => Buffer): BankValues {
  return new Map(
    Array.from(values, ([bank, pcrs]) => [bank, new Map(pcrs).set(IMA_PCR, Buffer.from(at(bank)))]),
  )
}
