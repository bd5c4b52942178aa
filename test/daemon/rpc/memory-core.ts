import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { constants } from 'node:os'
import { Changes } from '../../../daemon/changes.ts'
import {
  type Caller,
  type DaemonCore,
  DeniedError,
  type ExecuteStreams,
  NotFoundError,
  type OwnedEntry,
  type PassedSignal,
  type ReceiptRequest,
  type ReportRequest,
  type TerminalSize,
  type WorkloadRequest,
} from '../../../daemon/core.ts'
import type { OutputTail } from '../../../daemon/output-tail.ts'
import { Input } from '../../../daemon/pump.ts'
import { peekTime, peekType } from '../../../lineage/index.ts'
import type { AttestationStatusInput } from '../../../proto/generated/writ/v1/AttestationStatus.ts'
import type { ExecutionInput } from '../../../proto/generated/writ/v1/Execution.ts'
import type { ExecutionEndInput } from '../../../proto/generated/writ/v1/ExecutionEnd.ts'

const digestOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

const ownerBy = (callerUid: number, parent: string | null) => ({
  callerUid,
  ancestors: parent === null ? [] : [parent],
})

/** A daemon without a TPM, a log or a sandbox: it permits whoever brings an artifact, and runs the program as it is. */
export class MemoryCore implements DaemonCore {
  readonly executions = new Map<string, ExecutionInput>()
  readonly changes = new Changes<string, ExecutionInput>()
  readonly statusChanges = new Changes<string, AttestationStatusInput>()
  readonly children = new Map<string, ChildProcess>()
  readonly sizes: [string, TerminalSize][] = []
  readonly controllers = new Map<string, AbortController>()
  readonly entries: OwnedEntry[] = []
  readonly blobs = new Map<string, Buffer>()
  readonly callers: Caller[] = []
  readonly denials = new Map<number, number>()
  readonly workloads: WorkloadRequest[] = []
  /** Bytes of output that a workload has been read for. */
  outputRead = 0
  status: AttestationStatusInput = { state: 'GATE_STATE_ATTESTED', epoch: '1', tier: 'TPM_TIER_SIMULATED' }
  failWith: unknown = null
  /** What Attach comes to. */
  onAttach: DaemonCore['attach'] = async (_, { executionId }) => {
    throw new NotFoundError(`execution ${executionId}`)
  }

  #record(caller: Caller): bigint {
    const index = BigInt(this.entries.length)
    this.entries.push({
      index,
      bytes: Buffer.from(JSON.stringify({ type: 'decision', uid: caller.uid })),
      owner: ownerBy(caller.uid, caller.parentExecution),
    })
    return index
  }

  #decide(caller: Caller, artifact: Buffer | null): bigint {
    this.callers.push(caller)
    if (this.failWith !== null) throw this.failWith
    const decision = this.#record(caller)
    if (artifact === null) {
      throw new DeniedError([{ code: 'ARTIFACT_MISSING', message: 'no artifact came with it' }], decision)
    }
    return decision
  }

  async authorize(caller: Caller, artifact: Buffer | null, workload: WorkloadRequest, _signal?: AbortSignal) {
    this.workloads.push(workload)
    const decisionIndex = this.#decide(caller, artifact)
    return {
      artifact: null,
      artifactDigest: digestOf(artifact ?? Buffer.alloc(0)),
      notAfter: '',
      decisionIndex,
    }
  }

  async execute(
    caller: Caller,
    artifact: Buffer | null,
    workload: WorkloadRequest,
    streams: ExecuteStreams,
    signal: AbortSignal,
  ): Promise<ExecutionEndInput> {
    this.workloads.push(workload)
    const decisionIndex = this.#decide(caller, artifact)
    const executionId = randomBytes(16).toString('hex')
    const own = new AbortController()
    this.controllers.set(executionId, own)
    const update = (change: Partial<ExecutionInput>) => {
      const next = { ...this.executions.get(executionId), ...change }
      this.executions.set(executionId, next)
      this.changes.publish(executionId, next)
    }
    const argv = workload.argv ?? [workload.program]
    const child = spawn(workload.program, argv.slice(1), {
      env: Object.fromEntries((workload.env ?? []).map(({ name, value }) => [name, value])),
      stdio: 'pipe',
    })
    this.children.set(executionId, child)
    const ended = new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, killedBy) => resolve({ code, signal: killedBy }))
    })
    update({
      executionId,
      state: 'EXECUTION_STATE_RUNNING',
      callerUid: caller.uid,
      parentExecutionId: caller.parentExecution ?? '',
      program: workload.program,
      pid: child.pid ?? 0,
    })
    let cause: 'END_CAUSE_EXIT' | 'END_CAUSE_TERMINATED' | 'END_CAUSE_CALLER_GONE' = 'END_CAUSE_EXIT'
    const kill = (why: typeof cause) => () => {
      cause = why
      child.kill('SIGKILL')
    }
    signal.addEventListener('abort', kill('END_CAUSE_CALLER_GONE'))
    own.signal.addEventListener('abort', kill('END_CAUSE_TERMINATED'))
    if (signal.aborted) kill('END_CAUSE_CALLER_GONE')()
    await streams.started({ executionId, decisionIndex: decisionIndex.toString(), epoch: '1' })
    const feed = new Input(streams, child.stdin).pump()
    const pump = async (name: 'stdout' | 'stderr') => {
      for await (const bytes of child[name]) {
        this.outputRead += bytes.length
        await streams.output(name, bytes)
      }
    }
    await Promise.all([pump('stdout'), pump('stderr')])
    const { code, signal: killedBy } = await ended
    void feed
    const end = {
      cause,
      confirmedDead: true,
      ...(code === null ? {} : { exitCode: code }),
      ...(killedBy === null ? {} : { signal: constants.signals[killedBy as NodeJS.Signals] }),
    }
    update({ state: 'EXECUTION_STATE_ENDED', end })
    return end
  }

  attach(...args: Parameters<DaemonCore['attach']>) {
    return this.onAttach(...args)
  }

  getExecution(executionId: string) {
    return this.executions.get(executionId) ?? null
  }

  listExecutions(options: Parameters<DaemonCore['listExecutions']>[0]) {
    const all = [...this.executions.values()].reverse()
    const from = options.after === null ? 0 : all.findIndex(e => e.executionId === options.after) + 1
    return all
      .slice(from)
      .filter(e => options.includeEnded || e.state !== 'EXECUTION_STATE_ENDED')
      .filter(options.visible)
      .slice(0, options.limit)
  }

  async terminate(_caller: Caller, executionId: string, signal: AbortSignal) {
    this.controllers.get(executionId)?.abort()
    const watch = this.changes.watch([[executionId, this.getExecution(executionId) ?? {}]], signal)
    for await (const execution of watch) {
      if (execution.executionId === executionId && execution.state === 'EXECUTION_STATE_ENDED')
        return execution
    }
    throw new NotFoundError('execution')
  }

  executionOwner(executionId: string) {
    const execution = this.executions.get(executionId)
    return execution === undefined
      ? null
      : ownerBy(execution.callerUid ?? -1, execution.parentExecutionId || null)
  }

  async pastOwner(executionId: string) {
    return this.executionOwner(executionId)
  }

  async signalExecution(executionId: string, signal: PassedSignal) {
    this.children.get(executionId)?.kill(signal)
  }

  resizeTerminal(executionId: string, size: TerminalSize) {
    this.sizes.push([executionId, size])
  }

  closeOutput(executionId: string, stream: 'stdout' | 'stderr') {
    this.children.get(executionId)?.[stream]?.destroy()
  }

  watchExecutions(signal: AbortSignal) {
    const live = [...this.executions].filter(([, e]) => e.state !== 'EXECUTION_STATE_ENDED')
    return this.changes.watch(live, signal)
  }

  /** What a reader of an execution's output gets. */
  tails = new Map<string, OutputTail>()

  readOutput(executionId: string, follow: boolean, signal: AbortSignal) {
    return this.tails.get(executionId)?.read(follow, signal) ?? null
  }

  getStatus() {
    return this.status
  }

  watchStatus(signal: AbortSignal) {
    return this.statusChanges.watch([['', this.status]], signal)
  }

  /** The nonce, then pieces of several sizes. */
  async getReport(_caller: Caller, { nonce, known }: ReportRequest): Promise<Iterable<Buffer>> {
    const large = Buffer.alloc(8 * 1024 * 1024, known.imaEntries)
    return [nonce, Buffer.from('attest'), large, Buffer.from('end')]
  }

  /** What was asked for, then a large piece. */
  async getReceipt(_caller: Caller, { executionId, decision, auditor }: ReceiptRequest): Promise<Buffer> {
    const asked = Buffer.from(`${executionId} ${decision} ${auditor} `)
    return Buffer.concat([asked, Buffer.alloc(1 << 20, 'r')])
  }

  async getCheckpoint() {
    return { note: Buffer.from('note'), size: this.lineageSize(), root: Buffer.alloc(32) }
  }

  lineageSize() {
    return BigInt(this.entries.length)
  }

  async *readEntries(from: bigint, to: bigint, types?: ReadonlySet<string>) {
    for (const entry of this.entries.slice(Number(from), Number(to)))
      if (!types?.size || types.has(peekType(entry.bytes) ?? '')) yield entry
  }

  async lineageGrown(size: bigint, signal: AbortSignal) {
    while (this.lineageSize() <= size && !signal.aborted) await new Promise(resolve => setTimeout(resolve, 5))
  }

  async locateEntries(sinceMs: number | null, untilMs: number | null) {
    const from = this.entries.findIndex(({ bytes }) => peekTime(bytes) >= (sinceMs ?? 0))
    const to = this.entries.findLastIndex(({ bytes }) => peekTime(bytes) <= (untilMs ?? Infinity)) + 1
    return { from: BigInt(from < 0 ? this.entries.length : from), to: BigInt(to) }
  }

  async entryOwner(index: bigint) {
    return this.entries[Number(index)]?.owner ?? null
  }

  async inclusionProof() {
    return { leafHash: Buffer.alloc(32, 1), hashes: [Buffer.alloc(32, 2)] }
  }

  async consistencyProof() {
    return [Buffer.alloc(32, 3)]
  }

  async getBlob(digest: string) {
    return this.blobs.get(digest) ?? null
  }

  async loadPolicy(_caller: Caller, envelope: Buffer) {
    if (this.failWith !== null) throw this.failWith
    return { digest: digestOf(envelope), lineageIndex: 7n }
  }

  loadHostLabels(caller: Caller, envelope: Buffer) {
    return this.loadPolicy(caller, envelope)
  }

  loadTrustRoots(caller: Caller, envelope: Buffer) {
    return this.loadPolicy(caller, envelope)
  }

  loadSecretPolicy(caller: Caller, envelope: Buffer) {
    return this.loadPolicy(caller, envelope)
  }

  loadReferenceValues(caller: Caller, envelope: Buffer) {
    return this.loadPolicy(caller, envelope)
  }

  async revoke() {
    return { epoch: 2n, lineageIndex: 8n, executionIds: [] }
  }

  listRevocations() {
    return { epoch: '2', revocations: [], nextPageToken: '', total: '0' }
  }

  async clearFailure() {
    return { lineageIndex: 9n }
  }

  countDenial(uid: number) {
    this.denials.set(uid, (this.denials.get(uid) ?? 0) + 1)
  }
}
