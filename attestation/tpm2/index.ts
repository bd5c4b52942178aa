/**
 * The face of what talks to a TPM. Structures that need none are in `structures/`; giving a host its identity is in
 * `provision/index.ts`, which brings tpm2-tools and X.509 along.
 */
export type { NvPublic } from './commands/nv.ts'
export type { ObjectPublic } from './commands/object.ts'
export type { Quote } from './commands/quote.ts'
export { TPM_CC, TPM_HR } from './constants.ts'
export { DEFAULT_DEVICE, DeviceTransport } from './device-transport.ts'
export { TpmError, type TpmErrorCode } from './error.ts'
export type { Entity } from './marshal.ts'
export type { NvCounter } from './nv-counter.ts'
export type { PcrValues } from './pcr-values.ts'
export type { HierarchyState, TpmUse, TpmVendor } from './properties.ts'
export { ProvisionError, type ProvisionErrorCode } from './provision/error.ts'
export { type HostIdentity, type HostSecrets, hostId } from './provision/host-identity.ts'
export { readIdentity, readPublicIdentity, type SecretsPlace } from './provision/identity-files.ts'
export type { Requester } from './queue.ts'
export { baseResponseCode, isExhausted, isTransient, TPM_RC } from './response-code.ts'
export { SwtpmTransport } from './swtpm-transport.ts'
export { type QuoteRequest, type SigningKey, Tpm, type TpmOptions } from './tpm.ts'
export type { TpmTransport } from './transport.ts'
export type { Approval, UnsealRequest } from './unseal.ts'
