import { createHash } from 'node:crypto'
import { encodePrepare, encodeStrings } from './encode.ts'
import type { LaunchOrder, SubjectPath } from './types.ts'
import { KINDS } from './wire.ts'

const NAME = Buffer.from('writ order 1\0')
/** Where a PREPARE has its expiry and its greatest age of evidence (`struct wire_prepare`): eight bytes each, and zero in what is digested. */
const DEADLINES = [40, 48] as const

/**
 * What an execution is made of, as the launcher digests it at its PREPARE (`native/launchd/order_digest.h`) and says it of each that it lists.
 *
 * @param subjects as they were staged, the program first
 * @param order its expiry and its greatest age of evidence do not count, nor do the bytes of its secrets
 * @returns SHA-256, in hexadecimal
 * @throws LauncherError for an order that could not be given
 */
export function orderDigest(subjects: readonly SubjectPath[], order: LaunchOrder): string {
  const { body, strings } = encodePrepare(order)
  for (const at of DEADLINES) body.writeBigUInt64LE(0n, at)
  const hash = createHash('sha256').update(NAME).update(numbers(0, subjects.length))
  for (const { path, kind } of subjects) hash.update(numbers(KINDS[kind])).update(encodeStrings([path]))
  return hash.update(body).update(strings).digest('hex')
}

function numbers(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length)
  for (const [i, value] of values.entries()) bytes.writeUInt32LE(value, 4 * i)
  return bytes
}
