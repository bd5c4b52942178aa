import {
  AuthorizationError,
  parseClearance,
  parseHostLabels,
  parsePolicyBundle,
  parseRevocation,
  parseStatement,
  parseTrustRoots,
} from '../../../../authorization/index.ts'
import { parseJson } from '../../../../encoding/json.ts'

/** Kinds of payloads: the folder and file of their vectors, their published schema, their parser. */
export const KINDS = {
  statement: { path: 'statement', schema: 'authorization-v1.schema.json', parse: parseStatement },
  'trust-roots': { path: 'document', schema: 'trust-v1.schema.json', parse: parseTrustRoots },
  'policy-bundle': { path: 'document', schema: 'policy-bundle-v1.schema.json', parse: parsePolicyBundle },
  revocation: { path: 'document', schema: 'revocation-v1.schema.json', parse: parseRevocation },
  'host-labels': { path: 'document', schema: 'host-labels-v1.schema.json', parse: parseHostLabels },
  clearance: { path: 'document', schema: 'failure-clearance-v1.schema.json', parse: parseClearance },
} as const
export type Kind = keyof typeof KINDS

/** Where a payload is refused, or null when it is accepted. */
export function refusedAt(kind: Kind, payload: Buffer): { readonly at?: string } | null {
  try {
    KINDS[kind].parse(payload)
    return null
  } catch (error) {
    if (!(error instanceof AuthorizationError)) throw error
    return error.at === undefined ? {} : { at: error.at }
  }
}

/** The value of a payload as any reader of JSON has it; undefined when it is no JSON, or has a key twice. */
export function jsonValueOf(payload: Buffer): unknown {
  try {
    return parseJson(payload, { maxBytes: 1 << 24, maxDepth: 512, largeIntegers: true })
  } catch {
    return undefined
  }
}
