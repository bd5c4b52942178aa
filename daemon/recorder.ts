import type { Lineage, LineageEvent } from '../lineage/index.ts'

/** An event without what every event has, which the recorder adds. */
export type EventBody = LineageEvent extends infer E
  ? E extends unknown
    ? Omit<E, 'v' | 'time' | 'bootNs'>
    : never
  : never

/** Milliseconds since the epoch as RFC 3339 in UTC with milliseconds. */
export function rfc3339(ms: number): string {
  return new Date(ms).toISOString()
}

/** Appends events to the lineage with both clocks' time. */
export class Recorder {
  readonly #lineage: Lineage
  readonly #bootNs: () => bigint
  readonly #wallMs: () => number
  readonly #recorded: (index: bigint, event: LineageEvent, ms: number) => void

  /** @param recorded is told of each event as soon as it is durable, before whoever recorded it, and how long that took */
  constructor(
    lineage: Lineage,
    bootNs: () => bigint,
    wallMs: () => number,
    recorded: (index: bigint, event: LineageEvent, ms: number) => void = () => undefined,
  ) {
    this.#lineage = lineage
    this.#bootNs = bootNs
    this.#wallMs = wallMs
    this.#recorded = recorded
  }

  /** Resolves with the entry's index once it is durable. @throws LineageError */
  async record(body: EventBody): Promise<bigint> {
    const event = {
      ...body,
      v: 1,
      time: rfc3339(this.#wallMs()),
      bootNs: String(this.#bootNs()),
    } as LineageEvent
    const begun = performance.now()
    const { index } = await this.#lineage.append(event)
    this.#recorded(index, event, performance.now() - begun)
    return index
  }
}

interface RecordedReason {
  readonly code: string
  readonly message: string
  readonly at: string | null
}

/** Most reasons that one entry takes, and how much of an entry (65,535 bytes in all) they may fill. */
const MAX_REASONS = 64
const MAX_REASON_BYTES = 32 << 10

/** Cuts a reason to what the lineage takes. The cut may go through a character, half of which is not text. */
export function recordedReason(reason: {
  code: string
  message: string
  at?: string | undefined
}): RecordedReason {
  return {
    code: reason.code,
    message: reason.message.slice(0, 512).toWellFormed(),
    at: reason.at?.slice(0, 128).toWellFormed() ?? null,
  }
}

/** The first reasons, as many as fit an entry: callers have a say in how many there are, and how long. */
export function recordedReasons(reasons: readonly Parameters<typeof recordedReason>[0][]): RecordedReason[] {
  const kept: RecordedReason[] = []
  let bytes = 0
  for (const reason of reasons.slice(0, MAX_REASONS).map(recordedReason)) {
    bytes += Buffer.byteLength(JSON.stringify(reason))
    if (bytes > MAX_REASON_BYTES) break
    kept.push(reason)
  }
  return kept
}
