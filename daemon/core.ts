import { WritError } from '../encoding/error.ts'
import type { DenialReason } from '../proto/error-details.ts'
import type { AttachedInput } from '../proto/generated/writ/v1/Attached.ts'
import type { AttestationStatusInput } from '../proto/generated/writ/v1/AttestationStatus.ts'
import type { ExecuteStartedInput } from '../proto/generated/writ/v1/ExecuteStarted.ts'
import type { ExecutionInput } from '../proto/generated/writ/v1/Execution.ts'
import type { ExecutionEndInput } from '../proto/generated/writ/v1/ExecutionEnd.ts'
import type { ListRevocationsResponseInput } from '../proto/generated/writ/v1/ListRevocationsResponse.ts'
import type { PassedSignal, TerminalSize } from './launcher/types.ts'
import type { OutputPiece } from './output-tail.ts'
import type { SharedDescriptor } from './shared-descriptor.ts'

export type { PassedSignal, TerminalSize } from './launcher/types.ts'

/**
 * Who asks, as the kernel said when the connection was made. Nothing in it comes from a message. Authorise on `uid` and
 * `cgroup`; `pid` is a hint.
 */
export interface Caller {
  /** Names the connection within this process of the daemon; for the log. */
  readonly connection: string
  readonly uid: number
  readonly gid: number
  readonly pid: number
  /** The kernel's own record of the process that connected; null on a kernel that has none, or if the process had ended. */
  readonly pidfd: SharedDescriptor | null
  /** Path below the cgroup mount; null if the process had ended. */
  readonly cgroup: string | null
  /** The execution whose own socket this is; null on the main socket. */
  readonly parentExecution: string | null
  /** Configured now to bring signed changes of policy, reference values and revocations; only on the main socket. */
  readonly governor: boolean
  /** Configured now to see and end everybody's executions; only on the main socket. */
  readonly auditor: boolean
}

/**
 * What a caller wants to run, as it was sent: it has the fields of an authorization request (all but `executionId` and
 * `operation`), whose rules are applied to it by `parseRequest`. Null means "as the artifact's scope has it".
 */
export interface WorkloadRequest {
  readonly program: string
  readonly argv: readonly string[] | null
  /** Sorted by name. */
  readonly env: readonly { readonly name: string; readonly value: string }[] | null
  readonly cwd: string | null
  readonly user: { readonly uid: number; readonly gid: number; readonly groups: readonly number[] } | null
  readonly stdio: { readonly stdin: StdioMode; readonly stdout: StdioMode; readonly stderr: StdioMode } | null
  readonly sandbox: {
    readonly network: 'none' | 'loopback' | 'host' | null
    readonly seccomp: 'default' | 'strict' | null
    readonly writable: readonly string[] | null
  }
  readonly limits: {
    readonly runTimeMs: number | null
    readonly memoryBytes: number | null
    readonly pids: number | null
    readonly cpuSeconds: number | null
    readonly openFiles: number | null
    readonly outputBytes: number | null
    readonly cpuPercent: number | null
    readonly fileBytes: number | null
  }
  readonly devices: readonly string[] | null
  readonly children: boolean
  readonly detach: boolean
  readonly files: readonly string[]
}

export type StdioMode = 'pipe' | 'null' | 'terminal'

/** Input and output of one Execute. */
export interface ExecuteStreams {
  /** Pieces of standard input; ends at the caller's half-close. Not read from means that the caller is held back. */
  readonly stdin: AsyncIterable<Buffer>
  /** The size of its terminal when it starts; null: the usual one. */
  readonly terminalSize: TerminalSize | null
  /** Whether the entry of the end is to have the digests of what went through. */
  readonly digest: boolean
  /** Told of input that went into the workload's pipe, at the workload's pace. What is dropped because nobody reads is not told of. */
  stdinTaken(bytes: number): void
  /** Tells the caller that nobody reads its input any longer. At most once. */
  stdinClosed(): void
  /** Tells the caller that it runs. Once, before any output. */
  started(message: ExecuteStartedInput): Promise<void>
  /**
   * Sends output. Resolves when more may be written: do not read the workload's pipe before. Never rejects; once the call is
   * over it drops what it is given.
   */
  output(stream: 'stdout' | 'stderr', bytes: Buffer): Promise<void>
  /**
   * Tells the caller that the workload goes on without this daemon, after all its output; nothing comes after it. Resolves once it is on its way.
   *
   * @param stdinBytes of standard input that are in the workload's pipe, since it started
   */
  handedOver(stdinBytes: number): Promise<void>
}

/** Input and output of one Attach: as those of the Execute that it goes on with, but for how it begins. */
export interface AttachStreams extends Omit<ExecuteStreams, 'started' | 'digest'> {
  /** The size of its terminal now; null: as it was. */
  readonly terminalSize: TerminalSize | null
  /** Tells the caller that it is attached. Once, before any output. */
  attached(message: AttachedInput): Promise<void>
}

/** What a caller says that wants to attach. */
export interface AttachClaim {
  readonly executionId: string
  /** As the caller sent it: of any length. */
  readonly token: Buffer
}

/** A permit that starts nothing. */
export interface Authorized {
  /** DSSE envelope of the artifact that was made; null if the request brought one. */
  readonly artifact: Buffer | null
  readonly artifactDigest: string
  readonly notAfter: string
  readonly decisionIndex: bigint
}

/** Whose a thing is, for deciding who may see it. */
export interface Ownership {
  /** Who asked for it; of what an execution asked for, who asked on the main socket for the outermost above it. */
  readonly callerUid: number
  /** The execution through whose socket it was asked for, the one through whose socket that was, and so on. */
  readonly ancestors: readonly string[]
}

/** An entry of the lineage. */
export interface OwnedEntry {
  readonly index: bigint
  readonly bytes: Buffer
  /** Null: nobody's in particular (an appraisal, a transition), for auditors only. */
  readonly owner: Ownership | null
}

/** Which receipt is asked for. */
export interface ReceiptRequest {
  readonly executionId: string
  /** Where the caller says that its permit is in the log; looked at only where the daemon does not know. */
  readonly decision: bigint | null
  /** Whether it may see what the decision rested on. */
  readonly auditor: boolean
}

/** What a caller asks a report for. */
export interface ReportRequest {
  /** 32 bytes. */
  readonly nonce: Buffer
  /**
   * What the caller has already: so many entries of the IMA log, of a boot in which the TPM had this reset count; so many of the lineage.
   */
  readonly known: {
    readonly imaEntries: number
    readonly resetCount: number
    readonly treeSize: bigint
  }
  /** Whose executions it may see. */
  readonly visible: (owner: Ownership) => boolean
}

/**
 * The daemon behind the API. The services check form, roles, visibility and quotas before they call it, and turn what it throws
 * into statuses: {@link DeniedError} for a decision, {@link WritError} for what is wrong with an input, {@link NotFoundError}
 * for what is not there; anything else is INTERNAL and its text stays in the log. `signal` is aborted when the call is over
 * (cancelled, disconnected, deadline, shutdown); what was asked for then has to stop.
 */
export interface DaemonCore {
  /**
   * Decides without starting anything, and consumes nothing. `artifact` null: makes one, if the configuration allows it.
   *
   * @throws DeniedError
   */
  authorize(
    caller: Caller,
    artifact: Buffer | null,
    workload: WorkloadRequest,
    signal: AbortSignal,
  ): Promise<Authorized>

  /**
   * Decides, runs, and resolves when every process is dead. `artifact` is null if none came. If `signal` aborts, the execution
   * is ended first. One that is detached resolves with null when it has started, and is not ended by `signal` from then on; one that is handed
   * over resolves with null after `streams.handedOver`.
   *
   * @throws DeniedError before anything ran
   */
  execute(
    caller: Caller,
    artifact: Buffer | null,
    workload: WorkloadRequest,
    streams: ExecuteStreams,
    signal: AbortSignal,
  ): Promise<ExecutionEndInput | null>

  /**
   * Goes on with an execution that an earlier run of the daemon handed over, or whose end it has found: waits until it is adopted, then carries
   * its streams as `execute` does, and resolves as that does. If `signal` aborts after `streams.attached`, the execution is ended. The services
   * have checked that it is the caller's own; the token is checked here, in constant time.
   *
   * @throws AttachError
   */
  attach(
    caller: Caller,
    claim: AttachClaim,
    streams: AttachStreams,
    signal: AbortSignal,
  ): Promise<ExecutionEndInput | null>

  /** Null if there is none with this id. */
  getExecution(executionId: string): ExecutionInput | null
  /** Newest first. `after` is the id of the last one already seen. At most `limit`. */
  listExecutions(options: {
    visible: (execution: ExecutionInput) => boolean
    includeEnded: boolean
    limit: number
    after: string | null
  }): ExecutionInput[]
  /** Resolves when confirmed dead or when `signal` aborts, with the execution as it then is. */
  terminate(caller: Caller, executionId: string, signal: AbortSignal): Promise<ExecutionInput>
  /** Whose an execution is or was; null if none of this id is remembered. */
  executionOwner(executionId: string): Ownership | null
  /**
   * The same, also of one of which nothing but its output and the lineage is left.
   *
   * @param decision entry of its permit, as whoever asks says; null to go by its output
   */
  pastOwner(executionId: string, decision: bigint | null): Promise<Ownership | null>
  /** These act on an execution that runs. @throws ControlError */
  signalExecution(executionId: string, signal: PassedSignal): Promise<void>
  resizeTerminal(executionId: string, size: TerminalSize): void
  closeOutput(executionId: string, stream: 'stdout' | 'stderr'): void
  /** All executions that have not ended, then each after every change; ends with `signal`. Bounded (daemon/changes.ts). */
  watchExecutions(signal: AbortSignal): AsyncIterable<ExecutionInput>

  /**
   * The newest output of an execution, what was forgotten as gaps. Never holds the execution back: who reads slowly misses more. Null if there
   * is no execution of this id.
   *
   * @throws OutputError `OUTPUT_NOT_KEPT`
   */
  readOutput(executionId: string, follow: boolean, signal: AbortSignal): AsyncIterable<OutputPiece> | null

  /** The bytes of a receipt of an execution that has ended. @throws ReceiptError */
  getReceipt(caller: Caller, request: ReceiptRequest, signal: AbortSignal): Promise<Buffer>

  getStatus(): AttestationStatusInput
  /** The status now, then after every change; ends with `signal`. Bounded. */
  watchStatus(signal: AbortSignal): AsyncIterable<AttestationStatusInput>
  /** The bytes of a report file, in pieces. @throws ReportError `REPORT_TOO_LARGE` */
  getReport(caller: Caller, request: ReportRequest): Promise<Iterable<Buffer>>

  /** Null if nothing was ever signed. `fresh`: sign the tree as it is now, if need be. */
  getCheckpoint(fresh: boolean): Promise<{ note: Buffer; size: bigint; root: Buffer } | null>
  lineageSize(): bigint
  /** Entries from `from` up to but not including `to`, which is at most {@link lineageSize}; of these types, unless there are none. Ends with `signal`. */
  readEntries(
    from: bigint,
    to: bigint,
    types?: ReadonlySet<string>,
    signal?: AbortSignal,
  ): AsyncIterable<OwnedEntry>
  /** Resolves when the lineage has more than `size` entries, when it gets none any more, or when `signal` aborts. */
  lineageGrown(size: bigint, signal: AbortSignal): Promise<void>
  /** Positions of a span of time, in milliseconds since the epoch; null: no limit. `to` is not less than `from`. */
  locateEntries(sinceMs: number | null, untilMs: number | null): Promise<{ from: bigint; to: bigint }>
  /** Whose the entry is; null if nobody's. `index` is below {@link lineageSize}. */
  entryOwner(index: bigint): Promise<Ownership | null>
  inclusionProof(index: bigint, treeSize: bigint): Promise<{ leafHash: Buffer; hashes: Buffer[] }>
  consistencyProof(oldSize: bigint, newSize: bigint): Promise<Buffer[]>
  /** Null if there is none with this digest (lower-case hex). */
  getBlob(digest: string): Promise<Buffer | null>

  /** These check signature and content, record the change durably, then put it in force. */
  loadPolicy(caller: Caller, envelope: Buffer): Promise<LoadedDocument>
  loadHostLabels(caller: Caller, envelope: Buffer): Promise<LoadedDocument>
  loadTrustRoots(caller: Caller, envelope: Buffer): Promise<LoadedDocument>
  loadReferenceValues(caller: Caller, envelope: Buffer): Promise<LoadedDocument>
  loadSecretPolicy(caller: Caller, envelope: Buffer): Promise<LoadedDocument>
  revoke(
    caller: Caller,
    envelope: Buffer,
  ): Promise<{ epoch: bigint; lineageIndex: bigint; executionIds: readonly string[] }>
  /** Oldest first: `limit` of them after the first `from`. */
  listRevocations(from: number, limit: number): ListRevocationsResponseInput
  clearFailure(caller: Caller, envelope: Buffer): Promise<{ lineageIndex: bigint }>

  /** A request was turned away for quota before it was read. Must be cheap: a flood becomes one counted entry. */
  countDenial(uid: number, code: 'CAPACITY'): void
}

export interface LoadedDocument {
  /** SHA-256 of the envelope's decoded payload, lower-case hex. */
  readonly digest: string
  readonly lineageIndex: bigint
}

/** The request was decided, and denied. */
export class DeniedError extends WritError<'DENIED'> {
  readonly reasons: readonly DenialReason[]
  readonly decisionIndex: bigint | undefined

  /** @param reasons every reason of the stage that denied, in its order; at least one */
  constructor(reasons: readonly DenialReason[], decisionIndex?: bigint) {
    super('DENIED', reasons.map(r => `${r.code}: ${r.message}`).join('; '))
    this.reasons = reasons
    this.decisionIndex = decisionIndex
  }
}

/** The daemon has not begun its work yet. */
export class StartingError extends WritError<'STARTING'> {}

/** What was asked of an execution cannot be done to it now. */
export class ControlError extends WritError<'NOT_RUNNING' | 'NO_TERMINAL' | 'BUSY'> {}

/** Why a caller cannot attach to an execution that is its own. */
export type AttachErrorCode =
  /** The token is not the one that was given to whoever started it. */
  | 'TOKEN_WRONG'
  /** Somebody is attached to it, its first caller for one. */
  | 'ATTACHED'
  /** It is detached, or asked for what cannot go on over a restart. */
  | 'NOT_ATTACHABLE'

/** An Attach that is refused. The execution is as it was. */
export class AttachError extends WritError<AttachErrorCode> {}

/** The configuration keeps no output. */
export class OutputError extends WritError<'OUTPUT_NOT_KEPT'> {
  constructor() {
    super('OUTPUT_NOT_KEPT', 'the daemon keeps no output (execution.output_tail_bytes)')
  }
}

/** What was asked for is not there, or not the caller's to see: the same answer, so that nobody can probe. */
export class NotFoundError extends WritError<'NOT_FOUND'> {
  constructor(what: string) {
    super('NOT_FOUND', `${what} not found`)
  }
}
