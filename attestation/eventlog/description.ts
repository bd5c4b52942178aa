import type { HashAlgorithm } from '../tpm2/structures/index.ts'
import { type NvPcr, replayNvPcrs, type UserspaceEvent, type UserspaceRegister } from '../userspace/index.ts'
import { type BankName, bankDigest, isHashAlgorithm } from './bank.ts'
import { type DecodedEvent, decodeEvent } from './decode/index.ts'
import { EVENT_TYPE, eventTypeName } from './event-type.ts'
import { replayAll, trustedReplay } from './judge.ts'
import type { EventLog, EventLogFormat, Padding, TcgEvent } from './parse.ts'
import type { QuirkName } from './quirks.ts'
import type { RegisterKind } from './registers.ts'
import type { EventLogProblem, EventLogReplay, ReplayedEvent } from './replay.ts'
import { readSecureBoot, type SecureBootFacts } from './secure-boot/index.ts'
import type { SpecId } from './spec-id.ts'

/** One event of a log, as it is shown. */
export interface DescribedEvent extends ReplayedEvent {
  /** Its data, each field with whether a digest binds it. */
  readonly decoded: DecodedEvent
}

/** What a log says, replayed in all of its banks. Nothing is compared with a quote: all of this is what the log claims. */
export interface EventLogDescription {
  readonly format: EventLogFormat
  readonly registers: RegisterKind
  readonly specId: SpecId | null
  readonly banks: readonly BankName[]
  /** The bank whose digests say what is bound; null for a log without a bank that can be replayed. */
  readonly trustedBank: BankName | null
  readonly events: readonly DescribedEvent[]
  readonly userspace: readonly UserspaceEvent[]
  /** NV indices that systemd extends like PCRs. */
  readonly nvPcrs: readonly NvPcr[]
  /** The registers that the events extend, by bank. */
  readonly pcrs: ReadonlyMap<BankName, ReadonlyMap<number, Buffer>>
  readonly startupLocality: number
  readonly secureBoot: boolean | null
  readonly exitBootServices: boolean
  /** With which keys, and what each image was verified with. */
  readonly secureBootFacts: SecureBootFacts
  readonly problems: readonly EventLogProblem[]
  readonly quirks: readonly QuirkName[]
  readonly padding: Padding | null
}

export interface DescribeEventLogOptions {
  /** By what the log's header says, unless given. */
  readonly registers?: RegisterKind
  readonly quirks?: readonly QuirkName[]
  /** What systemd measured after the firmware: it continues the PCRs where the log ends. */
  readonly userspace?: readonly UserspaceEvent[]
}

/** Describes a log that parsed. Pure; never throws for what a log contains. */
export function describeEventLog(log: EventLog, options: DescribeEventLogOptions = {}): EventLogDescription {
  const registers = options.registers ?? (log.format === 'ccel' ? 'cc' : 'tpm')
  const userspace = options.userspace ?? []
  const replays = replayAll(log, registers, options.quirks)
  const trusted = trustedReplay(replays, new Map())
  const events = describeEvents(log, trusted)
  const { startupLocality = 0, secureBoot = null, exitBootServices = false } = trusted ?? {}
  return {
    format: log.format,
    registers,
    specId: log.specId,
    banks: log.declared.map(({ name }) => name),
    trustedBank: trusted?.bank ?? null,
    events,
    userspace,
    nvPcrs: replayNvPcrs(userspace, hashOf(trusted)),
    pcrs: new Map(replays.map(replay => [replay.bank, continueByUserspace(replay, userspace)])),
    startupLocality,
    secureBoot,
    exitBootServices,
    secureBootFacts: readSecureBoot(events, registers),
    problems: distinct(replays.flatMap(({ problems }) => problems)),
    quirks: [...new Set(replays.flatMap(({ quirks }) => quirks))],
    padding: log.padding,
  }
}

/** The bank that systemd's records are read by: where the log has none that systemd knows, none of them is bound. */
function hashOf(trusted: EventLogReplay<BankName> | undefined): HashAlgorithm {
  return trusted !== undefined && isHashAlgorithm(trusted.bank) ? trusted.bank : 'sha256'
}

function describeEvents(log: EventLog, trusted: EventLogReplay<BankName> | undefined): DescribedEvent[] {
  const { header, events } = log
  const bank = trusted?.bank ?? 'sha256'
  const unbound = (event: TcgEvent): ReplayedEvent => ({
    event,
    typeName: eventTypeName(event.type),
    extended: event.type !== EVENT_TYPE.EV_NO_ACTION,
    dataBound: false,
  })
  const replayed = trusted?.events ?? events.map(unbound)
  const all = header === null ? replayed : [unbound(header), ...replayed]
  return all.map(one => ({ ...one, decoded: decodeEvent(one.event, bank) }))
}

/** The registers that the log or systemd extended, with their last values. */
function continueByUserspace(
  { bank, registers, pcrs, extended }: EventLogReplay<BankName>,
  userspace: readonly UserspaceEvent[],
): ReadonlyMap<number, Buffer> {
  const values = new Map<number, Buffer>()
  for (const pcr of [...extended].sort((a, b) => a - b)) {
    const value = pcrs.get(pcr)
    if (value !== undefined) values.set(pcr, value)
  }
  if (!isHashAlgorithm(bank)) return values
  for (const { register, digests } of userspace) {
    const index = indexOf(register, registers)
    const digest = digests.get(bank)
    const value = index === null ? undefined : (values.get(index) ?? pcrs.get(index))
    if (index !== null && digest !== undefined && value !== undefined) {
      values.set(index, bankDigest(bank, Buffer.concat([value, digest])))
    }
  }
  return values
}

/** Which register of this kind of log a record extends; null for one that it has not. RTMR 0 is measurement register 1. */
function indexOf(register: UserspaceRegister, registers: RegisterKind): number | null {
  if (register.kind === 'pcr') return registers === 'tpm' ? register.index : null
  return register.kind === 'rtmr' && registers === 'cc' ? register.index + 1 : null
}

function distinct(problems: readonly EventLogProblem[]): EventLogProblem[] {
  const byKey = new Map(problems.map(problem => [`${problem.code} ${problem.index}`, problem]))
  return [...byKey.values()].sort((a, b) => a.index - b.index)
}
