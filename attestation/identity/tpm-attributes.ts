import type { Certificate } from './certificate.ts'
import { IdentityError } from './error.ts'
import { Name } from './x509.ts'

/** What an EK certificate says of its TPM. The issuer's claims: true as far as the issuer is trusted. */
export interface TpmAttributes {
  /** Eight upper-case hexadecimal digits, without the `id:` before them, for example `494E5443` (INTC). */
  readonly manufacturer: string
  readonly model: string
  /** Firmware version, eight hexadecimal digits. */
  readonly version: string
}

/** tcg-at-tpmManufacturer, -Model, -Version (TCG EK Credential Profile for TPM 2.0, section 3.1.2). */
const ATTRIBUTES = { manufacturer: '2.23.133.2.1', model: '2.23.133.2.2', version: '2.23.133.2.3' } as const

/**
 * Reads the TPM attributes from the subject alternative name; null when it holds none.
 *
 * @throws IdentityError `CERTIFICATE_MALFORMED` when they are incomplete, repeated or not in the profile's form
 */
export function readTpmAttributes(ek: Certificate): TpmAttributes | null {
  const names =
    ek.subjectAltName?.filter(({ type }) => type === 'dn').map(({ value }) => new Name(value)) ?? []
  const all = (oid: string) => names.flatMap(name => name.getField(oid))
  const fields = Object.entries(ATTRIBUTES).map(([field, oid]) => [field, all(oid)] as const)
  if (fields.every(([, values]) => values.length === 0)) return null
  const one = (field: keyof typeof ATTRIBUTES): string => {
    const values = all(ATTRIBUTES[field])
    const [value] = values
    if (value === undefined || values.length !== 1 || value.length > 256) throw malformed(ek, field)
    return value
  }
  const id = (field: 'manufacturer' | 'version'): string => {
    const match = /^id:([0-9A-Fa-f]{8})$/.exec(one(field))
    if (!match?.[1]) throw malformed(ek, field)
    return match[1].toUpperCase()
  }
  return { manufacturer: id('manufacturer'), model: one('model'), version: id('version') }
}

function malformed(ek: Certificate, field: string): IdentityError {
  return new IdentityError(
    'CERTIFICATE_MALFORMED',
    `the EK certificate's TPM ${field} is missing, repeated or malformed`,
    {
      at: ek.sha256,
    },
  )
}
