import * as v from 'valibot'
import { sha256Hex } from '../../encoding/digest.ts'
import { canonicalJsonBytes, type JsonValue, parseJson } from '../../encoding/json.ts'
import { checkEnforced } from './enforced.ts'
import { ReferenceValuesError } from './error.ts'
import { type ImaList, imaFileDigest, imaListSchema, imaPath, readImaList } from './ima-list.ts'
import { type PcrRule, pcrRule } from './pcr-rule.ts'
import {
  bootFiles,
  bootImages,
  commandLines,
  firmware,
  otherEvents,
  quirks,
  secureBoot,
  ukis,
} from './statements.ts'

/** DSSE payload type of signed reference values. */
export const REFERENCE_VALUES_TYPE = 'application/vnd.writ.reference-values.v2+json'

/** Most bytes of a payload: a host with 100,000 measured files has about 15 MB. */
export const MAX_REFERENCE_BYTES = 32 << 20
/** Most bytes of the envelope around it: base64 and a few signatures. */
export const MAX_REFERENCE_ENVELOPE_BYTES = Math.ceil(MAX_REFERENCE_BYTES / 3) * 4 + (16 << 10)

/** Most components; the daemon has a handful. */
export const MAX_COMPONENTS = 64

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
  version: v.literal(2),
  /** For people: which hosts these values are for. */
  name: v.pipe(v.string(), v.minLength(1), v.maxLength(200)),
  /** Goes up with each change: values of a lower revision of the same name are not taken after these. */
  revision: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  created: v.pipe(v.string(), v.isoTimestamp()),
  /** TPM firmware, as 16 hexadecimal digits. A limiting field is mandatory, and `any` is spelled out. */
  firmwareVersions: v.union([
    v.literal('any'),
    v.pipe(v.array(v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/))), v.minLength(1), v.maxLength(64)),
  ]),
  firmware,
  secureBoot,
  bootImages,
  commandLines,
  bootFiles,
  ukis,
  /** What else may be measured where a PCR is judged by statements. */
  events: otherEvents,
  quirks,
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
  /** As it is written, but for what IMA may have measured. */
  readonly document: Omit<ReferenceDocument, 'ima'>
  readonly pcrs: ReadonlyMap<number, PcrRule>
  /** By path; empty for `any`. */
  readonly components: ReadonlyMap<string, Component>
  readonly ima: ImaList
}

/** Reference values with all that is written in them. */
export interface WrittenReferenceValues extends ReferenceValues {
  readonly document: ReferenceDocument
}

function malformed(what: string, at?: string, cause?: unknown): ReferenceValuesError {
  return new ReferenceValuesError('REFERENCE_MALFORMED', `reference values: ${what}`, { at, cause })
}

/**
 * Parses the payload of a signed reference values file. The signature is the caller's to check, over these same bytes.
 *
 * @throws ReferenceValuesError `REFERENCE_MALFORMED`
 */
export function parseReferenceValues(payload: Uint8Array): WrittenReferenceValues {
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
  return valuesOf(parsed.output, sha256Hex(payload))
}

function valuesOf(document: ReferenceDocument, digest: string): WrittenReferenceValues {
  const pcrs = unique(document.pcrs, rule => [rule.pcr, rule], 'pcrs')
  const ima = readImaList(document.ima, (what, at) => {
    throw malformed(what, at)
  })
  const components = readComponents(document, pcrs)
  const unenforced = checkEnforced(document, pcr => pcrs.get(pcr)?.rule)
  if (unenforced !== null) throw malformed(`${unenforced.field}: ${unenforced.why}`, unenforced.field)
  return {
    digest,
    document,
    pcrs,
    components,
    ima,
  }
}

/**
 * The same for whoever keeps them: without the text of the list of files, which is almost all of it. Every other string is copied, because a part of the
 * payload's text would keep all of it.
 */
export function withoutFileList({ digest, document, ima }: WrittenReferenceValues): ReferenceValues {
  const { files: _, ...others } = document.ima
  const kept = valuesOf(structuredClone({ ...document, ima: { ...others, files: [] } }), digest)
  return { ...kept, ima: { ...kept.ima, files: ima.files } }
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

/** The payload bytes to sign: canonical JSON. @throws ReferenceValuesError when the document is not one, or is `REFERENCE_TOO_LARGE` */
export function encodeReferenceValues(document: ReferenceDocument): Buffer {
  const payload = canonicalJsonBytes(document)
  if (payload.length > MAX_REFERENCE_BYTES) throw referenceTooLarge(document.ima.files.length, payload.length)
  parseReferenceValues(payload)
  return payload
}

/** What a file takes of a payload beside its path, at least: `{"digests":["sha256:…"],"path":"…"},`. */
const FILE_BYTES = 34 + 64

/**
 * Whether values that list these paths can have the size that values may have, said before the files are hashed.
 *
 * @throws ReferenceValuesError `REFERENCE_TOO_LARGE`
 */
export function checkListedPaths(paths: readonly string[]): void {
  const bytes = paths.reduce((sum, path) => sum + FILE_BYTES + Buffer.byteLength(path), 0)
  if (bytes > MAX_REFERENCE_BYTES) throw referenceTooLarge(paths.length, bytes)
}

function referenceTooLarge(files: number, bytes: number): ReferenceValuesError {
  const what = `${files} files make ${bytes} bytes of reference values, at most ${MAX_REFERENCE_BYTES} are taken`
  return new ReferenceValuesError('REFERENCE_TOO_LARGE', what, { at: 'ima.files' })
}
