import * as v from 'valibot'
import { gateSchema } from './gate-snapshot.ts'
import type { HostLabels } from './host-labels.ts'
import type { PolicyBundle } from './policy/compiled.ts'
import { type Caller, callerSchema, type ExecutionRequest, requestSchema } from './request.ts'
import type { RevocationSet } from './revocation-set.ts'
import { deviceName, digest, executionId, hostId, integer, list, time } from './schema.ts'
import type { LaunchTerms } from './terms.ts'
import type { TrustRoots } from './trust.ts'
import type { UseLedger } from './uses.ts'

const shortText = v.pipe(v.string(), v.maxLength(300))
const count = integer(0, Number.MAX_SAFE_INTEGER)

/** The inputs that a record holds as they are; all others it holds by digest. */
export const plainInputSchema = v.strictObject({
  request: requestSchema,
  /** Null: the kernel did not say who is connected. */
  caller: v.nullable(callerSchema),
  host: v.strictObject({
    id: hostId,
    /** What its launcher said that it can hold an execution to. */
    enforces: v.strictObject({
      /** cgroup v2 controllers. */
      controllers: list(v.picklist(['memory', 'pids', 'cpu']), 3),
      /** Classes of devices by name. */
      devices: list(deviceName, 16),
    }),
  }),
  gate: gateSchema,
  lineage: v.picklist(['ok', 'broken', 'unavailable']),
  /** What went wrong on the way, outside of the decision: no room, no launcher, a TPM that does not unseal, a time limit, something thrown. */
  fault: v.nullable(
    v.strictObject({
      code: v.picklist(['CAPACITY', 'ENVIRONMENT_MISMATCH', 'LINEAGE_UNAVAILABLE', 'INTERNAL']),
      message: shortText,
    }),
  ),
  clock: v.strictObject({
    /** Wall clock at the decision. */
    now: time,
    /** Whether it agrees with the TPM's clock and with the lineage. */
    trusted: v.boolean(),
  }),
  minting: v.strictObject({
    enabled: v.boolean(),
    /** Base64 DER SubjectPublicKeyInfo of the session key that quotes certify. */
    sessionKeySpki: v.pipe(v.string(), v.maxLength(1024)),
  }),
})
export type PlainInput = v.InferOutput<typeof plainInputSchema>

/** The parent of a request that came through an execution's own socket. */
export interface ParentState {
  readonly executionId: string
  /** Whether it is running, and not about to end. */
  readonly live: boolean
  readonly childrenStarted: number
  /** Of them, those that have not ended. */
  readonly childrenRunning: number
  /** Of them, those that were started in the last sixty seconds, by the boot clock. */
  readonly childrenLastMinute: number
  /** Its own parent, that one's, and so on. */
  readonly ancestors: readonly string[]
  /** SHA-256 of the programs of those, in their order, as the records of their decisions have them. */
  readonly ancestorPrograms?: readonly string[]
  /** Digest of the record of the decision that permitted it. */
  readonly decisionRecord: string
  /** The terms of that decision. */
  readonly terms: LaunchTerms
}

export const parentSchema = v.strictObject({
  executionId,
  live: v.boolean(),
  childrenStarted: count,
  childrenRunning: count,
  childrenLastMinute: count,
  ancestors: list(executionId, 16),
  decisionRecord: digest,
})

/** All that a decision depends on. Two equal inputs lead to equal decisions, byte by byte. No part is changed once it was handed over. */
export interface DecisionInput extends PlainInput {
  readonly request: ExecutionRequest
  readonly caller: Caller | null
  /** The DSSE envelope as it was sent; null if none was. */
  readonly artifact: Uint8Array | null
  readonly trustRoots: TrustRoots | null
  /** What the operator calls this host; null if nothing was said. */
  readonly hostLabels: HostLabels | null
  readonly policy: PolicyBundle | null
  readonly revocations: RevocationSet
  readonly uses: UseLedger
  readonly parent: ParentState | null
}
