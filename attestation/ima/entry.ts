import { kernelHashSize } from './algorithms.ts'
import { entryError } from './error.ts'
import { LEGACY_DIGEST_BYTES, readU32 } from './layout.ts'
import { pathText } from './path.ts'
import { type FieldName, fieldKind, LEGACY_TEMPLATE, templateFields } from './template.ts'

/** One decoded entry. Attested only if it lies before the position that a quote matches, and belongs to PCR 10. */
export interface ImaEntry {
  readonly index: number
  readonly pcr: number
  /** As the log names it; no digest covers the name, only the fields that it gives meaning to. */
  readonly template: string
  /**
   * `algorithm:hex` of the file's content, for example `sha256:…`. All zero for a violation and for what the kernel could not hash. Empty if
   * the template has no digest.
   */
  readonly digest: string
  /** What the digest is of, where the template says so: the content, or its fs-verity Merkle tree. */
  readonly digestType: 'ima' | 'verity' | null
  /** The path as the kernel saw it in its mount namespace; bytes that are not UTF-8 as `\xNN`. Empty if the template has none. */
  readonly path: string
  /**
   * The file was changed while it was measured, so no digest says what was read (ima_add_violation). PCR 10 was extended with all ones: no
   * digest binds anything that this entry says.
   */
  readonly violation: boolean
  /** Whether the template hash in the log's own column is that of the template data. Nothing else is taken from the column. */
  readonly columnMatches: boolean
  /** The other fields, by their names; empty ones are not there. */
  readonly fields: ImaFields
}

/** Fields beside digest and path (Documentation/security/IMA-templates.rst). */
export interface ImaFields {
  /** The file's signature as its extended attribute holds it, type byte first. */
  readonly sig?: Buffer
  /** What was measured that is no file: a kernel's command line, a key, a device-mapper table. */
  readonly buf?: Buffer
  /** Digest of the file without the signature that is appended to it, as `digest`. */
  readonly 'd-modsig'?: string
  /** The appended signature: PKCS #7. */
  readonly modsig?: Buffer
  /** The EVM portable signature, type byte first. */
  readonly evmsig?: Buffer
  readonly iuid?: number
  readonly igid?: number
  readonly imode?: number
  /** Names of the protected extended attributes, separated by `|`; their lengths and their values, one after the other. */
  readonly xattrnames?: string
  readonly xattrlengths?: readonly number[]
  readonly xattrvalues?: Buffer
}

/** One whole entry as the log has it. */
export interface RawEntry {
  readonly index: number
  readonly pcr: number
  readonly template: string
  readonly violation: boolean
  readonly columnMatches: boolean
  /** What the template hash is over. */
  readonly data: Buffer
  readonly bigEndian: boolean
}

/**
 * Decodes an entry's template data, whose hash is what PCR 10 was extended with.
 *
 * @throws ImaLogError `IMA_TEMPLATE_UNSUPPORTED` for another template, `IMA_DIGEST_UNSUPPORTED` for a hash that no kernel names,
 *   `IMA_LOG_MALFORMED`
 */
export function decodeEntry(raw: RawEntry): ImaEntry {
  const { index, pcr, template, violation, columnMatches } = raw
  const names = templateFields(template)
  if (names === null)
    throw entryError('IMA_TEMPLATE_UNSUPPORTED', index, `template ${JSON.stringify(template)}`)
  const values = splitFields(raw, names)
  const said: Said = { digest: '', digestType: null, path: '', fields: {} }
  for (const [i, name] of names.entries()) readField(raw, name, values[i] ?? Buffer.alloc(0), said)
  return { index, pcr, template, violation, columnMatches, ...said }
}

/** The fields' bytes, views of the template data. */
function splitFields({ index, template, data, bigEndian }: RawEntry, names: readonly FieldName[]): Buffer[] {
  // Zeros fill the oldest template's name up to 256 bytes.
  if (template === LEGACY_TEMPLATE) {
    const name = data.subarray(LEGACY_DIGEST_BYTES)
    const end = name.indexOf(0)
    if (end < 0 || name.subarray(end).some(byte => byte !== 0))
      throw malformed(index, 'a zero byte in its path')
    return [data.subarray(0, LEGACY_DIGEST_BYTES), name.subarray(0, end + 1)]
  }
  let at = 0
  const values = names.map(name => {
    if (at + 4 > data.length) throw malformed(index, `its field ${name} is missing`)
    const start = at + 4
    at = start + readU32(data, at, bigEndian)
    if (at > data.length) throw malformed(index, `its field ${name} reaches beyond the template data`)
    return data.subarray(start, at)
  })
  if (at !== data.length) throw malformed(index, `${data.length - at} bytes after its last field`)
  return values
}

interface Said {
  digest: string
  digestType: ImaEntry['digestType']
  path: string
  fields: { -readonly [Name in keyof ImaFields]: ImaFields[Name] }
}

function readField(raw: RawEntry, name: FieldName, bytes: Buffer, said: Said): void {
  const { index, bigEndian } = raw
  switch (name) {
    case 'd':
    case 'd-ng':
    case 'd-ngv2':
      ;[said.digest, said.digestType] = readDigest(raw, name, bytes)
      return
    case 'n':
    case 'n-ng':
      said.path = readString(bytes, index, 'its path')
      return
    case 'd-modsig':
      if (bytes.length > 0) said.fields['d-modsig'] = readDigest(raw, name, bytes)[0]
      return
    case 'xattrnames':
      if (bytes.length > 0) said.fields.xattrnames = readString(bytes, index, 'its list of attributes')
      return
    case 'xattrlengths':
      if (bytes.length % 4 !== 0) throw malformed(index, 'its lengths of attributes are no 32-bit numbers')
      if (bytes.length > 0)
        said.fields.xattrlengths = Array.from({ length: bytes.length / 4 }, (_, i) =>
          readU32(bytes, 4 * i, bigEndian),
        )
      return
    case 'iuid':
    case 'igid':
    case 'imode':
      if (bytes.length > 0) said.fields[name] = readNumber(raw, name, bytes)
      return
    case 'sig':
    case 'buf':
    case 'modsig':
    case 'evmsig':
    case 'xattrvalues':
      if (bytes.length > 0) said.fields[name] = bytes
  }
}

function readNumber({ index, bigEndian }: RawEntry, name: FieldName, bytes: Buffer): number {
  const size = fieldKind(name) === 'u16' ? 2 : 4
  if (bytes.length !== size) throw malformed(index, `its field ${name} has ${bytes.length} bytes`)
  return bigEndian ? bytes.readUIntBE(0, size) : bytes.readUIntLE(0, size)
}

/**
 * A digest in one of the three forms (ima_eventdigest_init_common): bare; the hash's name, a colon, a zero byte and the digest; the same
 * after what the digest is of and a colon.
 */
function readDigest(raw: RawEntry, name: FieldName, field: Buffer): [string, ImaEntry['digestType']] {
  const { index } = raw
  if (name === 'd') {
    if (field.length !== LEGACY_DIGEST_BYTES) throw malformed(index, 'its file digest is malformed')
    return [`sha1:${field.toString('hex')}`, null]
  }
  const end = field.indexOf(0)
  if (end < 1 || field[end - 1] !== 0x3a) throw malformed(index, 'its file digest is malformed')
  const label = field.toString('latin1', 0, end - 1)
  const [type, algorithm] = name === 'd-ngv2' ? splitType(label, index) : ([null, label] as const)
  const digest = field.subarray(end + 1)
  // A digest without a name is of the hashes that have a "d" as well: SHA-1, or MD5.
  const hash = algorithm === '' ? (digest.length === 16 ? 'md5' : 'sha1') : algorithm
  const size = kernelHashSize(hash)
  if (size === undefined)
    throw entryError('IMA_DIGEST_UNSUPPORTED', index, `a digest by ${JSON.stringify(algorithm)}`)
  if (digest.length !== size && !isViolationDigest(raw, digest))
    throw malformed(index, 'its file digest is malformed')
  return [`${hash}:${digest.toString('hex')}`, type]
}

/** Before Linux 5.19 the zeros of a violation are as many as SHA-1 has, whichever hash is named. */
function isViolationDigest({ violation }: RawEntry, digest: Buffer): boolean {
  return violation && digest.length === LEGACY_DIGEST_BYTES && digest.every(byte => byte === 0)
}

function splitType(label: string, index: number): readonly ['ima' | 'verity', string] {
  const colon = label.indexOf(':')
  const type = label.slice(0, Math.max(colon, 0))
  if (type !== 'ima' && type !== 'verity') throw malformed(index, 'its digest does not say what it is of')
  return [type, label.slice(colon + 1)]
}

/** Text and a zero byte. */
function readString(field: Buffer, index: number, what: string): string {
  const end = field.indexOf(0)
  if (end < 0 || end !== field.length - 1) throw malformed(index, `${what} does not end where the field does`)
  return pathText(field.subarray(0, end))
}

function malformed(index: number, what: string) {
  return entryError('IMA_LOG_MALFORMED', index, what)
}
