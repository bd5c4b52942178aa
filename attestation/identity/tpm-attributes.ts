import {
  DER_TAG,
  type DerElement,
  derElement,
  derElements,
  derOid,
  derSequence,
  derUnsigned,
} from '../../encoding/der.ts'
import { EncodingError } from '../../encoding/error.ts'
import type { Certificate } from './certificate.ts'
import { attributesOf } from './distinguished-name.ts'
import { IdentityError } from './error.ts'
import { directoryNames } from './name-constraints.ts'

/** What an EK certificate says of its TPM. The issuer's claims: true as far as the issuer is trusted. */
export interface TpmAttributes {
  /** Eight upper-case hexadecimal digits, without the `id:` before them, for example `494E5443` (INTC). */
  readonly manufacturer: string
  readonly model: string
  /** Firmware version, hexadecimal digits: eight by the profile, fewer on some TPMs. */
  readonly version: string
}

/** The TPM specification that a TPM implements, as its EK certificate says. */
export interface TpmSpecification {
  /** For example `2.0`. */
  readonly family: string
  readonly level: number
  readonly revision: number
}

/** tcg-at-tpmManufacturer, -Model, -Version (TCG EK Credential Profile for TPM 2.0, section 3.1.2). */
const ATTRIBUTES = { manufacturer: '2.23.133.2.1', model: '2.23.133.2.2', version: '2.23.133.2.3' } as const

/**
 * Reads the TPM attributes from the subject alternative name; null when it holds none.
 *
 * @throws IdentityError `CERTIFICATE_MALFORMED` when they are incomplete, repeated or not in the profile's form
 */
export function readTpmAttributes(ek: Certificate): TpmAttributes | null {
  const names = directoryNames(ek.alternatives)
  const all = (oid: string) => names.flatMap(name => attributesOf(name, oid))
  const fields = Object.entries(ATTRIBUTES).map(([field, oid]) => [field, all(oid)] as const)
  if (fields.every(([, values]) => values.length === 0)) return null
  const one = (field: keyof typeof ATTRIBUTES): string => {
    const values = all(ATTRIBUTES[field])
    const [value] = values
    if (value == null || values.length !== 1 || value.length > 256) throw malformed(ek, field)
    return value
  }
  const id = (field: 'manufacturer' | 'version', form: RegExp): string => {
    const match = form.exec(one(field))
    if (!match?.[1]) throw malformed(ek, field)
    return match[1].toUpperCase()
  }
  return {
    manufacturer: id('manufacturer', /^id:([0-9A-Fa-f]{8})$/),
    model: one('model'),
    version: id('version', /^id:([0-9A-Fa-f]{1,16})$/),
  }
}

/** tcg-at-tpmSpecification (EK Credential Profile, section 3.1.3). */
const SPECIFICATION = '2.23.133.2.16'

/** Reads the specification from the subject directory attributes; null when it is not there or not in the profile's form. */
export function readTpmSpecification({ directoryAttributes }: Certificate): TpmSpecification | null {
  if (directoryAttributes === null) return null
  try {
    for (const attribute of derSequence(directoryAttributes)) {
      const [type, values] = derSequence(attribute.bytes)
      if (values === undefined || derOid(type) !== SPECIFICATION) continue
      const [value] = derElements(derElement(values.bytes, DER_TAG.set).content)
      const [family, level, revision] = derSequence(value?.bytes ?? Buffer.alloc(0))
      if (family?.tag !== DER_TAG.utf8String || family.content.length > 16) return null
      return { family: family.content.toString('utf8'), level: small(level), revision: small(revision) }
    }
  } catch (error) {
    if (!(error instanceof EncodingError)) throw error
  }
  return null
}

function small(element: DerElement | undefined): number {
  const bytes = derUnsigned(element)
  if (bytes.length > 4) throw new EncodingError('BAD_DER', 'a number of more than 32 bits')
  return bytes.readUIntBE(0, bytes.length)
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
