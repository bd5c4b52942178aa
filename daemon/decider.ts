import { randomBytes } from 'node:crypto'
import type { Logger } from 'pino'
import {
  type Caller as AuthorizationCaller,
  type Decision,
  type DecisionInput,
  decideAfterOpen,
  decideAndReserve,
  decideBeforeOpen,
  type ExecutionRequest,
  type ObservedSubject,
  type ParentState,
  parseRequest,
  type Reason,
  sentArtifact,
  standingReasons,
  type ToOpen,
  type UseReservation,
} from '../authorization/index.ts'
import { WritError } from '../encoding/error.ts'
import type { PrivateKey } from '../signing/key.ts'
import { type CallerPrograms, wantsProgram } from './caller-programs.ts'
import { type Caller, DeniedError, type WorkloadRequest } from './core.ts'
import type { DecisionLog } from './decision-log.ts'
import type { ExecutionRegistry } from './execution-registry.ts'
import type { GateSnapshot, TrustGate } from './gate.ts'
import type { History } from './history/history.ts'
import type { Prepared } from './launcher/types.ts'
import { OpenedArtifacts } from './opened-artifacts.ts'
import type { Decided, Permit, RunPermit } from './permit.ts'
import { RecentLooks } from './recent-looks.ts'
import { rfc3339 } from './recorder.ts'
import { type OpenSecrets, SecretError, type Secrets, secretFault } from './secrets.ts'
import type { SubjectStage } from './subject-stage.ts'
import type { WallClock } from './wall-clock.ts'

export interface DeciderOptions {
  readonly hostId: string
  /** What the launcher said that it can hold an execution to. */
  readonly enforces: DecisionInput['host']['enforces']
  readonly history: History
  readonly gate: TrustGate
  readonly clock: WallClock
  readonly bootNs: () => bigint
  readonly registry: ExecutionRegistry
  readonly decisions: DecisionLog
  readonly stage: SubjectStage
  /** Opens an artifact's secrets. Left out: this daemon opens none. */
  readonly secrets?: Pick<Secrets, 'open'>
  /** Says what program a caller executes. Left out: that is never known. */
  readonly programs?: Pick<CallerPrograms, 'of'>
  readonly sessionKey: PrivateKey
  readonly minting: boolean
  readonly maxExecutions: number
  /** Why the lineage cannot be written now; null when it can. */
  readonly lineageState: () => DecisionInput['lineage']
  readonly log: Pick<Logger, 'warn'>
}

/**
 * Decides on requests: gathers the inputs, runs the pure decision around the opening of the subjects, and makes its outcome durable
 * before anybody hears of it. A denial is thrown as {@link DeniedError}.
 */
export class Decider {
  readonly #o: DeciderOptions
  readonly #host: DecisionInput['host']
  #mintingNow: DecisionInput['minting']
  readonly #looks: RecentLooks
  readonly #opened = new OpenedArtifacts()
  /** Executions that have a permit, or are getting one, and that the registry does not know yet. */
  readonly #permitting = new Set<string>()

  constructor(options: DeciderOptions) {
    this.#o = options
    this.#looks = new RecentLooks(options.stage)
    this.#host = { id: options.hostId, enforces: options.enforces }
    const sessionKeySpki = options.sessionKey.public.spki.toString('base64')
    this.#mintingNow = { enabled: options.minting, sessionKeySpki }
  }

  /**
   * Decides on one request. After a permit of `execute` the staged subjects stay with the launcher; in every other case they
   * are let go.
   *
   * @param makeReady begins to make a permitted execution ready, while its permit is made durable; what cannot be made durable is let go
   * @throws DeniedError
   */
  async decide(
    caller: Caller,
    operation: 'execute' | 'authorize',
    artifact: Buffer | null,
    workload: WorkloadRequest,
    makeReady: (decided: Decided) => Promise<Prepared> | undefined = () => undefined,
  ): Promise<RunPermit> {
    const request = this.#readRequest(operation, workload)
    let described = describeCaller(caller)
    const look = (): DecisionInput => this.#input(caller, described, request, artifact)

    const known = artifact === null ? undefined : this.#opened.get(sentArtifact(artifact).digest)
    let first = look()
    let before = decideBeforeOpen(first, known)
    if ('denied' in before && wantsProgram(before.denied)) {
      described = { ...described, program: (await this.#o.programs?.of(caller)) ?? null }
      first = look()
      before = decideBeforeOpen(first, known)
    }
    if ('denied' in before) return this.#refuse(first, before.denied)
    this.#opened.keep(before.opened)
    let keep = false
    let ahead: Promise<Prepared> | undefined
    let secrets: OpenSecrets | null = null
    try {
      const { observed, fault: unobserved } = await this.#observe(request, before)
      let fault = unobserved
      if (operation === 'execute' && fault === null) {
        const unsealed = await this.#unseal(look(), before, observed)
        secrets = unsealed.secrets
        fault = unsealed.fault
      }
      const now = look()
      const input = { ...now, fault: now.fault ?? fault }
      const { decision, reservation } =
        operation === 'execute'
          ? decideAndReserve({ ...input, uses: this.#o.history.uses }, observed, before.opened)
          : { decision: decideAfterOpen(input, observed, before.opened), reservation: null }
      if (decision.outcome === 'deny') return await this.#refuse(input, decision)
      if (operation === 'execute') {
        this.#permitting.add(request.executionId)
        this.#countChild(caller, request)
        ahead = makeReady({ input, decision, observed, secrets })
      }
      const index = await this.#persist(input, decision, reservation)
      keep = operation === 'execute'
      return { input, decision, index, observed, ahead }
    } finally {
      if (operation === 'execute' && !keep) {
        this.#permitting.delete(request.executionId)
        this.#o.registry.families.withdraw(request.executionId)
        const abandon = () => this.#o.stage.abandon(request.executionId)
        abandon()
        // Its streams may be on their way.
        ahead?.then(abandon, () => undefined)
      }
      // The launcher has its own descriptors of them by the time that it answers.
      const close = () => secrets?.close()
      if (ahead === undefined) close()
      else ahead.then(close, close)
    }
  }

  /**
   * The same decision again, now, on what was permitted: its use is its own, and what it runs is what was hashed then. Changes nothing.
   */
  reconsider({ input, observed }: Permit, caller: Caller): { input: DecisionInput; decision: Decision } {
    const request: ExecutionRequest = { ...input.request, operation: 'continue' }
    const now = { ...this.#input(caller, input.caller, request, input.artifact), fault: null }
    // Its siblings counted when it was permitted: it is not one more, and those that came after it take nothing from it.
    const { childrenStarted = 0, childrenRunning = 0, childrenLastMinute = 0 } = input.parent ?? {}
    const parent = now.parent && { ...now.parent, childrenStarted, childrenRunning, childrenLastMinute }
    const again = { ...now, parent }
    return { input: again, decision: decideAfterOpen(again, observed) }
  }

  /** Why every request would be denied now, beside the gate. Looks at what is known of the clock, and changes nothing. */
  standing(): readonly Reason[] {
    const { history, clock } = this.#o
    const { trustRoots, policy, revocations } = history
    return standingReasons({
      ...{ trustRoots, policy, revocations },
      host: this.#host,
      lineage: this.#o.lineageState(),
      clock: { now: rfc3339(clock.read().wallMs), trusted: clock.fault === null },
      minting: this.#minting(),
    })
  }

  /** Makes what {@link reconsider} found durable. @throws LineageError */
  recordRenewal({ caller, request, artifact }: DecisionInput, decision: Decision): Promise<bigint> {
    if (caller === null) throw new Error('what was permitted had a known caller')
    return this.#o.decisions.writeRenewal(decision, caller, request.executionId, artifact)
  }

  #readRequest(operation: 'execute' | 'authorize', workload: WorkloadRequest): ExecutionRequest {
    // A request that is not one is the caller's mistake, not a decision about a workload: a plain error.
    return parseRequest({ executionId: randomBytes(16).toString('hex'), operation, ...workload })
  }

  /** Everything a decision depends on, as it is at this instant. */
  #input(
    caller: Caller,
    described: AuthorizationCaller | null,
    request: ExecutionRequest,
    artifact: Uint8Array | null,
  ): DecisionInput {
    const { history } = this.#o
    const wall = this.#o.clock.now()
    const gate = this.#o.gate.snapshot()
    return {
      request,
      caller: described,
      artifact,
      host: this.#host,
      trustRoots: history.trustRoots,
      hostLabels: history.hostLabels,
      policy: history.policy,
      revocations: history.revocations,
      uses: history.uses,
      parent: this.#parent(caller),
      gate: describeGate(gate, this.#o.bootNs()),
      lineage: this.#o.lineageState(),
      fault: this.#fault(request, this.#running()),
      clock: { now: rfc3339(wall.ms), trusted: wall.untrusted === null },
      minting: this.#minting(),
    }
  }

  /** The same object as long as it says the same: what is checked of it is checked once. */
  #minting(): DecisionInput['minting'] {
    const { minting: enabled } = this.#o
    if (this.#mintingNow.enabled !== enabled) this.#mintingNow = { ...this.#mintingNow, enabled }
    return this.#mintingNow
  }

  /** Live executions, and those that will be in a moment: else a burst of requests would all see the same last place. */
  #running(): number {
    const { registry } = this.#o
    for (const id of this.#permitting) if (registry.get(id) !== undefined) this.#permitting.delete(id)
    return registry.liveCount + this.#permitting.size
  }

  #countChild({ parentExecution }: Caller, { executionId }: ExecutionRequest): void {
    if (parentExecution === null) return
    this.#o.registry.families.begin(parentExecution, executionId, this.#o.bootNs())
  }

  /** What this host cannot do, whatever is signed: refused, never left out. */
  #fault(request: ExecutionRequest, running: number): DecisionInput['fault'] {
    const refuse = (message: string) => ({ code: 'CAPACITY' as const, message })
    if (request.operation === 'execute' && running >= this.#o.maxExecutions) {
      return refuse(`${running} executions are running`)
    }
    return null
  }

  #parent(caller: Caller): ParentState | null {
    if (caller.parentExecution === null) return null
    const parent = this.#o.registry.get(caller.parentExecution)
    // The decision itself denies a parent that is gone, and so the denial has a record.
    if (parent === undefined) return null
    const ancestors = this.#o.registry.lineOf(parent.executionId).slice(1)
    return {
      executionId: parent.executionId,
      live: parent.state === 'RUNNING',
      ...this.#o.registry.families.countsOf(parent.executionId, this.#o.bootNs()),
      ancestors,
      ancestorPrograms: ancestors.flatMap(id => this.#o.registry.get(id)?.terms.program.sha256 ?? []),
      decisionRecord: parent.decisionRecord,
      terms: parent.terms,
    }
  }

  /** What is to be run, as the launcher found it; or what kept it from looking, which denies the request. */
  async #observe(
    { executionId, operation, user }: ExecutionRequest,
    { subjects, statement }: ToOpen,
  ): Promise<{ observed: readonly ObservedSubject[] | null; fault: DecisionInput['fault'] }> {
    const signed = statement?.predicate.scope.user ?? 'own'
    try {
      const paths = subjects.map(({ path, kind }) => ({ path, kind }))
      const by = user ?? (signed === 'any' ? 'own' : signed)
      const observed =
        operation === 'execute'
          ? await this.#o.stage.stage(executionId, paths, by)
          : await this.#looks.look(executionId, paths, by)
      return { observed, fault: null }
    } catch (error) {
      return { observed: null, fault: stageFault(error) }
    }
  }

  /**
   * Opens the secrets of what would be permitted: nobody has the TPM work for what is denied anyway. That the TPM refuses is an input of the
   * decision that follows, and so a denial with a record, which consumes nothing.
   */
  async #unseal(
    input: DecisionInput,
    { opened, statement }: ToOpen,
    observed: readonly ObservedSubject[] | null,
  ): Promise<{ secrets: OpenSecrets | null; fault: DecisionInput['fault'] }> {
    const { secrets: sealed, issuer } = statement?.predicate ?? { issuer: '' }
    const none = { secrets: null, fault: null }
    if (sealed === undefined || input.caller === null) return none
    if (decideAfterOpen(input, observed, opened).outcome === 'deny') return none
    try {
      if (this.#o.secrets === undefined)
        throw new SecretError('NOT_FOR_THIS_HOST', 'this daemon opens no secrets')
      return { secrets: await this.#o.secrets.open(sealed, issuer, input.caller.uid), fault: null }
    } catch (error) {
      this.#o.log.warn({ err: error }, 'a secret was not opened')
      return { secrets: null, fault: secretFault(error) }
    }
  }

  async #refuse(input: DecisionInput, decision: Decision): Promise<never> {
    const reasons = decision.reasons.map(({ code, message, at }) => ({ code, message, at: at ?? '' }))
    const index = await this.#write(input, decision).catch(() => {
      // The answer is no either way; that it could not be recorded is one more reason.
      reasons.push({ code: 'LINEAGE_UNAVAILABLE', message: 'the denial could not be recorded', at: '' })
      return null
    })
    // Those that are only counted are told of with their count.
    if (index !== null) this.#tell(input, reasons, index)
    throw new DeniedError(reasons, index ?? undefined)
  }

  #tell(
    { request, caller }: DecisionInput,
    reasons: readonly { code: string; message: string }[],
    entry: bigint,
  ) {
    const { executionId, operation, program } = request
    const { uid, unit } = caller ?? {}
    this.#o.log.warn(
      {
        event: 'decision-denied',
        ...{ executionId, operation, program, uid, unit, reasons },
        entry: String(entry),
      },
      'denied',
    )
  }

  async #persist(
    input: DecisionInput,
    decision: Decision,
    reservation: UseReservation | null,
  ): Promise<bigint> {
    let index: bigint | null
    try {
      index = await this.#write(input, decision)
    } catch {
      // Whether the entry is in the log is not known, so the use stays taken.
      this.#o.decisions.count(input.caller?.uid ?? 0, ['LINEAGE_UNAVAILABLE'])
      throw new DeniedError([
        { code: 'LINEAGE_UNAVAILABLE', message: 'the decision could not be made durable', at: '' },
      ])
    }
    if (index === null) throw new Error('a permit is never counted')
    reservation?.commit()
    return index
  }

  #write(input: DecisionInput, decision: Decision): Promise<bigint | null> {
    const { caller, request, artifact } = input
    if (caller === null) throw new Error('a connection without a known peer is never served')
    return this.#o.decisions.write(decision, caller, request.executionId, artifact)
  }
}

/** Why nothing could be staged: for want of room, or something that is not the caller's concern. */
function stageFault(error: unknown): DecisionInput['fault'] {
  const code = error instanceof WritError ? error.code : 'UNKNOWN'
  return {
    code: code === 'CAPACITY' ? 'CAPACITY' : 'INTERNAL',
    message: `the subjects could not be staged (${code})`,
  }
}

/** The kernel's words about the caller, without its program, which takes time to find out. The unit is that of the cgroup, as systemd lays them out. */
export function describeCaller({ uid, gid, pid, cgroup, parentExecution }: Caller): AuthorizationCaller {
  return { uid, gid, pid, cgroup: cgroup ?? '', unit: unitOf(cgroup), program: null, parentExecution }
}

/**
 * The outermost service or scope in a cgroup path: the unit of the system's service manager. A user's own manager makes units below that one
 * under any name it likes (systemd, "Control Group APIs and Delegation").
 */
export function unitOf(cgroup: string | null): string | null {
  const parts = (cgroup ?? '').split('/')
  return parts.find(part => /^[A-Za-z0-9:_.@\\-]{1,240}\.(?:service|scope)$/.test(part)) ?? null
}

function describeGate(gate: GateSnapshot, nowNs: bigint): DecisionInput['gate'] {
  const { facts, deadlineNs } = gate
  const ms = (ns: bigint) => Number(ns / 1_000_000n)
  return {
    state: gate.state,
    epoch: Number(gate.epoch),
    evidenceAgeMs: facts && ms(nowNs - facts.instantNs),
    deadlineInMs: deadlineNs === null ? null : Math.max(0, ms(deadlineNs - nowNs)),
    referenceValuesDigest: facts?.referenceValuesDigest ?? null,
    tier: facts?.tier ?? 'unknown',
    resetCount: facts?.resetCount ?? null,
    claims: facts?.claims ?? null,
    appraisalIndex: facts && String(facts.appraisalIndex),
    reasons: gate.reasons.slice(0, 64).map(({ code, message }) => ({ code, message: message.slice(0, 300) })),
  }
}
