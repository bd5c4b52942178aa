// Original file: writ/v1/execution.proto


/**
 * It has that size.
 */
export interface ResizeResponseInput {
}

/**
 * It has that size.
 */
export interface ResizeResponse {
}
