import type { Logger } from 'pino'
import type { Decision, ReasonCode } from '../authorization/index.ts'
import type { Caller } from './core.ts'
import type { CallerProgram, CallingProcess } from './launcher/types.ts'

/** As many looks as the launcher has places for, and for one user (`CALLERS_MAX` and `CALLERS_OF_ONE_UID` of native/launchd/callers.h). */
const MOST = 8
const MOST_OF_ONE_UID = 2

/** The log is on a disk: however many are not known, one line a second says so, with the number of those since the last. */
const TELL_EVERY_MS = 1000

/** Where a denial says that it is for the caller's program. */
const PROGRAMS = 'predicate.initiator.programs'
/** What a denial says of an artifact that is not its issuer's. */
const NOT_THE_ISSUERS: ReadonlySet<ReasonCode> = new Set([
  'ARTIFACT_MALFORMED',
  'SIGNATURE_INVALID',
  'SIGNER_UNTRUSTED',
  'THRESHOLD_NOT_MET',
])

interface Waiting {
  readonly uid: number
  readonly go: () => void
}

/**
 * What program a caller executes, as the launcher finds it at each question: advisory, for a process can be made to execute another program,
 * or have another's code in it, by its own user. Null when that is not known, for which the log has the reason.
 */
export class CallerPrograms {
  readonly #look: (caller: CallingProcess) => Promise<CallerProgram>
  readonly #log: Pick<Logger, 'warn'>
  /** Uids of those who are being looked at. */
  readonly #busy: number[] = []
  readonly #waiting: Waiting[] = []
  #tellAfter = 0
  #untold = 0

  constructor(look: (caller: CallingProcess) => Promise<CallerProgram>, log: Pick<Logger, 'warn'>) {
    this.#look = look
    this.#log = log
  }

  /** SHA-256 of the executable, in hexadecimal. Never rejects. */
  async of(caller: Caller): Promise<string | null> {
    const { uid } = caller
    await this.#turn(uid)
    try {
      const { gid, pid, pidfd: shared } = caller
      if (shared === null) return this.#unknown(caller, 'the kernel gave no pidfd of it')
      const found = await shared.use(pidfd => this.#look({ uid, gid, pid, pidfd }))
      return found === null ? this.#unknown(caller, 'its connection is over') : found.sha256
    } catch (error) {
      return this.#unknown(caller, error)
    } finally {
      this.#busy.splice(this.#busy.indexOf(uid), 1)
      this.#next()
    }
  }

  #unknown({ uid, pid }: Caller, why: unknown): null {
    this.#untold++
    const now = performance.now()
    if (now < this.#tellAfter) return null
    const reason = why instanceof Error ? why.message : String(why)
    this.#log.warn({ uid, pid, reason, callers: this.#untold }, "the caller's program is not known")
    this.#untold = 0
    this.#tellAfter = now + TELL_EVERY_MS
    return null
  }

  #turn(uid: number): Promise<void> {
    return new Promise(go => {
      this.#waiting.push({ uid, go })
      this.#next()
    })
  }

  /** Lets go on, in their order, those for whose user there is a place. */
  #next(): void {
    while (this.#busy.length < MOST) {
      const at = this.#waiting.findIndex(
        ({ uid }) => this.#busy.filter(other => other === uid).length < MOST_OF_ONE_UID,
      )
      const [first] = at < 0 ? [] : this.#waiting.splice(at, 1)
      if (first === undefined) return
      this.#busy.push(first.uid)
      first.go()
    }
  }
}

/** Whether the artifact is for callers of some programs only. One that its issuer did not sign, and that anybody can make, has no program looked at. */
export function wantsProgram({ reasons }: Decision): boolean {
  return (
    reasons.some(({ code, at }) => code === 'INITIATOR_MISMATCH' && at === PROGRAMS) &&
    !reasons.some(({ code }) => NOT_THE_ISSUERS.has(code))
  )
}
