import { createHmac, timingSafeEqual } from 'node:crypto'
import { TpmError } from './error.ts'
import { sized, u8, u32 } from './structures/integers.ts'

/** Bytes of a nonce: those of a SHA-256 digest, the most that a session of that hash takes (TPM 2.0 Part 1, section 19.6.3). */
export const NONCE_SIZE = 32

/** TPMS_AUTH_RESPONSE (TPM 2.0 Part 2, section 10.13.3). */
export interface ResponseAuthorization {
  readonly nonce: Buffer
  readonly attributes: number
  readonly hmac: Buffer
}

/** What both ends of a session have at one command. */
export interface SessionMoment {
  /** sessionKey ‖ authValue. */
  readonly key: Buffer
  readonly nonceCaller: Buffer
  readonly nonceTpm: Buffer
  readonly attributes: number
}

/** authHMAC (Part 1, section 19.6.5): HMAC(sessionKey ‖ authValue, pHash ‖ nonceNewer ‖ nonceOlder ‖ attributes). */
function authHmac(key: Buffer, pHash: Buffer, newer: Buffer, older: Buffer, attributes: number): Buffer {
  return createHmac('sha256', key).update(pHash).update(newer).update(older).update(u8(attributes)).digest()
}

/** TPMS_AUTH_COMMAND of an HMAC session (Part 2, section 10.13.2). */
export function authorizationArea(handle: number, cpHash: Buffer, moment: SessionMoment): Buffer {
  const { key, nonceCaller, nonceTpm, attributes } = moment
  const hmac = authHmac(key, cpHash, nonceCaller, nonceTpm, attributes)
  return Buffer.concat([u32(handle), sized(nonceCaller), u8(attributes), sized(hmac)])
}

/**
 * Checks the TPM's answer in an HMAC session.
 *
 * @param moment what the command was sent with
 * @param answer controlled by whoever sits on the way to the TPM
 * @returns the TPM's next nonce
 * @throws TpmError `TPM_UNAUTHENTIC`, `TPM_MALFORMED`
 */
export function checkAuthorization(
  title: string,
  rpHash: Buffer,
  answer: ResponseAuthorization,
  { key, nonceCaller, attributes }: SessionMoment,
): Buffer {
  const expected = authHmac(key, rpHash, answer.nonce, nonceCaller, answer.attributes)
  if (answer.hmac.length !== expected.length || !timingSafeEqual(answer.hmac, expected)) {
    throw new TpmError('TPM_UNAUTHENTIC', `${title}: the response's HMAC is not the TPM's`)
  }
  // Among the attributes is whether it is encrypted: an answer in the clear where that was asked for has others.
  if (answer.nonce.length !== NONCE_SIZE || answer.attributes !== attributes) {
    throw new TpmError(
      'TPM_MALFORMED',
      `${title}: session attributes or nonce differ from what was asked for`,
    )
  }
  return Buffer.from(answer.nonce)
}
