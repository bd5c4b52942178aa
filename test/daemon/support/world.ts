import { EventEmitter } from 'node:events'
import { closeSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import { type ObservedSubject, RevocationSet, signRevocation } from '../../../authorization/index.ts'
import type { CallerPrograms } from '../../../daemon/caller-programs.ts'
import type { Caller, ExecuteStreams, WorkloadRequest } from '../../../daemon/core.ts'
import { Decider } from '../../../daemon/decider.ts'
import { DecisionLog } from '../../../daemon/decision-log.ts'
import { ExecutionRegistry } from '../../../daemon/execution-registry.ts'
import { Executor } from '../../../daemon/executor.ts'
import { TrustGate } from '../../../daemon/gate.ts'
import { Governance } from '../../../daemon/governance.ts'
import { History } from '../../../daemon/history/history.ts'
import type { LaunchEnded, LauncherClient, LaunchOrder, Prepared } from '../../../daemon/launcher/client.ts'
import type { Adopted, OpenDescriptors, Released } from '../../../daemon/launcher/types.ts'
import { LeasePage } from '../../../daemon/native.ts'
import { OutputTails } from '../../../daemon/output-tails.ts'
import type { OwnSocket, OwnSocketOf } from '../../../daemon/own-socket.ts'
import { Recorder } from '../../../daemon/recorder.ts'
import type { SubjectStage } from '../../../daemon/subject-stage.ts'
import { WallClock } from '../../../daemon/wall-clock.ts'
import { type Lineage, type LineageEvent, parseEvent } from '../../../lineage/index.ts'
import type { Io } from '../../../lineage/writer/io.ts'
import {
  defaultTrust,
  governance,
  HOST,
  NOW,
  observed,
  PROGRAM,
  policyEnvelope,
  REFERENCE,
  session,
} from '../../authorization/scenario.ts'
import { openLog, temporaryDirectory } from '../../lineage/support/log.ts'

export const MAX_AGE_NS = 30_000_000_000n
export const silent = pino({ level: 'silent' })

/** The kernel's word about a caller that the artifacts of the scenario name. */
export function peer(fields: Partial<Caller> = {}): Caller {
  return {
    connection: 'c1',
    uid: 1000,
    gid: 1000,
    pid: 4242,
    pidfd: null,
    cgroup: '/user.slice',
    parentExecution: null,
    governor: false,
    auditor: false,
    ...fields,
  }
}

/** What the artifacts of the scenario permit. */
export function workload(fields: Partial<WorkloadRequest> = {}): WorkloadRequest {
  return {
    program: PROGRAM,
    argv: [PROGRAM, '--digits', '7'],
    env: null,
    cwd: null,
    user: null,
    stdio: null,
    sandbox: { network: null, seccomp: null, writable: null },
    detach: false,
    limits: {
      runTimeMs: null,
      memoryBytes: null,
      pids: null,
      cpuSeconds: null,
      openFiles: null,
      outputBytes: null,
      cpuPercent: null,
      fileBytes: null,
    },
    devices: null,
    children: false,
    files: [],
    ...fields,
  }
}

/** Stands where the launcher stages, and remembers what it holds. `during` is what happens in the meantime. */
export class Stage implements SubjectStage {
  readonly staged: string[] = []
  readonly abandoned: string[] = []
  during: () => void | Promise<void> = () => undefined

  async stage(executionId: string): Promise<ObservedSubject[]> {
    this.staged.push(executionId)
    await this.during()
    return observed()
  }

  abandon(executionId: string): void {
    this.abandoned.push(executionId)
  }
}

type Step = 'prepare' | 'start' | 'kill' | 'lapse' | 'thaw' | 'adopt' | 'keep' | 'leave'

/** Stands where the launcher is, for the order of the executor's steps: it says what it was told, and when. */
export class StepLauncher extends EventEmitter {
  readonly steps: string[] = []
  readonly orders: LaunchOrder[] = []
  readonly stdin = new PassThrough()
  readonly stdout = new PassThrough()
  readonly stderr = new PassThrough()
  /** What happens while an order is carried out; what it throws is the answer. */
  at: Partial<Record<Step, (id: string) => void | Promise<void>>> = {}
  readonly live = new Set<string>()
  features: { readonly features: readonly string[] } = { features: ['keep'] }
  /** Numbers that it was to remember. */
  readonly noted: number[] = []
  /** The own socket of what is prepared or adopted. */
  socket: Prepared['socket'] = null
  /** What had been read and not been given on when streams are let go of. */
  rest: Pick<Released, 'stdout' | 'stderr'> = { stdout: [], stderr: [] }

  async prepare(order: LaunchOrder): Promise<Prepared> {
    this.steps.push('prepare')
    this.orders.push(order)
    await this.at.prepare?.(order.executionId)
    this.live.add(order.executionId)
    return this.#prepared()
  }

  async adopt(executionId: string, epoch: bigint): Promise<Adopted> {
    this.steps.push(`adopt ${epoch}`)
    await this.at.adopt?.(executionId)
    return { ...this.#prepared(), noted: 0 }
  }

  /** An execution that an earlier daemon had started ended meanwhile, and left nothing. */
  takeLastOutput(): null {
    return null
  }

  #prepared(): Prepared {
    const { stdin, stdout, stderr, socket } = this
    const descriptors = () => ({})
    const release = () => ({ stdinBytes: 7, inputEnded: false, ...this.rest })
    return {
      ...{ pid: 77, uid: 70_001, cgroup: '/writ/x', stdin, stdout, stderr },
      ...{ resize: null, socket, descriptors, release },
    }
  }

  async start(executionId: string, epoch: bigint): Promise<void> {
    this.steps.push(`start ${epoch}`)
    await this.at.start?.(executionId)
  }

  kill(executionId: string, order: string): void {
    this.steps.push(`kill ${order}`)
    void this.at.kill?.(executionId)
  }

  lapse(epoch: bigint, hold: boolean): void {
    this.steps.push(`lapse ${epoch}${hold ? ', hold' : ''}`)
    void this.at.lapse?.('')
  }

  async thaw(executionId: string, epoch: bigint): Promise<void> {
    this.steps.push(`thaw ${epoch}`)
    await this.at.thaw?.(executionId)
  }

  async keep(executionId: string, { stdin }: OpenDescriptors): Promise<void> {
    this.steps.push(stdin === null ? 'keep without input' : 'keep')
    await this.at.keep?.(executionId)
  }

  note(_: string, number: number): void {
    this.noted.push(number)
  }

  async leave(): Promise<void> {
    this.steps.push('leave')
    await this.at.leave?.('')
  }

  abandon(executionId: string): void {
    this.steps.push('abandon')
    if (this.live.has(executionId)) this.end(executionId, { cause: 'ABANDONED' })
  }

  knows(executionId: string): boolean {
    return this.live.has(executionId)
  }

  /** The launcher says that no process is left. */
  end(executionId: string, how: Partial<LaunchEnded> = {}): void {
    this.live.delete(executionId)
    this.stdout.end()
    this.stderr.end()
    this.emit('ended', {
      executionId,
      cause: 'EXITED',
      exitCode: null,
      signal: null,
      rusage: { userUs: 1, systemUs: 2, maxRssKib: 3 },
      bootNs: 9_000_000_000n,
      confirmedDead: true,
      ...how,
    } satisfies LaunchEnded)
  }
}

/** The streams of a caller that reads everything. */
export function streams(change: Partial<ExecuteStreams> = {}): ExecuteStreams & { out: Buffer[] } {
  const out: Buffer[] = []
  return {
    out,
    stdin: (async function* () {})(),
    terminalSize: null,
    digest: false,
    stdinTaken: () => undefined,
    stdinClosed: () => undefined,
    started: async () => undefined,
    output: async (_, bytes) => void out.push(bytes),
    handedOver: async () => undefined,
    ...change,
  }
}

/** The parts of a daemon on one real lineage and one real lease page, with both clocks in the test's hand. */
export async function world(
  options: {
    maxExecutions?: number
    io?: Io
    maxOutputBytes?: number
    attachMs?: number
    programs?: Pick<CallerPrograms, 'of'>
    openSocket?: (execution: OwnSocketOf) => Promise<OwnSocket>
  } = {},
) {
  const dir = temporaryDirectory()
  const lineage = await openLog(dir, options.io === undefined ? {} : { io: options.io })
  onTestFinished(() => lineage.close().catch(() => undefined))
  const time = { wallMs: Date.parse(NOW), bootNs: 5_000_000_000n }
  const bootNs = () => time.bootNs
  const wallMs = () => time.wallMs
  const monotonicNs = bootNs
  const recorder = new Recorder(lineage, bootNs, wallMs, (index, event) =>
    history.links.apply(Number(index), event),
  )
  const history = await History.fold(lineage, {
    governance: [governance.public],
    hostId: HOST,
    recoversByItself: false,
  })
  const page = LeasePage.create()
  const gate = new TrustGate({ lease: page, maxEvidenceAgeNs: MAX_AGE_NS, now: bootNs })
  const clock = new WallClock({ wallMs, bootNs, monotonicNs }, history.clock)
  const rules = new Governance({
    ...{ history, lineage, recorder, gate, wallMs, clock },
    keys: [governance.public],
    hostId: HOST,
  })
  await lineage.putBlob(RevocationSet.empty.manifest)
  await rules.loadTrustRoots(Buffer.from(defaultTrust.envelope))
  await rules.loadPolicy(policyEnvelope())
  const tails = new OutputTails({ tailBytes: 65_536, totalBytes: 1 << 20, maxExecutions: 16 })
  const registry = new ExecutionRegistry(id => tails.forget(id))
  const uncounted: unknown[] = []
  const decisions = new DecisionLog(lineage, recorder, history.links, {
    warn: () => undefined,
    error: ({ err }: { err: unknown }) => uncounted.push(err),
  })
  const stage = new Stage()
  const decider = new Decider({
    ...{ history, gate, registry, decisions, stage, bootNs },
    hostId: HOST,
    enforces: { controllers: ['memory', 'pids', 'cpu'], devices: ['gpu'] },
    clock,
    sessionKey: session,
    minting: false,
    maxExecutions: options.maxExecutions ?? 100,
    lineageState: () => 'ok',
    log: silent,
    ...(options.programs && { programs: options.programs }),
  })
  const launcher = new StepLauncher()
  const executor = new Executor({
    ...{ registry, tails, recorder, gate, history, bootNs, wallMs, clock, log: silent },
    launcher: launcher as unknown as LauncherClient,
    reconsider: (permit, caller) => decider.reconsider(permit, caller).decision.reasons,
    maxEvidenceAgeNs: MAX_AGE_NS,
    maxOutputBytes: options.maxOutputBytes ?? 1 << 20,
    ...(options.attachMs !== undefined && { attachMs: options.attachMs }),
    openSocket:
      options.openSocket ??
      (async ({ descriptor }) => ({ close: () => closeSync(descriptor), descriptor: () => descriptor })),
    mayBeKept: () => undefined,
    outlivesCrash: () => false,
  })
  /** A passing appraisal comes in. */
  const attest = () => {
    time.bootNs += 1n
    return gate.renew({
      instantNs: time.bootNs,
      referenceValuesDigest: REFERENCE,
      tier: 'simulated',
      resetCount: 1,
      claims: null,
      appraisalIndex: 0n,
    })
  }
  attest()
  return {
    ...{ dir, lineage, time, recorder, history, page, gate, governance: rules, registry, tails },
    ...{ clock, decisions, uncounted, stage, decider, launcher, executor, attest, bootNs, wallMs },
    events: () => eventsOf(lineage),
    revoke: (epoch: number, ...revoke: Parameters<typeof signRevocation>[0]['revoke']) =>
      rules.revoke(signRevocation({ version: 1, epoch, revoke }, governance)),
  }
}
export type World = Awaited<ReturnType<typeof world>>

/** All durable entries. */
export async function eventsOf(lineage: Lineage): Promise<LineageEvent[]> {
  const events: LineageEvent[] = []
  while (BigInt(events.length) < lineage.size) {
    for (const { bytes } of await lineage.readEntries(BigInt(events.length), lineage.size)) {
      events.push(parseEvent(bytes))
    }
  }
  return events
}

/** The events of one type. */
export function ofType<T extends LineageEvent['type']>(
  events: readonly LineageEvent[],
  type: T,
): (LineageEvent & { type: T })[] {
  return events.filter((event): event is LineageEvent & { type: T } => event.type === type)
}
