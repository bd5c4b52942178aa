/** Longest wait for one's turn and the rest of a cycle, and the bound of one command (attestation/tpm2/tpm.ts). */
export const BOUND_MS = 20_000 + 5_000

/** What is under way: what it waits for, and the code of the reason when that does not come. */
export interface Step {
  readonly code: 'TPM_TIMEOUT' | 'LOGS_TIMEOUT' | 'LINEAGE_TIMEOUT' | 'CYCLE_LATE' | 'START_TIMEOUT'
  /** Goes on with "… for 30 s". */
  readonly message: string
}

export const STEPS = {
  tpm: { code: 'TPM_TIMEOUT', message: 'the TPM has given no answer' },
  logs: { code: 'LOGS_TIMEOUT', message: 'the measurement logs have been on their way' },
  lineage: { code: 'LINEAGE_TIMEOUT', message: 'an appraisal has been written to the lineage' },
  files: { code: 'START_TIMEOUT', message: 'what the start needs of the disk has been on its way' },
  next: { code: 'CYCLE_LATE', message: 'the next turn has been due' },
} as const satisfies Record<string, Step>

/** What is late. */
export interface Late extends Step {
  readonly forMs: number
}

/** What is late, and for how long. */
export function lateText({ message, forMs }: Late): string {
  return `${message} for ${Math.round(forMs / 1000)} s`
}

/**
 * What the watchdog goes by: turns (attestation cycles, attempts to start), each of which has to be over within {@link BOUND_MS} of its own
 * start, and of which the next has to begin when it is due, whatever lies between them. A turn that the TPM left without an answer is not over
 * by that: its time goes on until a later one gets an answer.
 */
export class Progress {
  readonly #now: () => number
  #step: Step | null = null
  /** When the running turn began, or the next is due. */
  #sinceMs = 0
  /** When the first of the turns began that the TPM has left without an answer since its last one. */
  #unansweredMs: number | null = null

  /** @param now milliseconds of a clock that stands still in a suspend: after one nothing is late yet */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Whether the TPM left the last turn without an answer. */
  get unanswered(): boolean {
    return this.#unansweredMs !== null
  }

  /** A turn begins with this step. */
  begin(step: Step): void {
    this.#step = step
    this.#sinceMs = this.#now()
  }

  /** The running turn goes on with this step. */
  at(step: Step): void {
    this.#step = step
  }

  /** The TPM has answered in the running turn: what it left unanswered before counts no more. */
  answered(): void {
    this.#unansweredMs = null
  }

  /** The running turn is over. */
  end(how: 'over' | 'unanswered'): void {
    this.#step = null
    if (how === 'over') this.#unansweredMs = null
    else this.#unansweredMs ??= this.#sinceMs
  }

  /** The next turn begins by itself after this time. */
  expect(inMs: number): void {
    this.#step = STEPS.next
    this.#sinceMs = this.#now() + inMs
  }

  /** From here on nothing has to be over in time. */
  rest(): void {
    this.end('over')
  }

  /** What has taken longer than it may; null while nothing has. */
  get late(): Late | null {
    return this.#late(this.#step, this.#sinceMs) ?? this.#late(STEPS.tpm, this.#unansweredMs)
  }

  #late(step: Step | null, sinceMs: number | null): Late | null {
    if (step === null || sinceMs === null) return null
    const forMs = this.#now() - sinceMs
    return forMs <= BOUND_MS ? null : { ...step, forMs }
  }
}
