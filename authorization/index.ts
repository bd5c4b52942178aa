/**
 * Who may run what: artifacts, trust roots, policy, revocations, uses, and the decision that follows from them. Pure over
 * bytes; needs no daemon and no TPM. What it says to other rooms is exported here.
 */

export { MAX_ARTIFACT_BYTES, type OpenedArtifact, sentArtifact, signedBy } from './artifact.ts'
export {
  CLEARANCE_PAYLOAD_TYPE,
  type Clearance,
  type ClearanceFields,
  openClearance,
  parseClearance,
  signClearance,
} from './clearance.ts'
export {
  CLOCK_TOLERANCE_MS,
  type ClockBase,
  type ClockLook,
  ClockWatch,
  isSamePower,
  type TpmClock,
  tpmDisagreement,
} from './clock-watch.ts'
export {
  type Decision,
  decideAfterOpen,
  decideAndReserve,
  decideBeforeOpen,
  type Grounds,
  type ToOpen,
} from './decision.ts'
export { type GovernanceDocument, openDocument, signDocument } from './document.ts'
export { AuthorizationError, type AuthorizationErrorCode } from './error.ts'
export type { CheckOutcome, CheckResult, DeterminingPolicies } from './explain.ts'
export type { GateSnapshot } from './gate-snapshot.ts'
export {
  checkLabelsSuccessor,
  HOST_LABELS_PAYLOAD_TYPE,
  type HostLabels,
  type HostLabelsFields,
  labelsInForce,
  openHostLabels,
  parseHostLabels,
  readHostLabels,
  signHostLabels,
} from './host-labels.ts'
export type { DecisionInput, ParentState, PlainInput } from './input.ts'
export { issueArtifact, type SubjectDigest, statementBytes } from './issue.ts'
export { mintArtifact } from './mint.ts'
export type { PolicyAnswer } from './policy/answer-cache.ts'
export {
  POLICY_PAYLOAD_TYPE,
  type PolicyBundleFields,
  parsePolicyBundle,
  policyBundleBytes,
  signPolicyBundle,
} from './policy/bundle.ts'
export { type PolicyCase, parsePolicyCases } from './policy/case.ts'
export {
  checkPolicySuccessor,
  compileBundle,
  lapseOf,
  openPolicyBundle,
  type PolicyBundle,
  PolicyCache,
} from './policy/compiled.ts'
export { policyLanguageVersion } from './policy/engine.ts'
export { askCedar, type PlainQuestion } from './policy/plain.ts'
export { type PolicyQuestion, whatPoliciesSee } from './policy/request.ts'
export { DEFAULT_SCHEMA } from './policy/schema.ts'
export { REASON_CODES, type Reason, type ReasonCode, reason } from './reason.ts'
export {
  type DecisionRecord,
  parseRecord,
  RECORD_TYPE,
  recordReferences,
  STAGES,
  type Stage,
} from './record.ts'
export {
  type BlobSource,
  type Explanation,
  type Reevaluation,
  type ReevaluationAnchors,
  Reevaluator,
} from './reevaluate.ts'
export {
  type Known,
  type Missing,
  type Rehearsal,
  type RehearsedCheck,
  rehearse,
} from './rehearse.ts'
export { type Caller, type ExecutionRequest, type ObservedSubject, parseRequest } from './request.ts'
export {
  MAX_REVOKED_AT_ONCE,
  openRevocation,
  openRevocationInSteps,
  parseRevocation,
  REVOCATION_KINDS,
  REVOCATION_PAYLOAD_TYPE,
  type Revocation,
  type RevocationFields,
  type RevocationKind,
  type RevocationOrder,
  type RevocationTarget,
  readRevocation,
  signRevocation,
} from './revocation.ts'
export {
  MAX_REVOKED,
  parseRevocationLink,
  type Revocable,
  RevocationSet,
  type Revoked,
} from './revocation-set.ts'
export { isRevoked, type PermittedRun } from './revoked-run.ts'
export type { SubjectToOpen } from './scope.ts'
export {
  checkSecretPolicySuccessor,
  openSecretPolicy,
  parseSecretPolicy,
  readSecretPolicy,
  SECRET_POLICY_PAYLOAD_TYPE,
  type SecretApproval,
  type SecretPolicy,
  type SecretPolicyFields,
  secretPolicyKey,
  signSecretPolicy,
} from './secret-policy.ts'
export {
  decryptPayload,
  encryptPayload,
  MAX_SECRET_BYTES,
  openAuthValue,
  parseSealedSecret,
  type SealedSecret,
  sealAuthValue,
} from './secrets.ts'
export {
  type ArtifactSigner,
  countSigners,
  type KeyTerms,
  NOT_SIGNED,
  type Signed,
  type SignersFound,
  type SigningRule,
  shortOf,
  signersMissing,
  windowAt,
} from './signers.ts'
export { type Standing, standingReasons } from './standing.ts'
export {
  ARTIFACT_PAYLOAD_TYPE,
  type Authorization,
  PREDICATE_TYPE,
  parseStatement,
  type Scope,
  STATEMENT_TYPE,
  type Statement,
  subjectDigest,
} from './statement.ts'
export type { LaunchTerms } from './terms.ts'
export { MAX_TREE_DEPTH, MAX_TREE_ENTRIES, type TreeEntry, treeDigest, treeManifest } from './tree.ts'
export {
  type Authority,
  type AuthorityKey,
  checkTrustSuccessor,
  openTrustRoots,
  parseTrustRoots,
  readTrustRoots,
  signTrustRoots,
  TRUST_PAYLOAD_TYPE,
  type TrustRoots,
  type TrustRootsFields,
  trustLapseOf,
} from './trust.ts'
export {
  type RecordedUses,
  type UseClaim,
  type UseLedger,
  type UseReservation,
  UseTable,
  type UseView,
} from './uses.ts'
