// Original file: writ/v1/attestation.proto


/**
 * Asks for the status.
 */
export interface GetStatusRequestInput {
}

/**
 * Asks for the status.
 */
export interface GetStatusRequest {
}
