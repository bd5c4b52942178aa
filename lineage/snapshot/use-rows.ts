import { sha256 } from '../../encoding/digest.ts'
import { DigestTable } from '../../encoding/digest-table.ts'
import { LineageError } from '../error.ts'

/** SHA-256 of issuer and id, how often it was used (u32), end of the artifact's validity in ms (u48), each big-endian. */
const VALUE_BYTES = 32 + 4 + 6
const MOST_USES = 0xffff_ffff

/** What the log says of the uses of one artifact. */
export interface UseRow {
  /** SHA-256 of the payload. */
  readonly payload: Buffer
  /** {@link nameOfUse} of its issuer and id. */
  readonly name: Buffer
  readonly count: number
  /** The end of its validity, ms. */
  readonly notAfterMs: number
}

/** What stands for an issuer and an id: neither can contain a NUL. */
export function nameOfUse(issuer: string, id: string): Buffer {
  return sha256(Buffer.from(`${issuer}\0${id}`))
}

/** Uses of artifacts, by the digest of their payload. */
export class UseRows {
  readonly table = new DigestTable(VALUE_BYTES)

  /** One permit more. */
  use(payload: string, name: Buffer, notAfterMs: number): void {
    const key = Buffer.from(payload, 'hex')
    const value = Buffer.alloc(VALUE_BYTES)
    const before = this.table.get(key)
    if (before === undefined) {
      name.copy(value)
      value.writeUIntBE(notAfterMs, 36, 6)
    } else {
      before.copy(value)
    }
    value.writeUInt32BE(Math.min(MOST_USES, value.readUInt32BE(32) + 1), 32)
    this.table.set(key, value)
  }

  /** Takes a row as {@link DigestTable.rows} gives it. @throws LineageError `SNAPSHOT_MALFORMED` */
  add(row: Buffer): void {
    if (readRow(row).count === 0)
      throw new LineageError('SNAPSHOT_MALFORMED', 'an artifact that was not used')
    this.table.set(row.subarray(0, 32), row.subarray(32))
  }

  /** Leaves out artifacts whose validity ended before `horizonMs`, in small steps. */
  *prune(horizonMs: number): Generator<void> {
    for (let part = 0; part < this.table.parts; part++) {
      this.table.prune(part, (_, value) => value.readUIntBE(36, 6) >= horizonMs)
      yield
    }
  }

  *[Symbol.iterator](): Generator<UseRow> {
    for (const { key, value } of this.table.entries()) yield readRow(Buffer.concat([key, value]))
  }
}

/** Bytes of a row. */
export const USE_ROW_BYTES = 32 + VALUE_BYTES

function readRow(row: Buffer): UseRow {
  return {
    payload: row.subarray(0, 32),
    name: row.subarray(32, 64),
    count: row.readUInt32BE(64),
    notAfterMs: row.readUIntBE(68, 6),
  }
}
