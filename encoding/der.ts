import { EncodingError } from './error.ts'

/** Universal tags with their class and constructed bits (X.690 section 8.1.2, X.680 section 8.6). */
export const DER_TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

/** One element: its tag, its content, and all its bytes. Views, not copies. */
export interface DerElement {
  readonly tag: number
  readonly content: Buffer
  readonly bytes: Buffer
}

/** Most elements of one list that are read. */
const MAX_ELEMENTS = 65_536

function malformed(what: string): EncodingError {
  return new EncodingError('BAD_DER', `not DER: ${what}`)
}

/** The element at the start of `bytes`, whatever follows. @throws EncodingError `BAD_DER` */
export function firstDerElement(bytes: Uint8Array): DerElement {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const [tag, first] = [view[0], view[1]]
  if (tag === undefined || first === undefined) throw malformed('it ends before a length')
  // X.690 section 8.1.2.4: tag numbers of 31 and more take further bytes; nothing here has one.
  if ((tag & 0x1f) === 0x1f) throw malformed('a tag of several bytes')
  let length = first
  let start = 2
  if (first >= 0x80) {
    const count = first & 0x7f
    if (count < 1 || count > 4 || view.length < 2 + count) throw malformed('its length')
    length = view.readUIntBE(2, count)
    start = 2 + count
    // X.690 section 10.1: in as few bytes as it takes.
    if (length < 0x80 || (count > 1 && view[2] === 0)) throw malformed('a length in more bytes than it takes')
  }
  if (length > view.length - start)
    throw malformed(`${length} bytes are announced, ${view.length - start} are there`)
  return { tag, content: view.subarray(start, start + length), bytes: view.subarray(0, start + length) }
}

/** The one element that `bytes` are. @throws EncodingError `BAD_DER` */
export function derElement(bytes: Uint8Array, tag: number): DerElement {
  const element = firstDerElement(bytes)
  if (element.tag !== tag)
    throw malformed(`tag 0x${element.tag.toString(16)} where 0x${tag.toString(16)} is wanted`)
  if (element.bytes.length !== bytes.length) throw malformed('bytes after it')
  return element
}

/** The elements one after another. @throws EncodingError `BAD_DER` */
export function derElements(bytes: Uint8Array): DerElement[] {
  const elements: DerElement[] = []
  for (let rest = bytes; rest.length > 0; ) {
    const element = firstDerElement(rest)
    if (elements.push(element) > MAX_ELEMENTS) throw malformed(`more than ${MAX_ELEMENTS} elements`)
    rest = rest.subarray(element.bytes.length)
  }
  return elements
}

/** The elements of the SEQUENCE that `bytes` are. @throws EncodingError `BAD_DER` */
export function derSequence(bytes: Uint8Array): DerElement[] {
  return derElements(derElement(bytes, DER_TAG.sequence).content)
}

/** A non-negative INTEGER without its leading zero. @throws EncodingError `BAD_DER` */
export function derUnsigned(element: DerElement | undefined): Buffer {
  if (element?.tag !== DER_TAG.integer) throw malformed('an integer is missing')
  const { content } = element
  const [first, second = 0xff] = content
  // X.690 section 8.3.2: in as few bytes as it takes.
  if (first === undefined || first >= 0x80 || (first === 0 && content.length > 1 && second < 0x80)) {
    throw malformed('a negative integer, or one in more bytes than it takes')
  }
  return first === 0 && content.length > 1 ? content.subarray(1) : content
}

/** An OBJECT IDENTIFIER in dotted decimal form. @throws EncodingError `BAD_DER` */
export function derOid(element: DerElement | undefined): string {
  if (element?.tag !== DER_TAG.oid || element.content.length === 0 || element.content.length > 64)
    throw malformed('an object identifier is missing')
  const arcs: bigint[] = []
  let arc = 0n
  for (const [i, byte] of element.content.entries()) {
    if (arc === 0n && byte === 0x80) throw malformed('an object identifier with a padded arc')
    arc = (arc << 7n) | BigInt(byte & 0x7f)
    if (byte < 0x80) {
      arcs.push(arc)
      arc = 0n
    } else if (i === element.content.length - 1) throw malformed('an object identifier is cut off')
  }
  const [head = 0n, ...tail] = arcs
  // X.690 section 8.19.4: the first two arcs share a subidentifier.
  const top = head < 80n ? head / 40n : 2n
  return [top, head - top * 40n, ...tail].join('.')
}
