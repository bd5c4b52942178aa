import type { Random } from './random.ts'

/** Values at which lengths, counts and signs turn over. */
const INTERESTING = [
  0, 1, 2, 4, 8, 0x0f, 0x10, 0x14, 0x20, 0x30, 0x40, 0x7f, 0x80, 0xfe, 0xff, 0x100, 0x7fff, 0x8000, 0xffff,
  0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
]
/** Longest run that is cut, doubled or put in at once. */
const RUN = 256
/** No input grows beyond this, whatever the seeds are. */
const MOST_BYTES = 1 << 20

/** Changes bytes without knowing what they are, a few times. The input is not changed. */
export function mutateBytes(random: Random, input: Buffer, other: Buffer, words: readonly Buffer[]): Buffer {
  let bytes: Buffer = Buffer.from(input)
  for (let n = 1 + random.below(random.oneIn(8) ? 16 : 4); n > 0; n--)
    bytes = edit(random, bytes, other, words)
  return bytes.length > MOST_BYTES ? bytes.subarray(0, MOST_BYTES) : bytes
}

function edit(random: Random, bytes: Buffer, other: Buffer, words: readonly Buffer[]): Buffer {
  const at = random.below(bytes.length)
  switch (random.below(12)) {
    case 0:
      return set(bytes, at, b => b ^ (1 << random.below(8)))
    case 1:
      return set(bytes, at, () => random.next())
    case 2:
      return set(bytes, at, b => b + 1 - 2 * random.below(2))
    case 3:
    case 4:
      return setNumber(random, bytes, at)
    case 5:
      return splice(bytes, at, random.below(Math.min(RUN, bytes.length - at) + 1), NOTHING)
    case 6: {
      const run = bytes.subarray(at, at + random.below(RUN))
      return splice(bytes, at, 0, run)
    }
    case 7:
      return splice(bytes, at, 0, Buffer.alloc(random.below(32), random.pick([0, 0xff, 0x41, 0x20])))
    case 8: {
      const from = random.below(other.length)
      return splice(bytes, at, random.below(64), other.subarray(from, from + random.below(RUN)))
    }
    case 9:
      return bytes.subarray(0, at)
    case 10: {
      const from = random.below(other.length)
      return random.oneIn(4) ? Buffer.concat([bytes.subarray(0, at), other.subarray(from)]) : bytes
    }
    default:
      return words.length === 0
        ? bytes
        : splice(bytes, at, random.below(2) * random.below(8), random.pick(words))
  }
}

const NOTHING = Buffer.alloc(0)

function set(bytes: Buffer, at: number, change: (byte: number) => number): Buffer {
  if (at < bytes.length) bytes[at] = change(bytes[at] as number)
  return bytes
}

/** A number of one, two, four or eight bytes, either end first. */
function setNumber(random: Random, bytes: Buffer, at: number): Buffer {
  const width = random.pick([1, 2, 4, 8])
  if (at + width > bytes.length) return bytes
  const value = random.oneIn(3) ? bytes.length - at + random.below(3) - 1 : random.pick(INTERESTING)
  const part = Buffer.alloc(8)
  part.writeUInt32BE(value >>> 0, 4)
  const number = part.subarray(8 - width)
  if (random.oneIn(2)) number.reverse()
  number.copy(bytes, at)
  return bytes
}

export function splice(bytes: Buffer, at: number, cut: number, put: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + cut)])
}
