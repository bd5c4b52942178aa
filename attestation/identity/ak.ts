import type { KeyObject } from 'node:crypto'
import { WritError } from '../../encoding/error.ts'
import {
  ALG,
  hasAttributes,
  parsePublicArea,
  publicAreaKey,
  publicAreaName,
} from '../tpm2/structures/index.ts'
import { IdentityError } from './error.ts'

/** An attestation key as its TPMT_PUBLIC describes it. */
export interface AttestationKey {
  readonly publicArea: Buffer
  /** Name: nameAlg ‖ digest of the public area. */
  readonly name: Buffer
  readonly publicKey: KeyObject
}

/**
 * Reads a public area that is to be an attestation key and refuses one that could sign something the TPM did not
 * make: it has to be restricted (else it signs whatever is handed to it), born in this TPM and bound to it, a signing key
 * only, usable by its authValue, and outside of the dictionary attack lockout (else a stranger's wrong guesses stop the attestation).
 * An attribute proves something only once the Name is bound to a TPM, by credential activation.
 *
 * @param publicArea TPMT_PUBLIC, controlled by the host that enrols
 * @throws IdentityError `AK_UNFIT`
 */
export function readAttestationKey(publicArea: Uint8Array): AttestationKey {
  try {
    const area = parsePublicArea(publicArea)
    const wanted = [
      'fixedTPM',
      'fixedParent',
      'sensitiveDataOrigin',
      'restricted',
      'sign',
      'userWithAuth',
      'noDA',
    ] as const
    if (!hasAttributes(area, wanted, ['decrypt'])) {
      throw unfit(`its attributes are 0x${area.attributes.toString(16).padStart(8, '0')}`)
    }
    if (area.nameAlg !== 'sha256') throw unfit(`its Name is made with ${area.nameAlg}`)
    if (area.type !== 'ecc' || area.curve.openssl !== 'prime256v1') throw unfit('it is not a P-256 key')
    if (area.scheme?.algorithm !== ALG.ECDSA || area.scheme.hash !== 'sha256') {
      throw unfit('it does not sign by ECDSA with SHA-256')
    }
    return {
      publicArea: Buffer.from(publicArea),
      name: publicAreaName(publicArea),
      publicKey: publicAreaKey(area),
    }
  } catch (error) {
    if (error instanceof IdentityError || !(error instanceof WritError)) throw error
    throw unfit('its public area cannot be read', error)
  }
}

function unfit(why: string, cause?: unknown): IdentityError {
  return new IdentityError('AK_UNFIT', `not fit to be an attestation key: ${why}`, { cause })
}
