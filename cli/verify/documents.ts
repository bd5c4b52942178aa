import {
  MAX_REFERENCE_ENVELOPE_BYTES,
  parseReferenceValues,
  REFERENCE_VALUES_TYPE,
  type ReferenceValues,
} from '../../attestation/index.ts'
import {
  openClearance,
  openDocument,
  openHostLabels,
  openPolicyBundle,
  openRevocation,
  openSecretPolicy,
  openTrustRoots,
} from '../../authorization/index.ts'
import type { PublicKey } from '../../signing/key.ts'
import { atEntry, type EventOf, type Holds, type LogEntry, StepFailure } from './steps.ts'

/** Gives a blob of the bundle, checked against its digest. */
export type ReadBlob = (digest: string) => Promise<Buffer>

type DocumentEvent = EventOf<
  | 'trust-roots'
  | 'policy'
  | 'host-labels'
  | 'secret-policy'
  | 'reference-values'
  | 'revocation'
  | 'failure-cleared'
  | 'tail-accepted'
  | 'rollback-accepted'
  | 'epoch-accepted'
  | 'clock-trusted'
>

const KINDS = {
  'trust-roots': 'trust roots',
  policy: 'policy',
  'host-labels': 'host labels',
  'secret-policy': 'secret policy',
  'reference-values': 'reference values',
  revocation: 'revocation',
  'failure-cleared': 'clearance',
  'tail-accepted': 'clearance',
  'rollback-accepted': 'clearance',
  'epoch-accepted': 'clearance',
  'clock-trusted': 'clearance',
} as const

/** What the operator signed and the log says was put in force. */
export class Documents {
  /** Reference values by digest of their payload. */
  readonly referenceValues = new Map<string, ReferenceValues>()
  readonly #operators: readonly PublicKey[]
  readonly #blob: ReadBlob

  constructor(operators: readonly PublicKey[], blob: ReadBlob) {
    this.#operators = operators
    this.#blob = blob
  }

  /** Every document is signed by the operator and is the one that its entry names. */
  async check(entries: readonly LogEntry[]): Promise<Holds> {
    const counts = new Map<string, number>()
    for (const { index, event } of entries) {
      if (!(event.type in KINDS) || (event.type === 'clock-trusted' && event.by !== 'operator')) continue
      const document = event as DocumentEvent
      await atEntry(index, () => this.#open(document))
      const kind = KINDS[document.type]
      counts.set(kind, (counts.get(kind) ?? 0) + 1)
    }
    for (const kind of ['trust roots', 'policy', 'reference values']) {
      if (!counts.has(kind)) throw new StepFailure(`the log never puts any ${kind} in force`)
    }
    return { detail: [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ') }
  }

  async #open(event: DocumentEvent): Promise<void> {
    if (event.blob === null) throw new StepFailure('a clearance that is not there')
    const envelope = await this.#blob(event.blob)
    const digest = this.#read(event, envelope)
    if (digest !== event.digest) {
      throw new StepFailure(
        `the ${KINDS[event.type]} in the evidence is ${digest}, the entry names ${event.digest}`,
      )
    }
  }

  #read(event: DocumentEvent, envelope: Buffer): string {
    const operators = this.#operators
    switch (event.type) {
      case 'trust-roots':
        return openTrustRoots(envelope, operators).digest
      case 'policy':
        return openPolicyBundle(envelope, operators).digest
      case 'host-labels':
        return openHostLabels(envelope, operators).digest
      case 'secret-policy':
        return openSecretPolicy(envelope, operators).digest
      case 'revocation':
        return openRevocation(envelope, operators).digest
      case 'reference-values': {
        const { payload, digest } = openDocument(
          envelope,
          REFERENCE_VALUES_TYPE,
          operators,
          MAX_REFERENCE_ENVELOPE_BYTES,
        )
        this.referenceValues.set(digest, parseReferenceValues(payload))
        return digest
      }
      case 'failure-cleared':
      case 'tail-accepted':
      case 'rollback-accepted':
      case 'epoch-accepted':
      case 'clock-trusted':
        return openClearance(envelope, operators).digest
    }
  }
}
