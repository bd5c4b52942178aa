import { WritError } from '../../../encoding/error.ts'

/**
 * - `TOOL_FAILED` one of tpm2-tools is missing or failed; the message has its output
 * - `HANDLE_IN_USE` a persistent handle or NV index holds something that was not made with these secrets
 * - `HIERARCHY_AUTH_NEEDED` a hierarchy has an authValue and none was given
 * - `EK_UNFIT` the EK certificate and the EK that the TPM makes are not of one key, or no template fits
 * - `AK_UNFIT` the key that the TPM made is not what was asked for
 * - `TPM_CHANGED` the identity on disk is not that of this TPM
 * - `IDENTITY_EXISTS` there is an identity already, and it is never overwritten
 * - `IDENTITY_MISSING` there is none, or only half of it
 * - `IDENTITY_MALFORMED` its files are not what was written
 * - `IDENTITY_EXPOSED` others than their owner can read its secrets
 */
export type ProvisionErrorCode =
  | 'TOOL_FAILED'
  | 'HANDLE_IN_USE'
  | 'HIERARCHY_AUTH_NEEDED'
  | 'EK_UNFIT'
  | 'AK_UNFIT'
  | 'TPM_CHANGED'
  | 'IDENTITY_EXISTS'
  | 'IDENTITY_MISSING'
  | 'IDENTITY_MALFORMED'
  | 'IDENTITY_EXPOSED'

/** Why a host could not be given an identity, or its identity could not be read. */
export class ProvisionError extends WritError<ProvisionErrorCode> {}
