import { splice } from './bytes.ts'
import type { Random } from './random.ts'

/** Changes an input as one who knows its form: what comes out gets further than changed bytes do. Undefined: the input has not that form. */
export type StructureMutator = (random: Random, bytes: Buffer, other: Buffer) => Buffer | undefined

/** A part of an input, from where to where. */
type Part = readonly [start: number, end: number]

/** Drops, doubles, swaps and borrows whole records. */
export function records(split: (bytes: Buffer) => readonly Part[]): StructureMutator {
  return (random, bytes, other) => {
    const parts = split(bytes)
    if (parts.length < 2) return undefined
    const [from, to] = random.pick(parts)
    const record = bytes.subarray(from, to)
    switch (random.below(4)) {
      case 0:
        return splice(bytes, from, to - from, Buffer.alloc(0))
      case 1:
        return splice(bytes, random.pick(parts)[0], 0, record)
      case 2: {
        const [start, end] = random.pick(parts)
        return start === from ? undefined : splice(bytes, from, to - from, bytes.subarray(start, end))
      }
      default: {
        const theirs = split(other)
        if (theirs.length === 0) return undefined
        const [start, end] = random.pick(theirs)
        return splice(bytes, from, 0, other.subarray(start, end))
      }
    }
  }
}

/** Lines of text, or pieces between any other separator. */
export function pieces(separator: string): (bytes: Buffer) => Part[] {
  return bytes => {
    const parts: Part[] = []
    for (let at = 0; at < bytes.length && parts.length < 4096; ) {
      const end = bytes.indexOf(separator, at + 1)
      const stop = end < 0 ? bytes.length : end + (separator === '\n' ? 1 : 0)
      parts.push([at, stop])
      at = stop
    }
    return parts
  }
}

const DIGEST_BYTES: Readonly<Record<number, number>> = { 4: 20, 11: 32, 12: 48, 13: 64, 18: 32 }
const EVENT_TYPES = [
  0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17, 0x80000001, 0x80000002, 0x80000003, 0x80000006,
  0x80000007, 0x80000008, 0x8000000c, 0x80000010, 0x800000e0, 0x800000e1, 0x1234,
]

/** Where the events of a crypto-agile log are, by an own and careless reading of it. */
export function eventsOf(bytes: Buffer): { start: number; sizeAt: number; end: number }[] {
  const events: { start: number; sizeAt: number; end: number }[] = []
  if (bytes.length < 32) return events
  const first = 32 + bytes.readUInt32LE(28)
  for (let at = first; at + 12 <= bytes.length && events.length < 2048; ) {
    const start = at
    const count = bytes.readUInt32LE(at + 8)
    at += 12
    if (count > 8) break
    for (let i = 0; i < count && at + 2 <= bytes.length; i++)
      at += 2 + (DIGEST_BYTES[bytes.readUInt16LE(at)] ?? 32)
    if (at + 4 > bytes.length) break
    const end = at + 4 + bytes.readUInt32LE(at)
    if (end > bytes.length) break
    events.push({ start, sizeAt: at, end })
    at = end
  }
  return events
}

const wholeEvents = records(bytes => eventsOf(bytes).map(({ start, end }) => [start, end] as const))

/** Another PCR, another type, other data of which the size is right, or whole events moved about. */
export const tcgEvents: StructureMutator = (random, bytes, other) => {
  if (random.oneIn(3)) return wholeEvents(random, bytes, other)
  const events = eventsOf(bytes)
  if (events.length === 0) return undefined
  const copy = Buffer.from(bytes)
  const { start, sizeAt, end } = random.pick(events)
  switch (random.below(4)) {
    case 0:
      copy.writeUInt32LE(random.oneIn(4) ? random.next() : random.below(25), start)
      return copy
    case 1:
      copy.writeUInt32LE(random.pick(EVENT_TYPES), start + 4)
      return copy
    case 2: {
      const theirs = eventsOf(other)
      if (theirs.length === 0) return undefined
      const chosen = random.pick(theirs)
      return withData(copy, sizeAt, end, other.subarray(chosen.sizeAt + 4, chosen.end))
    }
    default: {
      const data = Buffer.from(copy.subarray(sizeAt + 4, end))
      if (data.length > 0) data[random.below(data.length)] = random.next()
      return withData(
        copy,
        sizeAt,
        end,
        random.oneIn(2) ? data : data.subarray(0, random.below(data.length + 1)),
      )
    }
  }
}

function withData(bytes: Buffer, sizeAt: number, end: number, data: Buffer): Buffer {
  const made = splice(bytes, sizeAt + 4, end - sizeAt - 4, data)
  made.writeUInt32LE(data.length, sizeAt)
  return made
}

/** Entries of a little-endian binary IMA log. */
export const imaEntries: StructureMutator = records(bytes => {
  const parts: Part[] = []
  for (let at = 0; at + 28 <= bytes.length && parts.length < 4096; ) {
    const start = at
    const name = bytes.readUInt32LE(at + 24)
    const sizeAt = at + 28 + name
    if (name > 64 || sizeAt + 4 > bytes.length) break
    at = sizeAt + 4 + bytes.readUInt32LE(sizeAt)
    if (at > bytes.length) break
    parts.push([start, at])
  }
  return parts
})

/** DER: another content of one element, with the lengths of all that hold it put right. */
export const derElements: StructureMutator = (random, bytes, other) => {
  const all = elements(bytes, 0, bytes.length, 0, [])
  if (all.length === 0) return undefined
  const path = random.pick(all)
  const [target] = path.slice(-1)
  if (target === undefined) return undefined
  const theirs = elements(other, 0, other.length, 0, [])
  const content = bytes.subarray(target.content, target.end)
  let made: Buffer
  switch (random.below(4)) {
    case 0:
      made = Buffer.alloc(0)
      break
    case 1: {
      const donor = theirs.length === 0 ? undefined : random.pick(theirs).at(-1)
      made =
        donor === undefined
          ? Buffer.from(content)
          : Buffer.concat([bytes.subarray(target.start, target.end), other.subarray(donor.start, donor.end)])
      return rebuild(bytes, path.slice(0, -1), target.start, target.end, made)
    }
    case 2:
      made = Buffer.concat([content, content])
      break
    default:
      made = Buffer.from(content)
      if (made.length > 0) made[random.below(made.length)] = random.next()
  }
  const tag = random.oneIn(8)
    ? Buffer.of(random.next() & 0xff)
    : bytes.subarray(target.start, target.start + 1)
  return rebuild(
    bytes,
    path.slice(0, -1),
    target.start,
    target.end,
    Buffer.concat([tag, lengthOf(made.length), made]),
  )
}

interface Element {
  readonly start: number
  readonly content: number
  readonly end: number
}

function elements(
  bytes: Buffer,
  from: number,
  to: number,
  depth: number,
  above: readonly Element[],
): Element[][] {
  const found: Element[][] = []
  for (let at = from; at + 2 <= to && found.length < 512; ) {
    const first = bytes[at + 1] as number
    const count = first < 0x80 ? 0 : first & 0x7f
    if (count > 3 || at + 2 + count > to) break
    const length = count === 0 ? first : bytes.readUIntBE(at + 2, count)
    const element = { start: at, content: at + 2 + count, end: at + 2 + count + length }
    if (element.end > to) break
    const path = [...above, element]
    found.push(path)
    if (((bytes[at] as number) & 0x20) !== 0 && depth < 12)
      found.push(...elements(bytes, element.content, element.end, depth + 1, path))
    at = element.end
  }
  return found
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length)
  return length < 0x100 ? Buffer.of(0x81, length) : Buffer.of(0x82, (length >> 8) & 0xff, length & 0xff)
}

/** Puts bytes in the place of a part and gives each element around it its new length. */
function rebuild(bytes: Buffer, around: readonly Element[], start: number, end: number, put: Buffer): Buffer {
  let made = put
  let [from, to] = [start, end]
  for (const element of around.toReversed()) {
    const content = Buffer.concat([
      bytes.subarray(element.content, from),
      made,
      bytes.subarray(to, element.end),
    ])
    made = Buffer.concat([
      bytes.subarray(element.start, element.start + 1),
      lengthOf(content.length),
      content,
    ])
    ;[from, to] = [element.start, element.end]
  }
  return splice(bytes, from, to - from, made)
}

const VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1,
  2 ** 53,
  1.5,
  '',
  'a',
  '__proto__',
  [],
  {},
  [[]],
  '\ud83d\ude00',
  '0'.repeat(64),
  '00',
]

/** JSON: a member dropped, doubled under another name, given another value or somebody else's. */
export const jsonMembers: StructureMutator = (random, bytes, other) => {
  const value = parsed(bytes)
  if (value === undefined) return undefined
  const places = placesOf(value, [])
  if (places.length === 0) return undefined
  const { holder, key } = random.pick(places)
  const theirs = parsed(other)
  const donors = theirs === undefined ? [] : placesOf(theirs, [])
  switch (random.below(5)) {
    case 0:
      if (Array.isArray(holder)) holder.splice(Number(key), 1)
      else delete holder[key]
      break
    case 1:
      if (Array.isArray(holder)) holder.push(holder[Number(key)])
      else holder[random.pick(['x', '__proto__', 'constructor', `${key}2`])] = holder[key]
      break
    case 2: {
      const donor = donors.length === 0 ? undefined : random.pick(donors)
      if (donor !== undefined)
        (holder as Record<string, unknown>)[key] = (donor.holder as Record<string, unknown>)[donor.key]
      break
    }
    default: {
      const old = (holder as Record<string, unknown>)[key]
      ;(holder as Record<string, unknown>)[key] =
        typeof old === 'string' && old.length > 0 && random.oneIn(2)
          ? changed(random, old)
          : random.pick(VALUES)
    }
  }
  return Buffer.from(JSON.stringify(value))
}

function changed(random: Random, text: string): string {
  const at = random.below(text.length)
  return (
    text.slice(0, at) +
    random.pick(['', '0', 'f', '/', '=', ' ', '\u0000', '\u00e9', text]).slice(0, 4096) +
    text.slice(at + 1)
  )
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
}

type Holder = Record<string, unknown> | unknown[]

function placesOf(
  value: unknown,
  found: { holder: Holder; key: string }[],
): { holder: Holder; key: string }[] {
  if (value === null || typeof value !== 'object' || found.length > 2000) return found
  for (const key of Object.keys(value)) {
    found.push({ holder: value as Holder, key })
    placesOf((value as Record<string, unknown>)[key], found)
  }
  return found
}
