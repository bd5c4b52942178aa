import type { EntityJson } from '@cedar-policy/cedar-wasm/nodejs'
import * as v from 'valibot'
import { canonicalJsonBytes, type JsonValue } from '../../encoding/json.ts'
import type { Signer } from '../../signing/key.ts'
import { signDocument } from '../document.ts'
import { AuthorizationError } from '../error.ts'
import { checkShape, integer, orAny, parseDocument, time } from '../schema.ts'

export const POLICY_PAYLOAD_TYPE = 'application/vnd.writ.policy-bundle.v1+json'
/** Deepest nesting of brackets in a policy or schema. Cedar 4.13 runs out of stack at about 150. */
export const MAX_NESTING = 48
const MAX_POLICIES = 4096
const MAX_ENTITIES = 4096
const POLICY_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

const text = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(256 * 1024),
  v.check(value => value.isWellFormed(), 'not Unicode text'),
  v.check(value => nesting(value) <= MAX_NESTING, `nested more than ${MAX_NESTING} deep`),
)

/**
 * Not `v.record`: that leaves out keys such as `constructor` without a word, and a `forbid` left out is a permit.
 */
const policies = v.pipe(
  v.custom<Record<string, string>>(
    value => value !== null && typeof value === 'object' && !Array.isArray(value),
    'not an object of policies',
  ),
  v.check(value => Object.keys(value).length <= MAX_POLICIES, `more than ${MAX_POLICIES} policies`),
  v.check(value => Object.keys(value).every(id => POLICY_ID.test(id)), 'an id is not one'),
  v.check(value => Object.values(value).every(item => v.is(text, item)), 'a policy is not bounded text'),
)

const uid = v.strictObject({
  type: v.pipe(v.string(), v.regex(/^(?:[A-Za-z_][A-Za-z0-9_]{0,63}::){0,4}[A-Za-z_][A-Za-z0-9_]{0,63}$/)),
  id: v.pipe(v.string(), v.maxLength(256)),
})
const isObject = (value: unknown): boolean =>
  value !== null && typeof value === 'object' && !Array.isArray(value)

const entity = v.strictObject({
  uid,
  /** Cedar reads these itself, against the schema; they only have to be JSON. */
  attrs: v.custom<Record<string, JsonValue>>(isObject, 'not an object'),
  parents: v.pipe(v.array(uid), v.maxLength(256)),
})

export const bundleSchema = v.strictObject({
  /** Never goes back on one host. */
  version: integer(1, Number.MAX_SAFE_INTEGER),
  /** From when until when it may decide; outside of that nothing is permitted. */
  notBefore: orAny(time),
  notAfter: orAny(time),
  /** The version of the Cedar language that the policies are written in. */
  cedarVersion: v.pipe(v.string(), v.regex(/^[0-9]{1,4}\.[0-9]{1,4}$/)),
  policies,
  schema: text,
  entities: v.pipe(v.array(entity), v.maxLength(MAX_ENTITIES)),
})
export type PolicyBundleFields = v.InferOutput<typeof bundleSchema>

/** Deepest nesting of brackets outside strings and comments. */
function nesting(source: string): number {
  let depth = 0
  let deepest = 0
  for (const [token] of source.matchAll(/"(?:[^"\\]|\\.)*"|\/\/[^\n]*|[([{}\])]/gs)) {
    if ('([{'.includes(token)) deepest = Math.max(deepest, ++depth)
    else if (')]}'.includes(token)) depth--
  }
  return deepest
}

function checkValidity({ notBefore, notAfter }: PolicyBundleFields): void {
  // One instant has one spelling, and its text sorts as the instant does.
  if (notBefore === 'any' || notAfter === 'any' || notBefore < notAfter) return
  throw new AuthorizationError('POLICY_MALFORMED', 'notAfter: it ends before it begins', { at: 'notAfter' })
}

function checkEntities({ entities }: PolicyBundleFields): void {
  const seen = new Set<string>()
  entities.forEach(({ uid, attrs }, i) => {
    const at = `entities[${i}]`
    const key = `${uid.type}::${uid.id}`
    const fail = (what: string): never => {
      throw new AuthorizationError('POLICY_MALFORMED', `${at}: ${what}`, { at })
    }
    if (seen.has(key)) fail(`${key} a second time`)
    seen.add(key)
    if (uid.type === 'Writ::Execution' || /(?:^|::)Action$/.test(uid.type)) {
      fail(`${uid.type} is not for a bundle to define`)
    }
    if (uid.type === 'Writ::Program' && Object.hasOwn(attrs, 'path')) {
      fail('the path of a program comes from the request')
    }
  })
}

/**
 * Parses the payload of a policy bundle. The policies themselves are compiled in `policy/compiled.ts`.
 *
 * @param payload controlled by whoever signed the bundle
 * @throws AuthorizationError `POLICY_MALFORMED`
 */
export function parsePolicyBundle(payload: Uint8Array): PolicyBundleFields {
  const limits = { maxBytes: 1 << 20, maxDepth: 24 }
  const bundle = parseDocument(bundleSchema, payload, 'POLICY_MALFORMED', limits)
  checkValidity(bundle)
  checkEntities(bundle)
  return bundle
}

/** The payload of a bundle. @throws AuthorizationError `POLICY_MALFORMED` */
export function policyBundleBytes(fields: PolicyBundleFields): Buffer {
  const bytes = canonicalJsonBytes(checkShape(bundleSchema, fields, 'POLICY_MALFORMED'))
  parsePolicyBundle(bytes)
  return bytes
}

/** Signs a bundle with a governance key. @throws AuthorizationError `POLICY_MALFORMED` */
export function signPolicyBundle(fields: PolicyBundleFields, key: Signer): Buffer {
  return signDocument(POLICY_PAYLOAD_TYPE, policyBundleBytes(fields), key)
}

export type BundleEntity = PolicyBundleFields['entities'][number]

/** An entity of the bundle in the form that Cedar takes. */
export function cedarEntity({ uid, attrs, parents }: BundleEntity): EntityJson {
  return { uid, attrs: attrs as EntityJson['attrs'], parents }
}
