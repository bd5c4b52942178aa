import type { Certificate } from './certificate.ts'
import type { RevocationList } from './crl.ts'
import { IdentityError } from './error.ts'

/** Whether something can be said about the revocation of a certificate. */
export type RevocationStatus = 'good' | 'revoked' | 'stale' | 'unknown'

/**
 * What is known of revoked certificates: lists that issuers signed, and a list of the verifier's own. A list that is not signed by the
 * issuer counts for nothing. What an issuer once revoked stays revoked, however old its list is and whatever instant is asked for.
 */
export class Revocations {
  readonly #lists: readonly RevocationList[]
  readonly #denied: ReadonlySet<string>
  readonly #at: Date

  /**
   * @param denied lower-case hexadecimal: SHA-256 of certificates, or serial numbers
   * @param at when a list has to be in force to say that a certificate is good
   */
  constructor(lists: readonly RevocationList[], denied: ReadonlySet<string>, at: Date) {
    this.#lists = lists
    this.#denied = denied
    this.#at = at
  }

  isRevoked(certificate: Certificate, issuer: Certificate): boolean {
    return this.status(certificate, issuer) === 'revoked'
  }

  status(certificate: Certificate, issuer: Certificate): RevocationStatus {
    if (this.#denied.has(certificate.sha256) || this.#denied.has(bareSerial(certificate.serial)))
      return 'revoked'
    const lists = this.#lists.filter(
      list => list.issuer === certificate.issuerKey && list.isSignedBy(issuer.publicKey),
    )
    if (lists.some(list => list.serials.has(certificate.serial))) return 'revoked'
    const isAuthority = certificate.basicConstraints?.ca === true
    const whole = lists.filter(
      ({ scope }) => scope === 'all' || scope === (isAuthority ? 'authorities' : 'users'),
    )
    const isCurrent = ({ thisUpdate, nextUpdate }: RevocationList): boolean =>
      thisUpdate <= this.#at && nextUpdate !== null && this.#at <= nextUpdate
    return whole.some(isCurrent) ? 'good' : whole.length > 0 ? 'stale' : 'unknown'
  }
}

/** A serial number without the zero that DER puts before a high first bit. */
function bareSerial(serial: string): string {
  return serial.replace(/^(?:00)+(?=.)/, '')
}

/**
 * Reads a list of revoked certificates of the verifier's own: a line for each, the SHA-256 of its DER or its serial number, in
 * hexadecimal (colons allowed, as OpenSSL prints them); `#` begins a remark.
 *
 * @throws IdentityError `CRL_MALFORMED`
 */
export function readDenyList(bytes: Uint8Array): Set<string> {
  const denied = new Set<string>()
  for (const line of Buffer.from(bytes).toString('utf8').split('\n')) {
    const hex = line.replace(/#.*/s, '').replace(/[\s:]/g, '').toLowerCase()
    if (hex === '') continue
    if (!/^[0-9a-f]{1,64}$/.test(hex)) {
      throw new IdentityError(
        'CRL_MALFORMED',
        'a line is neither a serial number nor a SHA-256 in hexadecimal',
      )
    }
    denied.add(hex.length === 64 ? hex : bareSerial(hex.length % 2 === 0 ? hex : `0${hex}`))
  }
  return denied
}
