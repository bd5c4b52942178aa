/** What one value is. */
export type Atom =
  | 'text'
  | 'number'
  | 'boolean'
  /** A whole number of up to 64 bits, in decimal digits, as text: many readers of JSON keep 53 bits. */
  | 'decimal'
  /** Bytes in lower-case hexadecimal. */
  | 'hex'
  /** SHA-256 in lower-case hexadecimal, or what is named by one. */
  | 'digest'
  /** RFC 3339 in UTC with milliseconds. */
  | 'time'
  /** Any JSON value. */
  | 'json'

/** A value, and what it says if the name does not tell: `digest` or `digest: of the envelope's payload`. */
export type Leaf = Atom | `${Atom}: ${string}`

/**
 * The form of a JSON value: a leaf; a list, as an array of the one form that its items have; or an object, by its fields. A field
 * `name?` may be missing, `name|null` may be null, and `*` stands for all fields that are not named.
 */
export type Shape = Leaf | readonly [Shape] | Fields
export interface Fields {
  readonly [field: string]: Shape
}

/** One form of a command's result. */
export interface JsonResult {
  /** When it has this form, if a command has several; for example `with --list`. */
  readonly when?: string
  readonly fields: Fields
  /** A value in each line instead of one value; `stderr` where standard output belongs to a program. */
  readonly as?: 'lines' | 'stderr'
}

/** What `--json` prints: the fields of the one result, or all the forms that it can have. */
export type JsonForm = Fields | readonly JsonResult[]

/** All forms of a result, in one spelling. */
export function resultsOf(form: JsonForm): readonly JsonResult[] {
  return Array.isArray(form) ? form : [{ fields: form as Fields }]
}

/** A field's name without its marks, and what the marks say. */
export function readField(field: string): { name: string; optional: boolean; nullable: boolean } {
  const [, name = field, mark] = /^(.*?)(\?|\|null)?$/s.exec(field) ?? []
  return { name, optional: mark === '?', nullable: mark === '|null' }
}

/** What was signed and where it is. */
export const SIGNED_FILE = { file: 'text', digest: "digest: of the document's payload" } as const

/** An event of the lineage. */
export const EVENT = { type: 'text', time: 'time', '*': 'json: by the type' } as const

/** One property of something that was verified. */
export const PROPERTY = {
  property: 'text',
  status: 'text: VERIFIED, NOT CHECKED or FAILED',
  detail: 'text',
  'file?': 'text: the first file that is at fault',
  asked: 'boolean: whether it has to be VERIFIED for the exit status to be 0',
} as const

const NAMED_DIGESTS = { name: 'text', digests: ['digest'], 'optional?': 'boolean' } as const

/** Reference values. */
export const REFERENCE_DOCUMENT = {
  version: 'number',
  name: 'text',
  revision: 'number',
  created: 'time',
  firmwareVersions: 'json: "any" or a list',
  firmware: 'json: "any" or a list of {name, events: [{pcr, name, digest}]}',
  secureBoot: {
    enabled: 'json: true, false or "any"',
    pk: 'json: "any" or a list of {name, fingerprint}; so are the other keys',
    kek: 'json',
    db: 'json',
    dbx: 'json: "any" or {atLeast: [digest]}',
    authorities: 'json',
  },
  bootImages: 'json: "any" or a list of {name, digests, optional?}',
  commandLines: 'json: "any" or a list of {text} and {name, digests}',
  bootFiles: 'json: "any" or a list of {name, digests, optional?}',
  ukis: [
    {
      name: 'text',
      image: 'digest',
      'kernel?': 'digest',
      events: [{ name: 'text', digest: 'digest' }],
      phases: ['text'],
    },
  ],
  events: [{ pcr: 'number', ...NAMED_DIGESTS }],
  quirks: ['text'],
  pcrs: [{ pcr: 'number', rule: 'text', 'values?': ['digest'], 'digests?': ['digest'] }],
  components: 'json: "any" or a list of {name, path, digests}',
  ima: {
    files: [{ path: 'text', digests: ['text: algorithm:hex'] }],
    violations: ['text'],
    'exclude?': ['text: pattern of paths that are not judged'],
    'signers?': 'json: list of {name, key, paths?}',
  },
} as const
