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

  constructor(lineage: Lineage, bootNs: () => bigint, wallMs: () => number) {
    this.#lineage = lineage
    this.#bootNs = bootNs
    this.#wallMs = wallMs
  }

  /** Resolves with the entry's index once it is durable. @throws LineageError */
  async record(body: EventBody): Promise<bigint> {
    const { index } = await this.#lineage.append({
      ...body,
      v: 1,
      time: rfc3339(this.#wallMs()),
      bootNs: String(this.#bootNs()),
    } as LineageEvent)
    return index
  }
}

/** Cuts a reason to what the lineage takes. */
export function recordedReason(reason: { code: string; message: string; at?: string | undefined }): {
  code: string
  message: string
  at: string | null
} {
  return { code: reason.code, message: reason.message.slice(0, 512), at: reason.at?.slice(0, 128) ?? null }
}
