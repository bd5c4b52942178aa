import { type EventLogVariant, eventLogVariants, parseEventLog, type QuirkName } from '../eventlog/index.ts'
import { type ImaExtend, type ImaPosition, ImaReplay } from '../ima/index.ts'
import type { ReferenceValues } from '../reference/document.ts'
import { QUOTED_BANK } from '../tpm2/structures/index.ts'
import { parseUserspaceLog, type UserspaceEvent } from '../userspace/index.ts'
import { judgeStatements } from './described/judge.ts'
import { readMeasuredBoot } from './described/measured-boot.ts'
import { ImaContinuity } from './ima-continuity.ts'
import { ImaJudgement } from './ima-judgement.ts'
import type { AppraisalReason } from './reason.ts'
import { type ReplayedBoot, replayBoot } from './replayed-boot.ts'

/** A log, and all that it may stand for, each replayed when it is first asked for. */
interface KnownBoot {
  readonly bytes: Buffer
  readonly allowed: string
  readonly readings: ReplayedBoot[]
  readonly unread: EventLogVariant[]
}

/**
 * Replays that are kept from one appraisal to the next, so that only what is new in a log is hashed. It holds no judgement
 * that a fresh one would not reach: appraising with it or without it gives the same verdict. What it has seen of the same boot only adds
 * which entry of a changed log is the first that differs.
 */
export class LogReplays {
  #boot: KnownBoot | null = null
  #userspace: { bytes: Buffer; value: readonly UserspaceEvent[] } | null = null
  readonly #ima = new Map<ImaExtend, ImaReplay>()
  readonly imaContinuity = new ImaContinuity()
  #judgement: { replay: ImaReplay; reference: string; boot: ReplayedBoot; value: ImaJudgement } | null = null

  #statements: {
    boot: ReplayedBoot
    userspace: readonly UserspaceEvent[]
    reference: string
    value: readonly AppraisalReason[]
  } | null = null

  /** @throws UserspaceLogError */
  userspaceLog(bytes: Uint8Array): readonly UserspaceEvent[] {
    if (this.#userspace?.bytes.equals(bytes)) return this.#userspace.value
    const value = parseUserspaceLog(bytes).events
    this.#userspace = { bytes: Buffer.from(bytes), value }
    return value
  }

  /**
   * What a log may stand for: itself first, then what the allowed quirks make of it. The quote tells which.
   *
   * @throws EventLogError
   */
  *eventLog(bytes: Uint8Array, quirks: readonly QuirkName[] = []): Generator<ReplayedBoot> {
    const allowed = quirks.join(' ')
    if (this.#boot?.allowed !== allowed || !this.#boot.bytes.equals(bytes)) {
      const log = parseEventLog(bytes, { requiredBank: QUOTED_BANK })
      const unread = [...eventLogVariants(log, quirks)]
      this.#boot = { bytes: Buffer.from(bytes), allowed, readings: [], unread }
    }
    const { readings, unread } = this.#boot
    for (let i = 0; ; i++) {
      const variant = readings[i] === undefined ? unread.shift() : undefined
      if (variant !== undefined) readings.push(replayBoot(variant, quirks))
      const reading = readings[i]
      if (reading === undefined) return
      yield reading
    }
  }

  /**
   * The replay of an IMA log. When it begins with the one from before, only the rest is hashed.
   *
   * @param before what `bytes` go on from; null for a whole log
   * @throws ImaLogError
   */
  imaLog(bytes: Uint8Array, extend: ImaExtend, before: ImaPosition | null = null): ImaReplay {
    let replay = this.#ima.get(extend)
    const known = replay !== undefined && goesOnFrom(replay, before) ? replay.bytes : undefined
    if (replay === undefined || known === undefined || !known.equals(bytes.subarray(0, known.length))) {
      replay = new ImaReplay({ extend, ...(before === null ? {} : { from: before }) })
      this.#ima.set(extend, replay)
    }
    try {
      replay.append(bytes.subarray(replay.bytes.length))
      replay.finish()
    } catch (error) {
      // A refused replay stays so; another log that begins alike is to be judged by itself.
      this.#ima.delete(extend)
      throw error
    }
    return replay
  }

  /** What is wrong with a boot by the statements of these reference values: the same logs are judged once. */
  statements(
    boot: ReplayedBoot,
    userspace: readonly UserspaceEvent[],
    reference: ReferenceValues,
  ): readonly AppraisalReason[] {
    const kept = this.#statements
    if (kept?.boot === boot && kept.userspace === userspace && kept.reference === reference.digest) {
      return kept.value
    }
    const value = judgeStatements(readMeasuredBoot(boot, userspace), reference)
    this.#statements = { boot, userspace, reference: reference.digest, value }
    return value
  }

  /** The judgement of a replay by these reference values, with what it has judged already. */
  imaJudgement(replay: ImaReplay, reference: ReferenceValues, boot: ReplayedBoot): ImaJudgement {
    const kept = this.#judgement
    if (kept?.replay === replay && kept.reference === reference.digest && kept.boot === boot)
      return kept.value
    const value = new ImaJudgement(replay, reference, boot.bootAggregates)
    this.#judgement = { replay, reference: reference.digest, boot, value }
    return value
  }
}

function goesOnFrom(replay: ImaReplay, before: ImaPosition | null): boolean {
  if (before === null) return replay.first === 0
  return replay.first === before.entries && replay.pcr10After(replay.first).equals(before.pcr10)
}
