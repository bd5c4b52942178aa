/** Bytes of a SHA-256 digest. */
const KEY_BYTES = 32
/** Rows are kept by the first byte of their key, so that none ever grows, or is sorted, by a step over all. */
const PARTS = 256
/** A part's slots are at most three quarters full. */
const SLOTS_PER_ROW = 4 / 3
const FIRST_ROWS = 8

interface Part {
  rows: Buffer
  count: number
  /** Row number + 1 by hash; 0 is empty. A power of two many. */
  slots: Int32Array
}

/**
 * A map from SHA-256 digests to values of a fixed number of bytes. It takes little more than these bytes, where a Map takes some hundred per entry: for
 * what a long log adds up to.
 */
export class DigestTable {
  readonly valueBytes: number
  readonly #width: number
  readonly #parts: (Part | undefined)[] = Array.from({ length: PARTS })
  #size = 0

  constructor(valueBytes: number) {
    this.valueBytes = valueBytes
    this.#width = KEY_BYTES + valueBytes
  }

  get size(): number {
    return this.#size
  }

  /** Bytes of all rows together. */
  get byteLength(): number {
    return this.#size * this.#width
  }

  /** The value of a key, as a view that is good until the next change; undefined if there is none. */
  get(key: Uint8Array): Buffer | undefined {
    if (key.length !== KEY_BYTES) return undefined
    const part = this.#parts[key[0] as number]
    const row = part === undefined ? -1 : this.#find(part, key)
    if (part === undefined || row < 0) return undefined
    return part.rows.subarray(row * this.#width + KEY_BYTES, (row + 1) * this.#width)
  }

  /** Sets the value of a key. */
  set(key: Uint8Array, value: Uint8Array): void {
    if (key.length !== KEY_BYTES || value.length !== this.valueBytes)
      throw new TypeError('a row of another size')
    const at = key[0] as number
    let part = this.#parts[at]
    if (part === undefined) {
      part = emptyPart(FIRST_ROWS, this.#width)
      this.#parts[at] = part
    }
    let row = this.#find(part, key)
    if (row < 0) {
      if ((part.count + 1) * SLOTS_PER_ROW > part.slots.length) this.#grow(part)
      row = part.count++
      this.#size++
      part.rows.set(key, row * this.#width)
      take(part, key, row)
    }
    part.rows.set(value, row * this.#width + KEY_BYTES)
  }

  /** The rows of one of {@link parts}, by key, as bytes. */
  rows(part: number): Buffer {
    const { rows, count } = this.#parts[part] ?? emptyPart(0, this.#width)
    const width = this.#width
    const views = Array.from({ length: count }, (_, i) => rows.subarray(i * width, (i + 1) * width))
    return Buffer.concat(views.sort(Buffer.compare))
  }

  /** Leaves out of one of {@link parts} what is not to be kept. */
  prune(part: number, keep: (key: Buffer, value: Buffer) => boolean): void {
    const old = this.#parts[part]
    if (old === undefined) return
    this.#parts[part] = undefined
    this.#size -= old.count
    for (let row = 0; row < old.count; row++) {
      const at = row * this.#width
      const [key, value] = [
        old.rows.subarray(at, at + KEY_BYTES),
        old.rows.subarray(at + KEY_BYTES, at + this.#width),
      ]
      if (keep(key, value)) this.set(key, value)
    }
  }

  /** All rows, by key within each part and so by key. */
  *entries(): Generator<{ key: Buffer; value: Buffer }> {
    for (let part = 0; part < PARTS; part++) {
      const rows = this.rows(part)
      for (let at = 0; at < rows.length; at += this.#width) {
        yield {
          key: rows.subarray(at, at + KEY_BYTES),
          value: rows.subarray(at + KEY_BYTES, at + this.#width),
        }
      }
    }
  }

  /** How many parts there are, numbered from 0 in the order of their keys. */
  get parts(): number {
    return PARTS
  }

  #find({ rows, slots }: Part, key: Uint8Array): number {
    const mask = slots.length - 1
    for (let slot = hashOf(key) & mask; ; slot = (slot + 1) & mask) {
      const row = (slots[slot] as number) - 1
      if (row < 0) return -1
      const at = row * this.#width
      let i = 0
      while (i < KEY_BYTES && rows[at + i] === key[i]) i++
      if (i === KEY_BYTES) return row
    }
  }

  #grow(part: Part): void {
    const bigger = emptyPart(part.count * 2, this.#width)
    part.rows.copy(bigger.rows)
    for (let row = 0; row < part.count; row++)
      take(bigger, part.rows.subarray(row * this.#width, row * this.#width + KEY_BYTES), row)
    part.rows = bigger.rows
    part.slots = bigger.slots
  }
}

function emptyPart(rows: number, width: number): Part {
  // A power of two of slots, all of whose rows have room.
  const slots = 2 ** Math.ceil(Math.log2(Math.max(rows, 1) * SLOTS_PER_ROW + 1))
  return {
    rows: Buffer.alloc(Math.floor(slots / SLOTS_PER_ROW) * width),
    count: 0,
    slots: new Int32Array(slots),
  }
}

/** The keys are digests: any four bytes of them do, apart from the one that chose the part. */
function hashOf(key: Uint8Array): number {
  return (
    ((key[1] as number) << 24) | ((key[2] as number) << 16) | ((key[3] as number) << 8) | (key[4] as number)
  )
}

function take({ slots }: Part, key: Uint8Array, row: number): void {
  const mask = slots.length - 1
  let slot = hashOf(key) & mask
  while (slots[slot] !== 0) slot = (slot + 1) & mask
  slots[slot] = row + 1
}

const NOTHING = Buffer.alloc(0)

/** A set of SHA-256 digests in hexadecimal. */
export class DigestSet {
  readonly table = new DigestTable(0)

  get size(): number {
    return this.table.size
  }

  add(digest: string): void {
    this.table.set(Buffer.from(digest, 'hex'), NOTHING)
  }

  has(digest: string): boolean {
    return this.table.get(Buffer.from(digest, 'hex')) !== undefined
  }

  /** In their order. */
  *[Symbol.iterator](): Generator<string> {
    for (const { key } of this.table.entries()) yield key.toString('hex')
  }
}
