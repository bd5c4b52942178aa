import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** Bytes of a token: beyond guessing. */
export const ATTACH_TOKEN_BYTES = 32

/** A secret of one execution, for its caller alone: with it that one attaches again after a restart. The daemon keeps its digest only. */
export function newAttachToken(): Buffer {
  return randomBytes(ATTACH_TOKEN_BYTES)
}

/** What the lineage has of a token: SHA-256 in lower-case hexadecimal. Of 256 random bits nothing leads back to them. */
export function attachDigest(token: Uint8Array): string {
  return createHash('sha256').update(token).digest('hex')
}

/**
 * Whether this is the token of the digest. Takes the same time whatever of it is right.
 *
 * @param token as a caller sent it, of any length
 * @param digest of the lineage, or null: nobody can attach
 */
export function isAttachToken(token: Uint8Array, digest: string | null): boolean {
  if (digest === null || token.length !== ATTACH_TOKEN_BYTES) return false
  return timingSafeEqual(Buffer.from(attachDigest(token)), Buffer.from(digest))
}
