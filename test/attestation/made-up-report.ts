import {
  bindExtraData,
  encodeExecutions,
  issueAkCertificate,
  REPORT_DOMAIN,
  type ReferenceValues,
  type Report,
  type ReportTrust,
  readAttestationKey,
} from '../../attestation/index.ts'
import { sha256, sha256Hex } from '../../encoding/digest.ts'
import { generateKey, type PrivateKey } from '../../signing/key.ts'
import { AT, forgeEkChain } from './identity/certificate-forge.ts'
import type { QuoteFields } from './software-quote.ts'
import { type Parts, parts, SyntheticHost } from './synthetic-host.ts'

export const NONCE = Buffer.alloc(32, 7)
export const EXECUTIONS = encodeExecutions({
  running: 2,
  executions: [
    {
      id: 'ab'.repeat(16),
      state: 'RUNNING',
      artifact: 'cd'.repeat(32),
      subject: 'ef'.repeat(32),
      since: '2026-11-21T02:00:00.000Z',
    },
  ],
})
const HOUR_MS = 3600_000

type ForgedChain = Awaited<ReturnType<typeof forgeEkChain>>

/** What of a report is to be other than usual. The quote follows. */
export interface Unusual {
  readonly parts?: Parts
  readonly binding?: Partial<Report['binding']>
  readonly quote?: Partial<QuoteFields>
  readonly report?: Partial<Report>
}

/** A host with a key of ours for a TPM, an EK certificate of a forged maker, and an operator who certified it. */
export class ReportingHost {
  readonly host: SyntheticHost
  readonly operator: PrivateKey
  readonly reference: ReferenceValues
  readonly ek: ForgedChain
  readonly akCertificate: Buffer
  readonly hostId: string
  readonly sessionKey = generateKey('ed25519').public

  private constructor(operator: PrivateKey, ek: ForgedChain, host: SyntheticHost, akCertificate: Buffer) {
    this.operator = operator
    this.ek = ek
    this.host = host
    this.hostId = Buffer.from(host.key.ak.name).toString('hex')
    this.reference = host.reference()
    this.akCertificate = akCertificate
  }

  static async make(operator = generateKey('ed25519')): Promise<ReportingHost> {
    const host = new SyntheticHost()
    const chain = await forgeEkChain({})
    const akCertificate = await issueAkCertificate(
      {
        ak: readAttestationKey(host.key.ak.publicArea),
        ekCertificateSha256: sha256Hex(chain.ek.der),
        notBefore: new Date(AT.getTime() - HOUR_MS),
        notAfter: new Date(AT.getTime() + HOUR_MS),
      },
      operator,
    )
    return new ReportingHost(operator, chain, host, akCertificate)
  }

  binding(over: Partial<Report['binding']> = {}): Report['binding'] {
    return {
      nonce: NONCE,
      treeSize: 5n,
      lineageRoot: sha256(Buffer.from('root')),
      sessionKeySpkiDigest: sha256(this.sessionKey.spki),
      referenceValuesDigest: Buffer.from(this.reference.digest, 'hex'),
      executionsDigest: sha256(EXECUTIONS),
      ...over,
    }
  }

  report(unusual: Unusual = {}): Report {
    const binding = this.binding(unusual.binding)
    const extraData = bindExtraData({ ...binding, domain: REPORT_DOMAIN })
    return {
      evidence: this.host.evidence(unusual.parts ?? parts(), { extraData, ...unusual.quote }),
      imaFrom: 0,
      binding,
      executions: EXECUTIONS,
      sessionKeySpki: this.sessionKey.spki,
      checkpoint: null,
      growth: null,
      akPublicArea: this.host.key.ak.publicArea,
      akCertificate: this.akCertificate,
      ekCertificate: this.ek.ek.der,
      ekIntermediates: [this.ek.issuing.der],
      claimedTier: 'unknown',
      ...unusual.report,
    }
  }

  /** What it measured, where nothing else is said. */
  parts(): Parts {
    return parts()
  }

  /** When its certificates are valid, in seconds since 1970. */
  get attime(): string {
    return String(AT.getTime() / 1000)
  }

  /** Everything is asked for, but what a first report of a host cannot have. */
  trust(over: Partial<ReportTrust> = {}): ReportTrust {
    return {
      nonce: NONCE,
      hostId: this.hostId,
      operatorKey: this.operator.public,
      ekRoots: { hardware: [this.ek.root.der], other: [] },
      reference: this.reference,
      governedDigests: new Set(),
      lineage: null,
      history: null,
      at: AT,
      ...over,
    }
  }
}
