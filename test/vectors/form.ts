import type {
  Caller,
  DecisionInput,
  ExecutionRequest,
  HostLabelsFields,
  LaunchTerms,
  ObservedSubject,
  ParentState,
  PolicyAnswer,
  ReasonCode,
  RevocationFields,
  Stage,
  TrustRootsFields,
  UseView,
} from '../../authorization/index.ts'

/** The forms of the files of vectors; README.md says what they mean. */

/** Text; or bytes that are no text; or a text that spaces are to follow until it has so many bytes. */
export type Bytes =
  | string
  | { readonly base64: string }
  | { readonly text: string; readonly paddedTo: number }

/** All that a decision depends on, as JSON. */
export interface Given {
  /** The envelope as it is sent. */
  readonly artifact: Bytes | null
  readonly trustRoots: TrustRootsFields | null
  readonly hostLabels: HostLabelsFields | null
  readonly request: ExecutionRequest
  readonly caller: Caller | null
  readonly host: DecisionInput['host']
  readonly gate: DecisionInput['gate']
  readonly lineage: DecisionInput['lineage']
  readonly fault: DecisionInput['fault']
  readonly clock: DecisionInput['clock']
  readonly minting: DecisionInput['minting']
  readonly parent: (Omit<ParentState, 'terms' | 'decisionRecord'> & { readonly terms: LaunchTerms }) | null
  readonly observed: readonly ObservedSubject[]
  /** The bundle that is in force, and what it says to this request: nobody needs Cedar for a vector. */
  readonly policy: {
    readonly digest: string
    readonly notBefore: string
    readonly notAfter: string
    readonly answer: PolicyAnswer
  } | null
  readonly revoked: RevocationFields['revoke']
  readonly uses: UseView
}

/** A reason as a vector expects it: the code counts; the place is where this implementation says it is. */
export interface ExpectedReason {
  readonly code: ReasonCode
  readonly at?: string
}

export interface Expected {
  readonly outcome: 'permit' | 'deny'
  /** The stage that denies. */
  readonly stage: Stage | null
  readonly reasons: readonly ExpectedReason[]
}

/** One decision. What `given` leaves out is as `defaults.json` has it. */
export interface DecisionVector {
  readonly name: string
  readonly about: string
  readonly given: Partial<Given>
  readonly expect: Expected
}

/** One payload: whether it is a document of its kind. */
export interface DocumentVector {
  readonly name: string
  readonly about: string
  readonly payload: Bytes
  readonly expect: 'accepted' | 'refused'
  /** Whether the published JSON Schema says the same of it. It cannot say all that the specification does. */
  readonly schema: 'same' | 'cannot say'
  /** Where this implementation says that it is wrong. */
  readonly at?: string
}

export interface VectorFile<T> {
  readonly description: string
  readonly vectors: readonly T[]
}

/** The bytes that a vector means. */
export function bytesOf(bytes: Bytes): Buffer {
  if (typeof bytes === 'string') return Buffer.from(bytes, 'utf8')
  if ('base64' in bytes) return Buffer.from(bytes.base64, 'base64')
  const text = Buffer.from(bytes.text, 'utf8')
  return Buffer.concat([text, Buffer.alloc(bytes.paddedTo - text.length, ' ')])
}

/** As text where they are text. */
export function asBytes(bytes: Buffer): Bytes {
  const text = bytes.toString('utf8')
  return Buffer.from(text, 'utf8').equals(bytes) ? text : { base64: bytes.toString('base64') }
}
