/** pcr, template hash, length of the name: what stands before the name (security/integrity/ima/ima_fs.c, ima_measurements_show). */
const HEAD = 4 + 20 + 4
const MAX_NAME_BYTES = 255

/**
 * Where the entry after the first `count` begins in a binary IMA log, so that a report can leave out what its reader has; null when
 * there are not so many entries, or something that is no entry. Reads lengths alone: whoever verifies the rest hashes it.
 *
 * @param log read from this host's own kernel
 */
export function imaEntryOffset(log: Buffer, count: number): number | null {
  let at = 0
  for (let index = 0; index < count; index++) {
    if (at + HEAD > log.length) return null
    const nameLength = log.readUInt32LE(at + HEAD - 4)
    const nameEnd = at + HEAD + nameLength
    if (nameLength === 0 || nameLength > MAX_NAME_BYTES || nameEnd + 4 > log.length) return null
    // The oldest template alone has no length before its data: a SHA-1 digest, and a name after its length.
    const oldest = nameLength === 3 && log.toString('latin1', at + HEAD, nameEnd) === 'ima'
    const dataStart = oldest ? nameEnd + 20 : nameEnd
    if (dataStart + 4 > log.length) return null
    at = dataStart + 4 + log.readUInt32LE(dataStart)
    if (at > log.length) return null
  }
  return at
}
