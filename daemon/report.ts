import {
  bindExtraData,
  type EnrolledAk,
  QUOTED_SELECTION,
  type QuoteBinding,
  type Tier,
} from '../attestation/index.ts'
import type { HostIdentity, SigningKey, Tpm } from '../attestation/tpm2/index.ts'
import { sha256 } from '../encoding/digest.ts'
import type { Lineage } from '../lineage/index.ts'
import type { GetReportResponseInput } from '../proto/generated/writ/v1/GetReportResponse.ts'
import type { PublicKey } from '../signing/key.ts'
import { HostLogReader, type OpenLog } from './host-logs.ts'
import type { SignedReferenceValues } from './reference-values.ts'

export interface ReportSource {
  readonly tpm: Tpm
  readonly ak: EnrolledAk
  readonly signingKey: SigningKey
  readonly identity: HostIdentity
  readonly akCertificate: Buffer | null
  readonly sessionKey: PublicKey
  readonly tier: Tier
  readonly lineage: Lineage
  readonly openLog: OpenLog
  readonly reference: () => SignedReferenceValues | null
}

/** Stands for "no reference values are in force" in a report's binding. */
const NO_REFERENCE_VALUES = Buffer.alloc(32)

/**
 * A fresh quote over the caller's nonce with all that explains it. Judges nothing: that is the caller's part.
 *
 * @param uid whose turn at the TPM it takes
 * @throws TpmError
 */
export async function makeReport(
  source: ReportSource,
  uid: number,
  nonce: Buffer,
): Promise<GetReportResponseInput> {
  const { lineage, sessionKey, identity } = source
  const reference = source.reference()
  const binding: QuoteBinding = {
    domain: 'writ/v1/report',
    nonce,
    treeSize: lineage.size,
    lineageRoot: lineage.rootHash(),
    sessionKeySpkiDigest: sha256(sessionKey.spki),
    referenceValuesDigest: reference === null ? NO_REFERENCE_VALUES : Buffer.from(reference.digest, 'hex'),
  }
  const quote = await source.tpm.quote({
    ak: source.signingKey,
    extraData: bindExtraData(binding),
    selection: QUOTED_SELECTION,
    requester: { kind: 'report', uid },
  })
  const logs = await new HostLogReader(source.openLog).read()
  return {
    quoteAttest: quote.attest,
    quoteSignature: quote.signature,
    nonce,
    lineageSize: String(binding.treeSize),
    lineageRoot: Buffer.from(binding.lineageRoot),
    sessionKeySpkiDigest: Buffer.from(binding.sessionKeySpkiDigest),
    referenceValuesDigest: Buffer.from(binding.referenceValuesDigest),
    eventLog: logs.eventLog,
    userspaceLog: logs.userspaceLog ?? Buffer.alloc(0),
    imaLog: logs.imaLog ?? Buffer.alloc(0),
    akPublicArea: source.ak.publicArea,
    akCertificate: source.akCertificate ?? Buffer.alloc(0),
    ekCertificate: identity.ekCertificate ?? Buffer.alloc(0),
    ekIntermediates: [...identity.ekIntermediates],
    ekPublicArea: identity.ekPublicArea,
    sessionKeySpki: sessionKey.spki,
    tier: `TPM_TIER_${source.tier.toUpperCase() as 'HARDWARE' | 'SIMULATED' | 'UNKNOWN'}`,
  }
}
