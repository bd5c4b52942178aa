import { LineageError } from '../error.ts'
import { type Codec, constant, integer, list, matching, nullable, object, oneOf, text } from './codec.ts'

/** SHA-256 in lower-case hexadecimal. */
export const digest = matching(/^[0-9a-f]{64}$/, 'a SHA-256 digest in lower-case hexadecimal')
/** An AK's Name: nameAlg SHA-256 and the digest (TPM 2.0 Part 1, section 16). */
export const hostId = matching(/^000b[0-9a-f]{64}$/, "an AK's Name in lower-case hexadecimal")
/** Names an execution: 16 random bytes. */
export const executionId = matching(/^[0-9a-f]{32}$/, 'an execution id')
/** DER in canonical base64. */
export const spki = matching(
  /^(?:[A-Za-z0-9+/]{4}){8,128}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/,
  'a SubjectPublicKeyInfo in base64',
)
/** Bytes in canonical base64, in place of a blob of their own. */
export const inlineBytes: Codec<string> = {
  write(value) {
    // There and back is faster than an expression over some thousand characters.
    if (typeof value !== 'string' || Buffer.from(value, 'base64').toString('base64') !== value)
      throw new LineageError('EVENT_INVALID', 'not bytes in base64')
    return `"${value}"`
  },
  schema: { type: 'string', pattern: '^[A-Za-z0-9+/]*={0,2}$', description: 'bytes in base64' },
}
/** Wall clock, RFC 3339 in UTC with milliseconds. */
export const time = matching(
  /^[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z$/,
  'an RFC 3339 time in UTC with milliseconds',
)
/** A number that may be beyond 2^53, such as CLOCK_BOOTTIME in nanoseconds. */
export const decimal = matching(/^(?:0|[1-9][0-9]{0,19})$/, 'a decimal number')
/** Boot id of the kernel (random(4), /proc/sys/kernel/random/boot_id). */
export const bootId = matching(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'a boot id')
/** A reason or cause in the form that all codes have. */
export const code = matching(/^[A-Z][A-Z0-9_]{1,63}$/, 'a code')
/** The index of an entry. */
export const index = integer()
/** Entries or bytes or a version. */
export const count = integer()
/** uid_t, gid_t. */
export const uid = integer(0, 0xffff_ffff)
export const pid = integer(0, 0x7fff_ffff)
export const tier = oneOf('hardware', 'simulated', 'unknown')
export const gateState = oneOf('UNATTESTED', 'ATTESTED', 'STALE', 'FAILED')

/** Why something happened, for a program and for a person. `at` is null when no place applies. */
export const reasons = list(object({ code, message: text(512), at: nullable(text(128)) }), 64)

/** What every event has. */
export const common = {
  v: constant(1),
  time,
  bootNs: decimal,
}
