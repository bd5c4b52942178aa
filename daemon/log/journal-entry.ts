/** A field of an entry. The name is ours: A to Z, 0 to 9 and `_`, not first (systemd.journal-fields(7)). */
export type JournalField = readonly [name: string, value: string | Uint8Array]

/**
 * An entry in the journal's native form (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/). Every value is written with its length before it, so
 * that nothing in it, such as a line break that a caller sent, can begin another field.
 *
 * @param fields values may be controlled by anybody
 */
export function journalEntry(fields: readonly JournalField[]): Buffer {
  const parts: Buffer[] = []
  for (const [name, value] of fields) {
    if (!/^[A-Z][A-Z0-9_]{0,63}$/.test(name)) throw new RangeError(`not the name of a field: ${name}`)
    const bytes = typeof value === 'string' ? Buffer.from(value) : Buffer.from(value)
    const length = Buffer.alloc(8)
    length.writeBigUInt64LE(BigInt(bytes.length))
    parts.push(Buffer.from(`${name}\n`), length, bytes, NEWLINE)
  }
  return Buffer.concat(parts)
}

const NEWLINE = Buffer.from('\n')
