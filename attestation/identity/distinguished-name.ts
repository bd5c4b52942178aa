import { DER_TAG, derElement, derElements, derOid, derSequence } from '../../encoding/der.ts'

/** One attribute of a relative distinguished name. */
export interface NameAttribute {
  readonly oid: string
  /** Text for the string types of RFC 5280, else null. */
  readonly text: string | null
  /** What two spellings of one value have in common (RFC 5280 section 7.1). */
  readonly key: string
}

/** The relative distinguished names of a Name, the most general first. */
export type DistinguishedName = readonly (readonly NameAttribute[])[]

/** How each string type of a DirectoryString is read (X.680 section 8.4; TeletexString as Latin-1, which is what is found in it). */
const STRING_TYPES: Readonly<Record<number, (bytes: Buffer) => string>> = {
  12: bytes => bytes.toString('utf8'),
  18: bytes => bytes.toString('latin1'),
  19: bytes => bytes.toString('latin1'),
  20: bytes => bytes.toString('latin1'),
  22: bytes => bytes.toString('latin1'),
  30: bytes =>
    Buffer.from(bytes.subarray(0, bytes.length & ~1))
      .swap16()
      .toString('utf16le'),
}

/** Short names as they are written (RFC 4514 section 3). */
const SHORT_NAMES: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.5': 'serialNumber',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '0.9.2342.19200300.100.1.25': 'DC',
}

/** Reads a Name (RFC 5280 section 4.1.2.4). @throws EncodingError `BAD_DER` */
export function readName(der: Uint8Array): DistinguishedName {
  return derSequence(der).map(rdn =>
    derElements(derElement(rdn.bytes, DER_TAG.set).content).map(attribute => {
      const [type, value] = derSequence(attribute.bytes)
      const oid = derOid(type)
      const decode = value === undefined ? undefined : STRING_TYPES[value.tag]
      const text = value === undefined || decode === undefined ? null : decode(value.content)
      return { oid, text, key: `${oid}=${text === null ? `#${value?.bytes.toString('hex')}` : folded(text)}` }
    }),
  )
}

/** The string types compare by what they say: without case, white space at the ends, or its amount between words. */
function folded(text: string): string {
  return JSON.stringify(text.normalize('NFKC').trim().replace(/\s+/g, ' ').toLowerCase())
}

function rdnKey(rdn: readonly NameAttribute[]): string {
  return rdn
    .map(({ key }) => key)
    .sort()
    .join('+')
}

/** The same text for every spelling of a Name, and another for every other Name. */
export function nameKey(name: DistinguishedName): string {
  return name.map(rdnKey).join(',')
}

/** Whether a Name is at or below another (RFC 5280 section 4.2.1.10). */
export function isWithin(name: DistinguishedName, subtree: DistinguishedName): boolean {
  return subtree.every((rdn, i) => {
    const own = name[i]
    return own !== undefined && rdnKey(own) === rdnKey(rdn)
  })
}

/** The attributes of a kind, wherever they stand; null for one that is no text. */
export function attributesOf(name: DistinguishedName, oid: string): (string | null)[] {
  return name.flatMap(rdn => rdn.filter(attribute => attribute.oid === oid).map(({ text }) => text))
}

/** A Name for a person, the most general part first. */
export function nameText(name: DistinguishedName): string {
  const text = ({ oid, text: value, key }: NameAttribute): string =>
    `${SHORT_NAMES[oid] ?? oid}=${value ?? key.slice(key.indexOf('#'))}`
  return name.map(rdn => rdn.map(text).join('+')).join(', ')
}
