import * as v from 'valibot'
import { canonicalJsonBytes } from '../encoding/json.ts'
import type { PublicKey, Signer } from '../signing/key.ts'
import { openDocument, readDocument, signDocument } from './document.ts'
import { AuthorizationError } from './error.ts'
import { checkShape, hostId, hostLabel, integer, list, orAny, parseDocument, time } from './schema.ts'

export const HOST_LABELS_PAYLOAD_TYPE = 'application/vnd.writ.host-labels.v1+json'

export const labelsSchema = v.strictObject({
  /** Never goes back on one host. */
  version: integer(1, Number.MAX_SAFE_INTEGER),
  /** The one host that it is for: labels are not handed on. */
  host: hostId,
  labels: list(hostLabel, 64),
  /** From then on the host has no labels. */
  notAfter: orAny(time),
})
export type HostLabelsFields = v.InferOutput<typeof labelsSchema>

/** What the operator calls a host: artifacts may be for hosts with a label, and policies look at them. */
export interface HostLabels extends HostLabelsFields {
  readonly digest: string
  readonly envelope: Buffer
  readonly envelopeDigest: string
}

/** Parses the payload of a host's labels. @throws AuthorizationError `LABELS_MALFORMED` */
export function parseHostLabels(payload: Uint8Array): HostLabelsFields {
  return parseDocument(labelsSchema, payload, 'LABELS_MALFORMED', { maxBytes: 32 * 1024, maxDepth: 3 })
}

/** Verifies and reads a host's labels: envelope → governance signature → schema. @throws AuthorizationError */
export function openHostLabels(bytes: Uint8Array, governance: readonly PublicKey[]): HostLabels {
  const { payload, signer: _, ...names } = openDocument(bytes, HOST_LABELS_PAYLOAD_TYPE, governance)
  return { ...parseHostLabels(payload), ...names }
}

/** Reads labels without their signature: to show what a decision rested on. @throws AuthorizationError */
export function readHostLabels(bytes: Uint8Array): HostLabels {
  const { payload, ...names } = readDocument(bytes, HOST_LABELS_PAYLOAD_TYPE)
  return { ...parseHostLabels(payload), ...names }
}

/**
 * Whether `next` may follow `current` on a host: it is for this host, the version only goes up, and one version has one content.
 *
 * @throws AuthorizationError `WRONG_HOST`, `ROLLED_BACK`
 */
export function checkLabelsSuccessor(
  current: Pick<HostLabels, 'version' | 'digest'> | null,
  next: HostLabels,
  host: string,
): void {
  if (next.host !== host)
    throw new AuthorizationError('WRONG_HOST', `the labels are for host ${next.host}`, { at: 'host' })
  if (current === null || next.digest === current.digest || next.version > current.version) return
  throw new AuthorizationError(
    'ROLLED_BACK',
    `labels of version ${next.version} cannot follow version ${current.version}`,
    { at: 'version' },
  )
}

/** The labels that a host has at an instant (RFC 3339 in the one form that sorts as time does). */
export function labelsInForce(labels: HostLabels | null, now: string): readonly string[] {
  if (labels === null || (labels.notAfter !== 'any' && now >= labels.notAfter)) return []
  return labels.labels
}

/** Signs a host's labels with a governance key. @throws AuthorizationError `LABELS_MALFORMED` */
export function signHostLabels(fields: HostLabelsFields, key: Signer): Buffer {
  const payload = canonicalJsonBytes(checkShape(labelsSchema, fields, 'LABELS_MALFORMED'))
  return signDocument(HOST_LABELS_PAYLOAD_TYPE, payload, key)
}
