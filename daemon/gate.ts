import { EventEmitter } from 'node:events'
import type { TrustVector } from '../attestation/index.ts'

/** `UNATTESTED → ATTESTED ⇄ STALE, any → FAILED`. */
export type TrustState = 'UNATTESTED' | 'ATTESTED' | 'STALE' | 'FAILED'

/** Why the gate moved. `code` is a reason code of an appraisal, of the TPM, or of the gate itself. */
export interface TrustReason {
  readonly code: string
  readonly message: string
}

/** What a passing appraisal says of the host, as far as later decisions need it. */
export interface AttestedFacts {
  /** Boot-clock instant (ns) taken *before* the quote was asked for: the age of the evidence counts from here. */
  readonly instantNs: bigint
  /** SHA-256 (hex) of the reference values it was judged by. */
  readonly referenceValuesDigest: string
  readonly tier: 'hardware' | 'simulated' | 'unknown'
  /** The TPM's count of resets in the quote; null when the quote proves nothing. */
  readonly resetCount: number | null
  /** The appraisal's trustworthiness vector (AR4SI). */
  readonly claims: TrustVector | null
  /** Index of the appraisal's entry in the lineage. */
  readonly appraisalIndex: bigint
}

export interface TrustTransition {
  readonly from: TrustState
  readonly to: TrustState
  /** The epoch that is in force after the transition. */
  readonly epoch: bigint
  readonly reasons: readonly TrustReason[]
}

/** One consistent look at the gate. */
export interface GateSnapshot {
  readonly state: TrustState
  readonly epoch: bigint
  readonly facts: AttestedFacts | null
  /** Boot-clock instant (ns) from which the evidence no longer counts. Null while nothing counts. */
  readonly deadlineNs: bigint | null
  readonly reasons: readonly TrustReason[]
}

/** The page that supervisors read by themselves (`daemon/native.ts`). */
export interface Lease {
  read(): { readonly epoch: bigint }
  /** Moves the evidence instant forward within an epoch: one store. */
  renew(epoch: bigint, instantNs: bigint): void
  /** Raises the epoch, which ends every execution of an earlier one, and gives it. */
  lapse(): bigint
}

export interface GateOptions {
  readonly lease: Lease
  /** Looked at anew each time: a reload of the configuration may change it. */
  readonly maxEvidenceAgeNs: bigint
  /** Boot clock in nanoseconds (CLOCK_BOOTTIME goes on in suspend). */
  readonly now: () => bigint
  /**
   * SHA-256 (hex) of the reference values in force. What others judged permits nothing: until an appraisal by these a look finds the gate closed,
   * and what runs goes on under the lease that it has. Left out: no others come into force.
   */
  readonly referenceValuesDigest?: () => string | null
  /** The state to start from: FAILED is durable and comes from the lineage. */
  readonly initial?: { readonly state: 'UNATTESTED' | 'FAILED'; readonly reasons: readonly TrustReason[] }
}

/**
 * The one place that says whether the host is attested now, and until which deadline.
 *
 * Opening is the caller's last step, after the appraisal's entry is durable. Closing comes first and waits for nothing:
 * within the call the epoch is raised in the lease page, and only then listeners of `transition` hear of it. Those of `renewed` hear of
 * each passing appraisal that the lease stands on, those of `judged-anew` before them of one by other reference values than the last: what runs was
 * permitted under those, and is decided on again.
 */
export class TrustGate extends EventEmitter<{
  transition: [TrustTransition]
  'judged-anew': []
  renewed: []
}> {
  readonly #lease: Lease
  readonly #options: GateOptions
  readonly #now: () => bigint
  #state: TrustState
  #reasons: readonly TrustReason[]
  #facts: AttestedFacts | null = null
  #epoch: bigint
  /** When it came into its state, by the wall clock in milliseconds; null while that is the state that it started in. */
  movedMs: number | null = null
  #leftNs: bigint | null = null

  constructor(options: GateOptions) {
    super()
    this.#lease = options.lease
    this.#options = options
    this.#now = options.now
    this.#state = options.initial?.state ?? 'UNATTESTED'
    this.#reasons = options.initial?.reasons ?? [
      { code: 'NOT_YET_APPRAISED', message: 'no appraisal since the start' },
    ]
    this.#epoch = this.#lease.read().epoch
  }

  /** What was left of the lease at its newest renewal; 0 if it had run out, null if nothing was renewed since it opened otherwise. */
  get leftAtRenewalNs(): bigint | null {
    return this.#leftNs
  }

  get #maxEvidenceAgeNs(): bigint {
    return this.#options.maxEvidenceAgeNs
  }

  /** The state now. Looks at the clock first, so that a late timer never leaves an old permit standing. */
  snapshot(): GateSnapshot {
    this.expire()
    if (this.awaitsAppraisal)
      return {
        state: 'STALE',
        epoch: this.#epoch,
        facts: null,
        deadlineNs: null,
        reasons: [
          {
            code: 'REFERENCE_VALUES_CHANGED',
            message: 'the reference values in force have judged nothing yet',
          },
        ],
      }
    return {
      state: this.#state,
      epoch: this.#epoch,
      facts: this.#facts,
      deadlineNs: this.#facts === null ? null : this.#facts.instantNs + this.#maxEvidenceAgeNs,
      reasons: this.#reasons,
    }
  }

  /** Whether it is open for what runs, by reference values that are not in force any more. */
  get awaitsAppraisal(): boolean {
    const inForce = this.#options.referenceValuesDigest
    return this.#facts !== null && inForce !== undefined && inForce() !== this.#facts.referenceValuesDigest
  }

  /**
   * Takes a passing appraisal. An instant that is already too old, or older than the one in force, changes nothing;
   * FAILED is not left this way (see {@link clearFailure}).
   *
   * @returns whether the gate is open on these facts
   */
  renew(facts: AttestedFacts, reasons: readonly TrustReason[] = []): boolean {
    this.expire()
    if (this.#state === 'FAILED') return false
    const now = this.#now()
    if (now >= facts.instantNs + this.#maxEvidenceAgeNs) return false
    if (this.#facts !== null && facts.instantNs <= this.#facts.instantNs) return false
    const anew = this.#facts !== null && this.#facts.referenceValuesDigest !== facts.referenceValuesDigest
    if (this.#facts !== null) this.#leftNs = this.#facts.instantNs + this.#maxEvidenceAgeNs - now
    this.#facts = facts
    this.#lease.renew(this.#epoch, facts.instantNs)
    if (this.#state !== 'ATTESTED') this.#move('ATTESTED', reasons)
    if (anew) this.emit('judged-anew')
    this.emit('renewed')
    return true
  }

  /** Closes the gate. From FAILED only {@link clearFailure} leads on, so STALE after FAILED changes nothing. */
  close(to: 'STALE' | 'FAILED', reasons: readonly TrustReason[]): void {
    if (this.#state === 'FAILED' || (to === 'STALE' && this.#state !== 'ATTESTED')) return
    this.#epoch = this.#lease.lapse()
    this.#facts = null
    this.#leftNs = null
    this.#move(to, reasons)
  }

  /** An operator's (or, where configured, automatic) way out of FAILED: back to UNATTESTED, never to ATTESTED. */
  clearFailure(reasons: readonly TrustReason[]): boolean {
    if (this.#state !== 'FAILED') return false
    this.#move('UNATTESTED', reasons)
    return true
  }

  /** Goes STALE when the evidence has reached its greatest age. */
  expire(): void {
    if (this.#state !== 'ATTESTED' || this.#facts === null) return
    const age = this.#now() - this.#facts.instantNs
    if (age < this.#maxEvidenceAgeNs) return
    this.close('STALE', [
      { code: 'EVIDENCE_TOO_OLD', message: `the last passing evidence is ${age / 1_000_000n} ms old` },
    ])
    this.#leftNs = 0n
  }

  #move(to: TrustState, reasons: readonly TrustReason[]): void {
    const from = this.#state
    this.#state = to
    this.#reasons = reasons
    this.movedMs = Date.now()
    this.emit('transition', { from, to, epoch: this.#epoch, reasons })
  }
}
