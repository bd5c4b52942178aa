import { ByteReader } from '../../../encoding/byte-reader.ts'

/** What the kernel extended for one entry of its IMA log. */
export interface ImaTemplate {
  readonly pcr: number
  /** Extends all ones instead of a hash (security/integrity/ima/ima_queue.c, ima_add_template_entry). */
  readonly violation: boolean
  /** The template data; each bank is extended with its own hash of it (ima_crypto.c, ima_calc_field_array_hash). */
  readonly data: Buffer
}

const SHA1 = 20
/** The oldest template stores its name without a length and hashes it padded to 256 bytes (ima_template_lib.c). */
const LEGACY = 'ima'
const LEGACY_NAME = 256

/**
 * Walks `/sys/kernel/security/ima/binary_runtime_measurements` (ima_fs.c, ima_measurements_show) for what was extended,
 * without judging it.
 *
 * @throws EncodingError when the log is cut off
 */
export function* imaTemplates(log: Uint8Array): Generator<ImaTemplate> {
  const reader = new ByteReader(log, 'IMA log')
  while (reader.remaining > 0) {
    const pcr = reader.u32le('pcr')
    const violation = reader.bytes(SHA1, 'templateHash').every(byte => byte === 0)
    const name = reader.bytes(reader.u32le('templateName.length'), 'templateName').toString('latin1')
    const data = name === LEGACY ? legacyData(reader) : reader.bytes(reader.u32le('data.length'), 'data')
    yield { pcr, violation, data }
  }
}

function legacyData(reader: ByteReader): Buffer {
  const digest = reader.bytes(SHA1, 'digest')
  const name = reader.bytes(reader.u32le('name.length'), 'name')
  const padded = Buffer.alloc(LEGACY_NAME)
  name.copy(padded)
  return Buffer.concat([digest, padded])
}
