/** The data of boot log events, each field with whether a measured digest binds it. Pure. */
export type { Measured } from './binding.ts'
export { isMeasured, measured } from './binding.ts'
export { type LoggedCertificate, toBeSigned } from './certificate.ts'
export type {
  BlobFields,
  DecodedEvent,
  DecodedKind,
  HandoffTable,
  MeasuredWhat,
  MemoryEncryption,
  NoteFields,
  NoteKind,
  SeparatorMeaning,
} from './decoded.ts'
export { decodeEvents, type LoggedEvent } from './decoded-log.ts'
export type { DevicePath, DevicePathNode } from './device-path/index.ts'
export { decodeEvent } from './event.ts'
export type { Field } from './field.ts'
export type { GptFields, GptPartition } from './gpt.ts'
export { GUID } from './guid.ts'
export { type IplFields, type IplForm, isLoadOptions } from './ipl.ts'
export { decodedEventJson, type JsonValue } from './json.ts'
export type { LoadOption } from './load-option.ts'
export type { NoActionEvent } from './no-action.ts'
export type { SbatEntry } from './sbat.ts'
export type { SignatureEntry, SignatureList } from './signature-list.ts'
export type { Locator, PlatformIdFields, PlatformNames } from './sp800-155.ts'
export type { SpdmFields } from './spdm.ts'
export type { VariableFields } from './variable.ts'
export type { VariableContents } from './variable-contents.ts'
