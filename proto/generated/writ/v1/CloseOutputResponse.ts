// Original file: writ/v1/execution.proto


/**
 * It is closed. Closing it again changes nothing.
 */
export interface CloseOutputResponseInput {
}

/**
 * It is closed. Closing it again changes nothing.
 */
export interface CloseOutputResponse {
}
