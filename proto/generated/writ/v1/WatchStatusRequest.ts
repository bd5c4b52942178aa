// Original file: writ/v1/attestation.proto


/**
 * Asks for changes of the status.
 */
export interface WatchStatusRequestInput {
}

/**
 * Asks for changes of the status.
 */
export interface WatchStatusRequest {
}
