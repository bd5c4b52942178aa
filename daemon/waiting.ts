import { TpmError } from '../attestation/tpm2/index.ts'
import type { AttestationStatusInput } from '../proto/generated/writ/v1/AttestationStatus.ts'
import { type DaemonCore, DeniedError } from './core.ts'
import type { DaemonParts } from './daemon.ts'
import type { TrustReason } from './gate.ts'

/** Most uids whose denials are counted apart. */
const MAX_UIDS = 4096

/** What the API says while the daemon cannot begin its work, because its TPM does not answer. */
export class Waiting {
  readonly #hostId: string
  readonly #version: string
  readonly #startedTime = new Date().toISOString()
  readonly #over = new AbortController()
  readonly #denied = new Map<number, { decided: number; overQuota: number }>()
  /** Why it waits. */
  reason: TrustReason = { code: 'NOT_YET_APPRAISED', message: 'the daemon waits for its TPM' }

  constructor(hostId: string, version: string) {
    this.#hostId = hostId
    this.#version = version
  }

  /**
   * Every request for a decision is denied: nothing is known of the host, and nothing is written to a log that the TPM's counter has not
   * vouched for. Everything else is not there yet.
   */
  core(): DaemonCore {
    const unavailable = (): never => {
      throw new TpmError('TPM_UNAVAILABLE', `the daemon waits for its TPM: ${this.reason.message}`)
    }
    const deny = ({ uid }: { uid: number }): never => {
      this.#count(uid).decided++
      throw new DeniedError([
        { code: 'ATTESTATION_STALE', message: `the gate is UNATTESTED: ${this.reason.message}`, at: '' },
        {
          code: 'LINEAGE_UNAVAILABLE',
          message: 'the denial is counted, and recorded once the TPM is back',
          at: '',
        },
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
        async *watchStatus(signal: AbortSignal) {
          yield status()
          // It ends when there is more to say than one status: whoever watches asks again.
          await new Promise(resolve => AbortSignal.any([signal, over]).addEventListener('abort', resolve))
        },
        countDenial: (uid: number) => {
          this.#count(uid).overQuota++
        },
      },
      rest,
    ) as unknown as DaemonCore
  }

  /** The daemon has begun its work: what was denied meanwhile is recorded as a count. */
  end({ decisions }: DaemonParts): void {
    this.#over.abort()
    for (const [uid, { decided, overQuota }] of this.#denied) {
      if (decided > 0) decisions.count(uid, ['ATTESTATION_STALE', 'LINEAGE_UNAVAILABLE'], decided)
      if (overQuota > 0) decisions.count(uid, ['CAPACITY'], overQuota)
    }
    this.#denied.clear()
  }

  #count(uid: number): { decided: number; overQuota: number } {
    const count = this.#denied.get(uid) ?? { decided: 0, overQuota: 0 }
    if (this.#denied.size < MAX_UIDS) this.#denied.set(uid, count)
    return count
  }

  #status(): AttestationStatusInput {
    return {
      state: 'GATE_STATE_UNATTESTED',
      reasons: [{ ...this.reason, at: '' }],
      epoch: '0',
      hostId: this.#hostId,
      tier: 'TPM_TIER_UNKNOWN',
      leaseRemainingMs: '0',
      daemonVersion: this.#version,
      daemonStartedTime: this.#startedTime,
    }
  }
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
