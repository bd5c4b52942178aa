import { type Certificate, KEY_USAGE } from './certificate.ts'
import { type VerifiedChain, verifyChain } from './chain.ts'
import { IdentityError } from './error.ts'
import type { Revocations } from './revocation.ts'
import { readTpmAttributes, type TpmAttributes } from './tpm-attributes.ts'

/** tcg-kp-EKCertificate (TCG EK Credential Profile for TPM 2.0, version 2.5, section 3.2.16). */
export const EK_PURPOSE = '2.23.133.8.1'

export interface EkChainOptions {
  /** DER roots of makers of hardware TPMs. */
  readonly hardwareRoots: readonly Uint8Array[]
  /** DER roots that are trusted but say nothing about hardware: a hypervisor's CA, swtpm's local CA. */
  readonly otherRoots: readonly Uint8Array[]
  readonly intermediates: readonly Uint8Array[]
  readonly ownIntermediates?: readonly Uint8Array[]
  readonly at: Date
  readonly revocations?: Revocations
}

/** An EK certificate whose chain and profile verified. */
export interface VerifiedEk extends VerifiedChain {
  readonly rootKind: 'hardware' | 'other'
  /** What the certificate's issuer says about the TPM; null when the certificate does not say. */
  readonly tpm: TpmAttributes | null
}

/**
 * Verifies an EK certificate: path to a root that the verifier gave, then the profile of an EK (TCG EK Credential
 * Profile for TPM 2.0, section 3.2). That the TPM holds the key is *not* shown by this; credential activation shows it.
 *
 * @throws IdentityError
 */
export function verifyEkChain(ekCertificate: Uint8Array, options: EkChainOptions): VerifiedEk {
  const { hardwareRoots, otherRoots, ...rest } = options
  checkRootsDisjoint(hardwareRoots, otherRoots)
  const chain = verifyChain(ekCertificate, {
    ...rest,
    roots: [...hardwareRoots, ...otherRoots],
    purpose: EK_PURPOSE,
  })
  checkEkProfile(chain.leaf)
  const hardware = hardwareRoots.some(root => chain.root.der.equals(root))
  return { ...chain, rootKind: hardware ? 'hardware' : 'other', tpm: readTpmAttributes(chain.leaf) }
}

function checkRootsDisjoint(hardware: readonly Uint8Array[], other: readonly Uint8Array[]): void {
  if (hardware.some(a => other.some(b => Buffer.compare(a, b) === 0))) {
    throw new IdentityError('ROOT_AMBIGUOUS', 'a root is given both as a hardware root and as another root')
  }
}

/** The key may only be used to receive secrets (EK Credential Profile, section 3.2.11), and is no CA. */
function checkEkProfile(ek: Certificate): void {
  const type = ek.publicKey.asymmetricKeyType
  const wanted =
    type === 'rsa' ? KEY_USAGE.keyEncipherment : type === 'ec' ? KEY_USAGE.keyAgreement : undefined
  if (wanted === undefined) throw new IdentityError('EK_UNSUPPORTED', `an EK of type ${type}`)
  if (ek.keyUsage === null || !(ek.keyUsage & wanted) || ek.keyUsage & KEY_USAGE.digitalSignature) {
    throw new IdentityError('KEY_USAGE', 'the EK certificate is not for a key that receives secrets', {
      at: ek.sha256,
    })
  }
  if (ek.basicConstraints?.ca)
    throw new IdentityError('KEY_USAGE', 'the EK certificate is a CA', { at: ek.sha256 })
}
