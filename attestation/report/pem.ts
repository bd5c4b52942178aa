import type { KeyObject } from 'node:crypto'

/** DER as one PEM block (RFC 7468). */
export function pemBlock(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
}

/** A public key as OpenSSL and tpm2-tools read it. */
export function publicKeyPem(key: KeyObject): string {
  return pemBlock('PUBLIC KEY', key.export({ type: 'spki', format: 'der' }))
}

/** The DER of every block of that label, in order; nothing about it is known to be what the label says. */
export function pemBlocks(label: string, text: string): Buffer[] {
  const pattern = new RegExp(`-----BEGIN ${label}-----\\n([A-Za-z0-9+/=\\n]*)-----END ${label}-----\\n`, 'g')
  return Array.from(text.matchAll(pattern), ([, body = '']) =>
    Buffer.from(body.replaceAll('\n', ''), 'base64'),
  )
}
