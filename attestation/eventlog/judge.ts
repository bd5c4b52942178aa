import { type BankName, bankDigestBytes } from './bank.ts'
import type { EventLog } from './parse.ts'
import { type EventLogVariant, eventLogVariants, type QuirkName } from './quirks.ts'
import { type RegisterKind, type Registers, registerName, registersOf } from './registers.ts'
import { type EventLogProblemCode, type EventLogReplay, replayEventLog } from './replay.ts'

/** Values of PCRs that a TPM has quoted, by bank: what the log is held against. */
export type QuotedPcrs = ReadonlyMap<BankName, ReadonlyMap<number, Uint8Array>>

/** Why a log is not the log of what was quoted. */
export type EventLogReasonCode =
  | EventLogProblemCode
  /** The events of a PCR do not give its quoted value. */
  | 'EVENT_LOG_REPLAY_MISMATCH'
  /** A PCR that the firmware's log covers is not at its reset value, and the log has no event for it. */
  | 'EVENT_LOG_PCR_UNLOGGED'
  /** A bank was quoted whose hash is not known, so that nothing can be said. */
  | 'EVENT_LOG_BANK_UNKNOWN'

export interface EventLogReason {
  readonly code: EventLogReasonCode
  readonly message: string
  /** The event or the register that it is about: `event 12`, `PCR 7`. */
  readonly at: string
  readonly bank?: BankName
  /** For a value: what the log gives, and what was quoted, in hexadecimal. */
  readonly replayed?: string
  readonly quoted?: string
}

export interface EventLogJudgement {
  readonly verdict: 'accept' | 'reject'
  readonly reasons: readonly EventLogReason[]
  /** Of every declared bank whose hash is known, in the log's order. */
  readonly replays: readonly EventLogReplay<BankName>[]
  /** The quirks that were needed; of those that the caller allowed. */
  readonly quirks: readonly QuirkName[]
  readonly startupLocality: number
  readonly secureBoot: boolean | null
  readonly exitBootServices: boolean
}

export interface JudgeEventLogOptions {
  /** `tpm` unless the log is that of a confidential VM. */
  readonly registers?: RegisterKind
  /** Known defects that this host's firmware may have: none unless its reference values say so. */
  readonly quirks?: readonly QuirkName[]
}

/**
 * Judges a log by the values that a TPM quoted, in all of the quoted banks at once. Pure, and never throws for what a log contains.
 *
 * `accept` says that no quoted value contradicts the log and that the log breaks no rule. It says nothing about PCRs that were not quoted:
 * which have to be is for the verifier of the quote.
 */
export function judgeEventLog(
  log: EventLog,
  quoted: QuotedPcrs,
  { registers: kind = 'tpm', quirks = [] }: JudgeEventLogOptions = {},
): EventLogJudgement {
  const registers = registersOf(kind)
  const judge = (variant: EventLogVariant): EventLogJudgement => {
    const replays = replayAll(variant.log, kind, quirks)
    const reasons = [...problemsOf(replays), ...compare(replays, quoted, registers)]
    const {
      startupLocality = 0,
      secureBoot = null,
      exitBootServices = false,
    } = trustedReplay(replays, quoted) ?? {}
    return {
      verdict: reasons.length === 0 ? 'accept' : 'reject',
      reasons,
      replays,
      quirks: [...new Set([...variant.quirks, ...replays.flatMap(replay => replay.quirks)])],
      startupLocality,
      secureBoot,
      exitBootServices,
    }
  }
  const [plain, ...others] = eventLogVariants(log, quirks)
  const judgement = judge(plain ?? { log, quirks: [] })
  if (judgement.verdict === 'accept') return judgement
  for (const variant of others) {
    const other = judge(variant)
    if (other.verdict === 'accept') return other
  }
  return judgement
}

/** Replays of every declared bank whose hash is known, in the log's order. */
export function replayAll(
  log: EventLog,
  registers: RegisterKind = 'tpm',
  quirks: readonly QuirkName[] = [],
): EventLogReplay<BankName>[] {
  return log.declared
    .filter(bank => bank.replayable)
    .map(({ name }) => replayEventLog(log, name, { registers, quirks }))
}

/**
 * The replay whose facts are told: of a quoted bank if there is one, and of SHA-1 only if there is no other, because data can be made
 * that has a wanted SHA-1 digest (chosen-prefix collisions) but not the others'.
 */
export function trustedReplay(
  replays: readonly EventLogReplay<BankName>[],
  quoted: QuotedPcrs,
): EventLogReplay<BankName> | undefined {
  const isQuoted = ({ bank }: { bank: BankName }): boolean => (quoted.get(bank)?.size ?? 0) > 0
  const isStrong = ({ bank }: { bank: BankName }): boolean => bank !== 'sha1'
  return (
    replays.find(replay => isQuoted(replay) && isStrong(replay)) ??
    replays.find(isQuoted) ??
    replays.find(isStrong) ??
    replays[0]
  )
}

/** What the log says that no honest firmware says: each once, though every bank finds it. */
function problemsOf(replays: readonly EventLogReplay<BankName>[]): EventLogReason[] {
  const found = new Map<string, EventLogReason>()
  for (const { bank, problems } of replays) {
    for (const { code, message, at } of problems) {
      const key = `${code} ${at}`
      if (!found.has(key)) found.set(key, { code, message, at, bank })
    }
  }
  return [...found.values()]
}

function compare(
  replays: readonly EventLogReplay<BankName>[],
  quoted: QuotedPcrs,
  registers: Registers,
): EventLogReason[] {
  return Array.from(quoted).flatMap(([bank, values]) => {
    const replay = replays.find(candidate => candidate.bank === bank)
    const reset = resetValue(bank)
    if (replay === undefined && reset === null) {
      const message = `nothing is known of the quoted bank ${bank}`
      return values.size === 0 ? [] : [{ code: 'EVENT_LOG_BANK_UNKNOWN' as const, message, at: bank, bank }]
    }
    return Array.from(values).flatMap(([register, value]) =>
      compareRegister({ bank, register, value, replay, reset, registers }),
    )
  })
}

function compareRegister({
  bank,
  register,
  value,
  replay,
  reset,
  registers,
}: {
  bank: BankName
  register: number
  value: Uint8Array
  replay: EventLogReplay<BankName> | undefined
  reset: Buffer | null
  registers: Registers
}): EventLogReason[] {
  const at = registerName(registers.kind, register)
  const isExtended = replay?.extended.has(register) ?? false
  if (!isExtended && !registers.isLogged(register)) return []
  // PCR 0 without an event still holds the locality of TPM2_Startup.
  const replayed = replay?.pcrs.get(register) ?? reset ?? Buffer.alloc(0)
  if (replayed.equals(value)) return []
  const hex = { bank, replayed: replayed.toString('hex'), quoted: Buffer.from(value).toString('hex') }
  if (isExtended) {
    const message = `${at} (${bank}): the log gives ${hex.replayed}, quoted is ${hex.quoted}`
    return [{ code: 'EVENT_LOG_REPLAY_MISMATCH', message, at, ...hex }]
  }
  const message = `${at} (${bank}) is ${hex.quoted}, and the log has no event for it`
  return [{ code: 'EVENT_LOG_PCR_UNLOGGED', message, at, ...hex }]
}

/** What a register holds that nothing extended; null for a hash that is not known. */
function resetValue(bank: BankName): Buffer | null {
  const size = bankDigestBytes(bank)
  return size === null ? null : Buffer.alloc(size)
}
