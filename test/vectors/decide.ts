import {
  type Decision,
  type DecisionInput,
  decideAfterOpen,
  type HostLabels,
  openHostLabels,
  openRevocation,
  openTrustRoots,
  type PolicyBundle,
  REVOCATION_PAYLOAD_TYPE,
  RevocationSet,
  signDocument,
  signHostLabels,
  signTrustRoots,
  type TrustRoots,
} from '../../authorization/index.ts'
import { canonicalJsonBytes } from '../../encoding/json.ts'
import { bytesOf, type Expected, type Given } from './form.ts'
import { ed25519Key } from './source/keys.ts'

/** Signs what of the inputs is a signed document on a host; vectors have the fields alone. */
const governance = ed25519Key('governance')

const opened = new Map<string, TrustRoots>()

function trustRoots(fields: NonNullable<Given['trustRoots']>): TrustRoots {
  const key = JSON.stringify(fields)
  const known = opened.get(key) ?? openTrustRoots(signTrustRoots(fields, governance), [governance.public])
  opened.set(key, known)
  return known
}

function hostLabels(fields: NonNullable<Given['hostLabels']>): HostLabels {
  return openHostLabels(signHostLabels(fields, governance), [governance.public])
}

function policy({ answer, ...bundle }: NonNullable<Given['policy']>): PolicyBundle {
  const { digest } = bundle
  return {
    ...bundle,
    version: 1,
    envelope: Buffer.alloc(0),
    envelopeDigest: digest,
    evaluate: () => answer,
  }
}

function revocations(revoke: Given['revoked']): RevocationSet {
  if (Object.keys(revoke).length === 0) return RevocationSet.empty
  const payload = canonicalJsonBytes({ version: 1, epoch: 1, revoke })
  const envelope = signDocument(REVOCATION_PAYLOAD_TYPE, payload, governance)
  return RevocationSet.empty.with(openRevocation(envelope, [governance.public]))
}

/** The inputs of a decision as the code takes them. */
export function inputOf(given: Given): DecisionInput {
  const { request, caller, host, gate, lineage, fault, clock, minting, parent } = given
  return {
    ...{ request, caller, host, gate, lineage, fault, clock, minting },
    artifact: given.artifact === null ? null : bytesOf(given.artifact),
    trustRoots: given.trustRoots === null ? null : trustRoots(given.trustRoots),
    hostLabels: given.hostLabels === null ? null : hostLabels(given.hostLabels),
    policy: given.policy === null ? null : policy(given.policy),
    revocations: revocations(given.revoked),
    uses: { view: () => given.uses },
    parent: parent === null ? null : { ...parent, decisionRecord: '0'.repeat(64) },
  }
}

/** What this implementation answers. */
export function answer(given: Given): Decision {
  return decideAfterOpen(inputOf(given), given.observed)
}

export function expectedOf({ outcome, stage, reasons }: Decision): Expected {
  return {
    outcome,
    stage,
    reasons: reasons.map(({ code, at }) => (at === undefined ? { code } : { code, at })),
  }
}
