import {
  type EventLogReplay,
  type EventLogVariant,
  type QuirkName,
  replayEventLog,
} from '../eventlog/index.ts'
import { bootAggregates } from '../ima/index.ts'
import { type HashAlgorithm, QUOTED_BANK } from '../tpm2/structures/index.ts'

/** A TCG event log in the quoted bank, and what `boot_aggregate` has to be after it. */
export interface ReplayedBoot {
  readonly replay: EventLogReplay
  readonly bootAggregates: ReadonlySet<string>
  /** The known defects of firmware without which the log would not be what it is taken for. */
  readonly quirks: readonly QuirkName[]
}

/** Replays what a log may stand for, with the quirks that are allowed. */
export function replayBoot(
  { log, quirks: needed }: EventLogVariant,
  quirks: readonly QuirkName[],
): ReplayedBoot {
  const replay = replayEventLog(log, QUOTED_BANK, { quirks })
  // Quirks change what a startup locality is read as, so that the kernel's aggregates are made without them.
  const plain = (bank: HashAlgorithm): EventLogReplay =>
    bank === QUOTED_BANK && quirks.length === 0 ? replay : replayEventLog(log, bank)
  const aggregates = log.banks.flatMap(bank => bootAggregates(bank, plain(bank).pcrs))
  return { replay, bootAggregates: new Set(aggregates), quirks: [...new Set([...needed, ...replay.quirks])] }
}
