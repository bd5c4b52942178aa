/** Secrets sealed to a host's TPM: what the sealer and the approver need, without a TPM. */

export { RecipientError, type RecipientErrorCode } from './error.ts'
export {
  approvalMessage,
  approvalSignature,
  type CounterCeiling,
  counterName,
  counterOperand,
  type HostState,
  hostStatePolicy,
  pcrDigest,
  pcrSelection,
  policyKeyName,
  policyKeyPublicArea,
  secretAuthPolicy,
} from './policy-digest.ts'
export {
  encodeRecipient,
  parseRecipient,
  type Recipient,
  recipientBinding,
  verifyEnrolledRecipient,
  verifyRecipientQuote,
} from './recipient.ts'
export { endorsementKeyOf, SEALED_BYTES, type SealedObject, sealFor } from './sealed-object.ts'
