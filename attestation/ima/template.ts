/** How a field is written: as a digest of some form, a string with its zero byte, raw bytes, or a number of the host's byte order. */
export type FieldKind = 'digest' | 'digest-ng' | 'digest-ngv2' | 'string' | 'bytes' | 'u32' | 'u16'

/** Every field that a template can have (security/integrity/ima/ima_template.c, supported_fields). */
const FIELDS = {
  d: 'digest',
  n: 'string',
  'd-ng': 'digest-ng',
  'd-ngv2': 'digest-ngv2',
  'n-ng': 'string',
  sig: 'bytes',
  buf: 'bytes',
  'd-modsig': 'digest-ng',
  modsig: 'bytes',
  evmsig: 'bytes',
  iuid: 'u32',
  igid: 'u32',
  imode: 'u16',
  xattrnames: 'string',
  xattrlengths: 'bytes',
  xattrvalues: 'bytes',
} as const satisfies Readonly<Record<string, FieldKind>>
export type FieldName = keyof typeof FIELDS

/** How a field is written. */
export function fieldKind(name: FieldName): FieldKind {
  return FIELDS[name]
}

/** The templates that have a name (ima_template.c, builtin_templates; Documentation/security/IMA-templates.rst). */
const BUILTIN = {
  ima: 'd|n',
  'ima-ng': 'd-ng|n-ng',
  'ima-ngv2': 'd-ngv2|n-ng',
  'ima-sig': 'd-ng|n-ng|sig',
  'ima-sigv2': 'd-ngv2|n-ng|sig',
  'ima-buf': 'd-ng|n-ng|buf',
  'ima-modsig': 'd-ng|n-ng|sig|d-modsig|modsig',
  'evm-sig': 'd-ng|n-ng|evmsig|xattrnames|xattrlengths|xattrvalues|iuid|igid|imode',
} as const satisfies Readonly<Record<string, string>>

/** IMA_TEMPLATE_NUM_FIELDS_MAX (ima.h). */
const MAX_FIELDS = 15
/** The template that has a layout and a hash of its own. */
export const LEGACY_TEMPLATE = 'ima'

const known = new Map<string, readonly FieldName[]>(
  Object.entries(BUILTIN).map(([name, format]) => [name, format.split('|') as FieldName[]]),
)

/**
 * Whether digest and path are the first two fields, and the only ones of their kind, as in every template that has a name. The template's name is bound by
 * nothing: where the digest or the path might stand anywhere, a host could have what the owner of a file chose (its signature, the values of its
 * attributes) read as the digest or the path.
 */
export function namesFileFirst(name: string): boolean {
  const known = filesFirst.get(name)
  if (known !== undefined) return known
  const [digest, path, ...others] = templateFields(name) ?? []
  const isFirst = digest !== undefined && path !== undefined && DIGESTS.has(digest) && PATHS.has(path)
  return isFirst && !others.some(field => DIGESTS.has(field) || PATHS.has(field))
}
const DIGESTS: ReadonlySet<FieldName> = new Set(['d', 'd-ng', 'd-ngv2'])
const PATHS: ReadonlySet<FieldName> = new Set(['n', 'n-ng'])
const filesFirst: ReadonlyMap<string, boolean> = new Map(Object.keys(BUILTIN).map(name => [name, true]))

/**
 * The fields of a template, in their order: of one with a name, or of a format given on the kernel's command line (`ima_template_fmt`), which
 * the log names by the format itself. Null for one that no kernel has.
 *
 * @param name controlled by the host; the template hash does not cover it, only the field lengths bind how the data is read
 */
export function templateFields(name: string): readonly FieldName[] | null {
  const builtin = known.get(name)
  if (builtin !== undefined) return builtin
  const fields = name.split('|', MAX_FIELDS + 1)
  if (fields.length > MAX_FIELDS || !fields.every(field => Object.hasOwn(FIELDS, field))) return null
  return fields as FieldName[]
}
