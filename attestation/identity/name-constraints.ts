import { DER_TAG, derElement, derElements, derSequence, firstDerElement } from '../../encoding/der.ts'
import { type DistinguishedName, isWithin, readName } from './distinguished-name.ts'

/** A GeneralName by its context tag (RFC 5280 section 4.2.1.6). */
export interface GeneralName {
  /** 1 rfc822Name, 2 dNSName, 4 directoryName, 6 URI, 7 iPAddress; others are not read further. */
  readonly kind: number
  readonly content: Buffer
}

const KIND = { email: 1, dns: 2, directory: 4, uri: 6, ip: 7 } as const

/** Name constraints of a CA (RFC 5280 section 4.2.1.10). */
export interface NameConstraints {
  readonly permitted: readonly GeneralName[]
  readonly excluded: readonly GeneralName[]
}

/** Most subtrees that are compared with each name. */
const MAX_SUBTREES = 256

/** The names of a subject alternative name extension's value. @throws EncodingError `BAD_DER`, also for a directory name that is none */
export function readGeneralNames(der: Uint8Array): GeneralName[] {
  const names = derSequence(der).map(({ tag, content }) => ({ kind: tag & 0x1f, content }))
  directoryNames(names)
  return names
}

/** The directory names among them. @throws EncodingError `BAD_DER` */
export function directoryNames(names: readonly GeneralName[]): DistinguishedName[] {
  return names.filter(({ kind }) => kind === KIND.directory).map(subtreeName)
}

/** The URIs among them, as they stand. */
export function uris(names: readonly GeneralName[]): string[] {
  return names.filter(({ kind }) => kind === KIND.uri).map(({ content }) => content.toString('latin1'))
}

/** Reads the extension's value; null when it says what no verifier has to understand. @throws EncodingError `BAD_DER` */
export function readNameConstraints(der: Uint8Array): NameConstraints | null {
  const lists = new Map(derSequence(der).map(({ tag, content }) => [tag, content]))
  const subtrees = (tag: number): GeneralName[] =>
    derElements(lists.get(tag) ?? Buffer.alloc(0)).map(({ bytes }) => {
      const [base, ...range] = derElements(derElement(bytes, DER_TAG.sequence).content)
      // Section 4.2.1.10: minimum is 0 and maximum is absent, and DER writes neither.
      if (base === undefined || range.length > 0) return { kind: -1, content: Buffer.alloc(0) }
      return { kind: base.tag & 0x1f, content: base.content }
    })
  const [permitted, excluded] = [subtrees(0xa0), subtrees(0xa1)]
  const all = [...permitted, ...excluded]
  const known: readonly number[] = Object.values(KIND)
  if (all.length === 0 || all.length > MAX_SUBTREES || all.some(({ kind }) => !known.includes(kind)))
    return null
  if (lists.size !== [...lists.keys()].filter(tag => tag === 0xa0 || tag === 0xa1).length) return null
  return { permitted, excluded }
}

/**
 * Whether a certificate below may have its names: each is in none of the excluded subtrees, and in one of the permitted ones of its kind
 * if there are any. An empty subject is no name.
 */
export function allowsNames(
  { permitted, excluded }: NameConstraints,
  subject: DistinguishedName,
  alternatives: readonly GeneralName[],
): boolean {
  const inSubtree = (subtree: GeneralName, kind: number, name: Buffer): boolean =>
    subtree.kind === kind &&
    (kind === KIND.directory
      ? isWithin(readName(name), subtreeName(subtree))
      : matches(kind, name, subtree.content))
  const allowed = (kind: number, test: (subtree: GeneralName) => boolean): boolean => {
    const mine = permitted.filter(subtree => subtree.kind === kind)
    return !excluded.some(test) && (mine.length === 0 || mine.some(test))
  }
  const subjectFits =
    subject.length === 0 ||
    allowed(
      KIND.directory,
      subtree => subtree.kind === KIND.directory && isWithin(subject, subtreeName(subtree)),
    )
  return (
    subjectFits &&
    alternatives.every(({ kind, content }) => allowed(kind, subtree => inSubtree(subtree, kind, content)))
  )
}

/** A directoryName is explicitly tagged: its content is a whole Name. */
function subtreeName({ content }: GeneralName): DistinguishedName {
  return readName(firstDerElement(content).bytes)
}

function matches(kind: number, name: Buffer, subtree: Buffer): boolean {
  if (kind === KIND.ip) return ipMatches(name, subtree)
  const [text, base] = [name, subtree].map(bytes => bytes.toString('latin1').toLowerCase()) as [
    string,
    string,
  ]
  if (kind === KIND.dns) return text === base || base === '' || text.endsWith(`.${base.replace(/^\./, '')}`)
  const host = kind === KIND.email ? text.slice(text.lastIndexOf('@') + 1) : uriHost(text)
  if (kind === KIND.email && base.includes('@')) return text === base
  return base.startsWith('.') ? host.endsWith(base) : host === base
}

function uriHost(text: string): string {
  const [, authority = ''] = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/.exec(text) ?? []
  return authority.slice(authority.lastIndexOf('@') + 1).replace(/:\d*$/, '')
}

/** An address within address and mask of the subtree. */
function ipMatches(address: Buffer, subtree: Buffer): boolean {
  const size = address.length
  if (subtree.length !== 2 * size) return false
  return address.every((byte, i) => {
    const mask = subtree[size + i] ?? 0
    return (byte & mask) === ((subtree[i] ?? 0) & mask)
  })
}
