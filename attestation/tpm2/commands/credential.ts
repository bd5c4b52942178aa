import { TPM_CC } from '../constants.ts'
import type { Entity, TpmCommand } from '../marshal.ts'

/**
 * TPM2_ActivateCredential (TPM 2.0 Part 3, section 12.5).
 *
 * @param credentialBlob a whole TPM2B_ID_OBJECT
 * @param encryptedSecret a whole TPM2B_ENCRYPTED_SECRET
 */
export function activateCredentialCommand(
  key: Entity,
  ek: Entity,
  credentialBlob: Uint8Array,
  encryptedSecret: Uint8Array,
): TpmCommand<Buffer> {
  return {
    title: 'TPM2_ActivateCredential',
    code: TPM_CC.ActivateCredential,
    handles: [key, ek],
    parameters: Buffer.concat([credentialBlob, encryptedSecret]),
    parse: reader => Buffer.from(reader.sized16be('certInfo')),
  }
}
