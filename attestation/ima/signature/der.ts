/** One element of DER (X.690): its tag byte, its content, and all of it. Views, not copies. */
export interface DerElement {
  readonly tag: number
  readonly content: Buffer
  readonly whole: Buffer
}

export const DER = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  sequence: 0x30,
  set: 0x31,
} as const

/**
 * Reads the elements that stand one after the other in `bytes`, or gives null when that is not what they are. Lengths are
 * definite and in the shortest form, tags have one byte; nothing is read past the end.
 *
 * @param bytes controlled by whoever brings them
 */
export function derElements(bytes: Buffer, most = 64): DerElement[] | null {
  const elements: DerElement[] = []
  for (let at = 0; at < bytes.length; ) {
    const element = derElement(bytes, at)
    if (element === null || elements.length === most) return null
    elements.push(element)
    at += element.whole.length
  }
  return elements
}

/** The elements within a sequence that is all of `bytes`; null when it is none. */
export function derSequence(bytes: Buffer): DerElement[] | null {
  const element = derElement(bytes, 0)
  if (element === null || element.tag !== DER.sequence || element.whole.length !== bytes.length) return null
  return derElements(element.content)
}

function derElement(bytes: Buffer, at: number): DerElement | null {
  const tag = bytes[at]
  const short = bytes[at + 1]
  if (tag === undefined || short === undefined || (tag & 0x1f) === 0x1f) return null
  let length = short
  let start = at + 2
  if (short >= 0x80) {
    const size = short & 0x7f
    if (size === 0 || size > 4 || start + size > bytes.length) return null
    length = bytes.readUIntBE(start, size)
    if (length < 0x80 || length < 2 ** (8 * (size - 1))) return null
    start += size
  }
  const end = start + length
  return end > bytes.length
    ? null
    : { tag, content: bytes.subarray(start, end), whole: bytes.subarray(at, end) }
}

/** A positive integer, or null: in DER it has no byte too many. */
export function derUnsigned({ tag, content }: DerElement): bigint | null {
  const [first, second = 0] = content
  if (tag !== DER.integer || first === undefined || first >= 0x80) return null
  if (first === 0 && content.length > 1 && second < 0x80) return null
  return BigInt(`0x${content.toString('hex')}`)
}
