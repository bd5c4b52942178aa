import { hash, webcrypto } from 'node:crypto'

/** SHA-256 of the bytes, as bytes. */
export function sha256(bytes: Uint8Array): Buffer {
  return hash('sha256', bytes, 'buffer')
}

/** SHA-256 of the bytes, as lower-case hexadecimal. */
export function sha256Hex(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex')
}

/** Most bytes that are hashed on the caller's thread: some 0.2 ms. */
const MOST_AT_ONCE = 256 << 10

/** As {@link sha256Hex}; many bytes are hashed on another thread, so that nobody waits for it. */
export async function sha256HexAside(bytes: Uint8Array): Promise<string> {
  if (bytes.length <= MOST_AT_ONCE) return sha256Hex(bytes)
  return Buffer.from(await webcrypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)).toString(
    'hex',
  )
}
