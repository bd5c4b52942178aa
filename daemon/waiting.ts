import { TpmError } from '../attestation/tpm2/index.ts'
import { type Clearance, openClearance } from '../authorization/index.ts'
import {
  type Found,
  type NewEpoch,
  NewEpochError,
  type RolledBack,
  type RolledBackError,
} from '../lineage/index.ts'
import type { AttestationStatusInput } from '../proto/generated/writ/v1/AttestationStatus.ts'
import type { PublicKey } from '../signing/key.ts'
import { type DaemonCore, DeniedError, StartingError } from './core.ts'
import type { DecisionLog } from './decision-log.ts'
import type { TrustReason } from './gate.ts'
import { GovernanceError } from './governance.ts'
import { isCleared, type ToClear } from './history/clearances.ts'

/** Most uids whose denials are counted apart. */
const MAX_UIDS = 4096
/** What the two kinds of denials are counted under: of requests for a decision, and of calls beyond a quota. */
const REASONS = {
  decided: ['ATTESTATION_STALE', 'LINEAGE_UNAVAILABLE'],
  unaccepted: ['ATTESTATION_STALE', 'LINEAGE_BROKEN'],
  overQuota: ['CAPACITY'],
} as const

const STARTING: TrustReason = { code: 'NOT_YET_APPRAISED', message: 'the daemon is starting' }

type Counted = keyof typeof REASONS

/** An operator's word that a lineage may go on from where it is: one that was restored, or a new epoch. */
export interface AcceptedLineage {
  readonly clearance: Clearance
  readonly found: Found
}

/** A clearance on its way: what became of it is told once it is in the log, or is not. */
interface Acceptance extends AcceptedLineage {
  readonly settle: PromiseWithResolvers<{ lineageIndex: bigint }>
}

/** What the API says while the daemon has not begun its work: its TPM does not answer, its lineage was put back, or the start takes its time. */
export class Waiting {
  readonly #hostId: string
  readonly #version: string
  readonly #startedTime = new Date().toISOString()
  readonly #over = new AbortController()
  readonly #denied = new Map<number, Record<Counted, number>>()
  readonly #governance: () => readonly PublicKey[]
  #acceptance: Acceptance | null = null
  /** Where denials are counted once there is a log. */
  #decisions: Pick<DecisionLog, 'count'> | null = null
  /** What its TPM does to keep it waiting; null while that is not why. */
  tpm: TpmError | null = null
  /** Its lineage is older than the TPM's counter says, or a new epoch; null while that is not why. */
  unaccepted: RolledBackError | NewEpochError | null = null
  /** Called when an operator has accepted the lineage as it is. */
  onAccepted: () => void = () => undefined

  /** @param governance gives the configured governance keys, when a clearance comes */
  constructor(hostId: string, version: string, governance: () => readonly PublicKey[] = () => []) {
    this.#hostId = hostId
    this.#version = version
    this.#governance = governance
  }

  /** What an operator has accepted of what was found; null if nothing. */
  get accepted(): AcceptedLineage | null {
    return this.#acceptance
  }

  /** Tells whoever sent the clearance what became of it. */
  settle(outcome: { lineageIndex: bigint } | Error): void {
    const { settle } = this.#acceptance ?? {}
    this.#acceptance = null
    if (outcome instanceof Error) settle?.reject(outcome)
    else settle?.resolve(outcome)
  }

  /** One clearance at a time: for this host, and for exactly what was found. */
  async #clear(envelope: Buffer): Promise<{ lineageIndex: bigint }> {
    const { unaccepted } = this
    const clearance = openClearance(envelope, this.#governance())
    const { host, clears } = clearance
    const refuse = (why: string) =>
      new GovernanceError('CLEARANCE_NOT_APPLICABLE', `the clearance does not apply: ${why}`)
    if (host !== this.#hostId) throw refuse(`it is for host ${host}`)
    if (unaccepted === null || (clears.kind !== 'rollback' && clears.kind !== 'epoch'))
      throw refuse('the daemon has not started')
    const { found } = unaccepted
    if (!isCleared(clears, toAccept(found))) throw refuse('it is for another lineage than was found')
    if (this.#acceptance !== null) throw refuse('another one is on its way')
    const settle = Promise.withResolvers<{ lineageIndex: bigint }>()
    this.#acceptance = { clearance, found, settle }
    this.onAccepted()
    return settle.promise
  }

  /**
   * Every request for a decision is denied: nothing is known of the host, and nothing is written to a log that the TPM's counter has not
   * vouched for. Everything else is not there yet.
   */
  core(): DaemonCore {
    const unavailable = (): never => {
      if (this.unaccepted !== null) throw this.unaccepted
      if (this.tpm === null) throw new StartingError('STARTING', STARTING.message)
      throw new TpmError('TPM_UNAVAILABLE', `the daemon waits for its TPM: ${this.tpm.message}`)
    }
    const deny = ({ uid }: { uid: number }): never => {
      const why = this.unaccepted === null ? 'decided' : 'unaccepted'
      this.#count(uid, why)
      const recorded = 'the denial is counted, and recorded once the daemon has started'
      const message =
        this.unaccepted === null
          ? recorded
          : `${this.unaccepted.code}: ${this.unaccepted.message}; ${recorded}`
      throw new DeniedError([
        { code: REASONS[why][0], message: `the gate is UNATTESTED: ${this.#reason.message}`, at: '' },
        { code: REASONS[why][1], message, at: '' },
      ])
    }
    const status = () => this.#status()
    const over = this.#over.signal
    const rest = { get: (own: object, name: string) => Reflect.get(own, name) ?? unavailable }
    return new Proxy(
      {
        authorize: async (caller: { uid: number }) => deny(caller),
        execute: async (caller: { uid: number }) => deny(caller),
        getStatus: status,
        clearFailure: async (_caller: unknown, envelope: Buffer) =>
          this.unaccepted === null ? unavailable() : this.#clear(envelope),
        async *watchStatus(signal: AbortSignal) {
          yield status()
          // It ends when there is more to say than one status: whoever watches asks again. What has happened already is told by no event.
          const ends = AbortSignal.any([signal, over])
          if (!ends.aborted) await new Promise(resolve => ends.addEventListener('abort', resolve))
        },
        countDenial: (uid: number) => this.#count(uid, 'overQuota'),
      },
      rest,
    ) as unknown as DaemonCore
  }

  /** There is a log now: what was denied so far is recorded as a count, and so is what is denied here from now on. */
  recordIn(decisions: Pick<DecisionLog, 'count'>): void {
    this.#decisions = decisions
    for (const [uid, counts] of this.#denied) {
      for (const kind of Object.keys(REASONS) as Counted[])
        if (counts[kind] > 0) decisions.count(uid, REASONS[kind], counts[kind])
    }
    this.#denied.clear()
  }

  /** Calls go to the daemon itself now: ends the watches here, so that whoever watches asks there. */
  end(): void {
    this.#over.abort()
  }

  #count(uid: number, kind: Counted): void {
    if (this.#decisions !== null) {
      this.#decisions.count(uid, REASONS[kind])
      return
    }
    const counts = this.#denied.get(uid) ?? { decided: 0, unaccepted: 0, overQuota: 0 }
    counts[kind]++
    if (this.#denied.has(uid) || this.#denied.size < MAX_UIDS) this.#denied.set(uid, counts)
  }

  get #reason(): TrustReason {
    const { code, message } = this.unaccepted ?? this.tpm ?? STARTING
    return { code, message }
  }

  #status(): AttestationStatusInput {
    return {
      state: 'GATE_STATE_UNATTESTED',
      reasons: [{ ...this.#reason, at: '' }],
      epoch: '0',
      hostId: this.#hostId,
      tier: 'TPM_TIER_UNKNOWN',
      leaseRemainingMs: '0',
      daemonVersion: this.#version,
      daemonStartedTime: this.#startedTime,
      ...unacceptedMessage(this.unaccepted),
    }
  }
}

/** What a clearance has to name of what was found. */
export function toAccept(found: Found): Extract<ToClear, { kind: 'rollback' | 'epoch' }> {
  const { counter, size, root } = found
  const named = { counter: String(counter), tail: size, root: root.toString('hex') }
  return 'epoch' in found ? { kind: 'epoch', epoch: found.epoch, ...named } : { kind: 'rollback', ...named }
}

function unacceptedMessage(
  why: RolledBackError | NewEpochError | null,
): Pick<AttestationStatusInput, 'rolledBack' | 'newEpoch'> {
  if (why === null) return {}
  const message = ({ counter, size, root }: RolledBack) => ({
    counter: String(counter),
    size: String(size),
    root,
  })
  if (!(why instanceof NewEpochError)) return { rolledBack: message(why.found) }
  const found: NewEpoch = why.found
  return { newEpoch: { epoch: String(found.epoch), ...message(found) } }
}

/** A core that calls are handed on to, and that can be exchanged for another. */
export class SwitchedCore {
  current: DaemonCore | null = null

  get core(): DaemonCore {
    const get = (_: object, name: string) => {
      if (this.current === null) throw new Error('nothing serves yet')
      return Reflect.get(this.current, name)
    }
    return new Proxy({}, { get }) as DaemonCore
  }
}

/** Codes of a TPM that may yet come: nobody answers there, or nobody in time, or the firmware's part is still to be done. */
export function mayCome(error: unknown): error is TpmError {
  // TPM_RC_INITIALIZE (TPM 2.0 Part 2, section 6.6.3): not started up.
  return (
    error instanceof TpmError &&
    (['TPM_UNAVAILABLE', 'TPM_TIMEOUT', 'TPM_BUSY'].includes(error.code) || error.rc === 0x100)
  )
}
