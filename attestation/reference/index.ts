export {
  type Capture,
  type CaptureInput,
  type CaptureWords,
  captureAttested,
  captureReferenceValues,
} from './capture.ts'
export { type DiffOptions, diffReferenceValues } from './diff.ts'
export {
  type Component,
  checkListedPaths,
  encodeReferenceValues,
  MAX_REFERENCE_BYTES,
  MAX_REFERENCE_ENVELOPE_BYTES,
  parseReferenceValues,
  REFERENCE_VALUES_TYPE,
  type ReferenceDocument,
  type ReferenceValues,
  type WrittenReferenceValues,
  withoutFileList,
} from './document.ts'
export { ReferenceValuesError, type ReferenceValuesErrorCode } from './error.ts'
export { type ImaList, type ImaListDocument, imaListWarnings } from './ima-list.ts'
export { mergeReferenceValues, type ReferenceAddition } from './merge.ts'
export type { PcrRule } from './pcr-rule.ts'
export type { ReferenceChange } from './reference-change.ts'
export {
  checkReferenceRevision,
  checkReferenceSuccessor,
  type KnownRevisions,
  withRevision,
} from './rollback.ts'
export type {
  BootFiles,
  BootImages,
  BootKey,
  CommandLines,
  Firmware,
  OtherEvent,
  SecureBoot,
  UkiStatement,
} from './statements.ts'
export { type UkiAddition, type UkiBoots, ukiAddition } from './uki-addition.ts'
