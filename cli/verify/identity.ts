import {
  type AttestationKey,
  readAttestationKey,
  type VerifiedEk,
  verifyAkCertificate,
  verifyEkChain,
} from '../../attestation/index.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import type { PublicKey } from '../../signing/key.ts'
import type { EkRoots } from '../roots.ts'
import type { BundleHost } from './bundle.ts'
import { AK_CERTIFICATE_PATH, IDENTITY_PATH } from './host-identity.ts'
import type { PropertyResult } from './property.ts'
import { property, StepFailure } from './steps.ts'

/** Whose host it is, as the person who verifies knows it. */
export interface IdentityTrust {
  /** A host may have several governance keys. */
  readonly operators: readonly PublicKey[]
  readonly roots: EkRoots | null
  /** The AK's Name in hexadecimal, if it is known apart from the bundle. */
  readonly hostId: string | null
  readonly at: Date
}

export interface IdentityCheck {
  readonly results: readonly PropertyResult[]
  /** The attestation key, only if the operator's certificate or the verifier's own knowledge vouches for it. */
  readonly ak: AttestationKey | null
  readonly ek: VerifiedEk | null
}

/** Who the host is: attestation key, its certificate by the operator, its EK certificate's chain. */
export async function checkIdentity(host: BundleHost, trust: IdentityTrust): Promise<IdentityCheck> {
  let key: AttestationKey | null = null
  let trusted: AttestationKey | null = null
  let certifiedEk: string | null = null
  let ek: VerifiedEk | null = null
  const files = await property('host files', () => {
    if (host.stray !== null) throw new StepFailure(`${host.stray.path} ${host.stray.why}`, host.stray.path)
    if (host.identity === null) throw new StepFailure(host.identityFault ?? 'unreadable', IDENTITY_PATH)
    key = inFile(IDENTITY_PATH, () => readAttestationKey(host.identity?.akPublicArea ?? Buffer.alloc(0)))
    return { detail: `host ${key.name.toString('hex')}` }
  })
  const named = await property(
    'host that was asked for',
    () => {
      if (trust.hostId === null) return { notChecked: 'no host was named' }
      if (key?.name.toString('hex') !== trust.hostId)
        throw new StepFailure('it is of another host', IDENTITY_PATH)
      trusted = key
      return { detail: trust.hostId }
    },
    trust.hostId !== null,
  )
  const binding = await property(
    'AK–EK binding, certified by the operator',
    () => {
      const der = host.akCertificate
      if (trust.operators.length === 0) return { notChecked: "no operator's key was given" }
      if (der === null) return { notChecked: 'there is no certificate of the attestation key' }
      if (key === null) throw new StepFailure('there is no attestation key to compare with', IDENTITY_PATH)
      const held = key
      const { ekCertificateSha256 } = inFile(AK_CERTIFICATE_PATH, () =>
        byOneOf(trust.operators, operator => verifyAkCertificate(der, operator, held, trust.at)),
      )
      const brought = host.identity?.ekCertificate
      if (brought == null || sha256Hex(brought) !== ekCertificateSha256) {
        throw new StepFailure('the operator certified it under another EK certificate', IDENTITY_PATH)
      }
      trusted = key
      certifiedEk = ekCertificateSha256
      return { detail: 'the operator saw this key activated in the TPM with this EK' }
    },
    // Whoever names the host knows its key from elsewhere.
    trust.hostId === null || trust.roots !== null,
  )
  const chain = await property(
    'EK certificate chain',
    () => {
      if (trust.roots === null) return { notChecked: 'no EK root was given' }
      const identity = host.identity
      if (identity === null || identity.ekCertificate === null) {
        throw new StepFailure('the host has no EK certificate', IDENTITY_PATH)
      }
      const { ekCertificate, ekIntermediates } = identity
      const roots = trust.roots
      ek = inFile(IDENTITY_PATH, () =>
        verifyEkChain(ekCertificate, {
          hardwareRoots: roots.hardware,
          otherRoots: roots.other,
          intermediates: ekIntermediates,
          at: trust.at,
        }),
      )
      const path = new Set(ek.path.map(certificate => certificate.sha256))
      if (ekIntermediates.some(der => !path.has(sha256Hex(der)))) {
        throw new StepFailure('a certificate is not part of the chain', IDENTITY_PATH)
      }
      return { detail: `${ek.path.length} certificates, up to a root that you gave` }
    },
    trust.roots !== null,
  )
  // An EK certificate says something about this host's quotes only through the operator's certificate.
  return { results: [files, named, binding, chain], ak: trusted, ek: certifiedEk === null ? null : ek }
}

/** What the first key vouches for; if none does, what the last one had against it. */
function byOneOf<T>(keys: readonly PublicKey[], verify: (key: PublicKey) => T): T {
  let fault: unknown = new StepFailure("no operator's key was given")
  for (const key of keys) {
    try {
      return verify(key)
    } catch (error) {
      fault = error
    }
  }
  throw fault
}

function inFile<T>(file: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw new StepFailure(error instanceof Error ? error.message : String(error), file)
  }
}
