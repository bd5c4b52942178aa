// Original file: writ/v1/governance.proto


/**
 * Asks for the revocations in force.
 */
export interface ListRevocationsRequestInput {
}

/**
 * Asks for the revocations in force.
 */
export interface ListRevocationsRequest {
}
