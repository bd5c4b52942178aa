import * as v from 'valibot'
import { sha256Hex } from '../../encoding/digest.ts'
import { canonicalJsonBytes, type JsonValue, parseJson } from '../../encoding/json.ts'
import { ReferenceValuesError } from './error.ts'
import { type ImaList, imaFileDigest, imaListSchema, imaPath, readImaList } from './ima-list.ts'

/** DSSE payload type of signed reference values. */
export const REFERENCE_VALUES_TYPE = 'application/vnd.writ.reference-values.v1+json'

/** Most bytes of a payload: a host with 100,000 measured files has about 15 MB. */
export const MAX_REFERENCE_BYTES = 32 << 20
/** Most bytes of the envelope around it: base64 and a few signatures. */
export const MAX_REFERENCE_ENVELOPE_BYTES = Math.ceil(MAX_REFERENCE_BYTES / 3) * 4 + (16 << 10)

const sha256Digest = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{64}$/, 'not a SHA-256 digest in lower-case hexadecimal'),
)
const digestList = v.pipe(v.array(sha256Digest), v.maxLength(4096))
const pcr = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(15))

/** Most components; the daemon has a handful. */
export const MAX_COMPONENTS = 64

/** How one PCR is judged. Its value is explained by the logs in each case; what the logs may say differs. */
const pcrRule = v.variant('rule', [
  /** It has one of these values. */
  v.strictObject({ pcr, rule: v.literal('value'), values: v.pipe(digestList, v.minLength(1)) }),
  /** Each event that extended it has one of these digests: for a PCR that goes on in phases. */
  v.strictObject({ pcr, rule: v.literal('events'), digests: digestList }),
  /** It is IMA's, and each entry is judged by `ima`. */
  v.strictObject({ pcr: v.literal(10), rule: v.literal('ima') }),
  /** Whatever the logs say. */
  v.strictObject({ pcr, rule: v.literal('any') }),
])
export type PcrRule = v.InferOutput<typeof pcrRule>

/** A part of the daemon, or whatever else has to be measured for the host to be what it says. */
const component = v.strictObject({
  /** For people: `writd`, `addon`, `ima-policy`. */
  name: v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'not a name of a component')),
  /** Under which IMA has to have measured it. */
  path: imaPath,
  digests: v.pipe(v.array(imaFileDigest), v.minLength(1), v.maxLength(64)),
})
export type Component = v.InferOutput<typeof component>

const documentSchema = v.strictObject({
  version: v.literal(1),
  /** For people: which hosts these values are for. */
  name: v.pipe(v.string(), v.minLength(1), v.maxLength(200)),
  created: v.pipe(v.string(), v.isoTimestamp()),
  /** TPM firmware, as 16 hexadecimal digits. A limiting field is mandatory, and `any` is spelled out. */
  firmwareVersions: v.union([
    v.literal('any'),
    v.pipe(v.array(v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/))), v.minLength(1), v.maxLength(64)),
  ]),
  secureBoot: v.union([v.literal('any'), v.boolean()]),
  pcrs: v.pipe(v.array(pcrRule), v.minLength(1), v.maxLength(16)),
  /**
   * What IMA must have measured in this boot, at its path and with a listed digest and no other: the daemon's own parts. `any`
   * says that whatever code appraises this host may be running.
   */
  components: v.union([
    v.literal('any'),
    v.pipe(v.array(component), v.minLength(1), v.maxLength(MAX_COMPONENTS)),
  ]),
  ima: imaListSchema,
})

/** Reference values as they are written and signed. */
export type ReferenceDocument = v.InferOutput<typeof documentSchema>

/** Reference values as the appraisal uses them. */
export interface ReferenceValues {
  /** SHA-256 of the payload, lower-case hexadecimal: what names these values everywhere. */
  readonly digest: string
  readonly document: ReferenceDocument
  readonly pcrs: ReadonlyMap<number, PcrRule>
  /** By path; empty for `any`. */
  readonly components: ReadonlyMap<string, Component>
  readonly ima: ImaList
}

function malformed(what: string, at?: string, cause?: unknown): ReferenceValuesError {
  return new ReferenceValuesError('REFERENCE_MALFORMED', `reference values: ${what}`, { at, cause })
}

/**
 * Parses the payload of a signed reference values file. The signature is the caller's to check, over these same bytes.
 *
 * @throws ReferenceValuesError `REFERENCE_MALFORMED`
 */
export function parseReferenceValues(payload: Uint8Array): ReferenceValues {
  let json: JsonValue
  try {
    json = parseJson(payload, { maxBytes: MAX_REFERENCE_BYTES, maxDepth: 8 })
  } catch (cause) {
    throw malformed(cause instanceof Error ? cause.message : 'not JSON', undefined, cause)
  }
  const parsed = v.safeParse(documentSchema, json)
  if (!parsed.success) {
    const [issue] = parsed.issues
    const at = v.getDotPath(issue) ?? undefined
    throw malformed(`${at ?? 'document'}: ${issue.message}`, at)
  }
  const document = parsed.output
  const pcrs = unique(document.pcrs, rule => [rule.pcr, rule], 'pcrs')
  const ima = readImaList(document.ima, (what, at) => {
    throw malformed(what, at)
  })
  const components = readComponents(document, pcrs)
  return {
    digest: sha256Hex(payload),
    document,
    pcrs,
    components,
    ima,
  }
}

/** A component is judged by its own digests alone, so nothing else in the document may speak of its path. */
function readComponents(
  { components, ima }: ReferenceDocument,
  pcrs: ReadonlyMap<number, PcrRule>,
): ReadonlyMap<string, Component> {
  if (components === 'any') return new Map()
  // Without an appraised IMA log nobody would look whether they were measured.
  if (pcrs.get(10)?.rule !== 'ima') {
    throw malformed('components: IMA measures them, so the rule of PCR 10 has to be "ima"', 'components')
  }
  const byPath = unique(components, part => [part.path, part], 'components')
  unique(components, part => [part.name, part], 'components')
  const twice = [...ima.files.map(file => file.path), ...ima.violations].find(path => byPath.has(path))
  if (twice !== undefined) {
    throw malformed(`components: ${twice} is judged by "ima" as well`, 'components')
  }
  return byPath
}

function unique<T, K, V>(list: readonly T[], entry: (item: T) => [K, V], at: string): Map<K, V> {
  const map = new Map(list.map(entry))
  if (map.size !== list.length) throw malformed(`${at}: something is listed twice`, at)
  return map
}

/** The payload bytes to sign: canonical JSON. @throws ReferenceValuesError when the document is not one */
export function encodeReferenceValues(document: ReferenceDocument): Buffer {
  const payload = canonicalJsonBytes(document)
  parseReferenceValues(payload)
  return payload
}
