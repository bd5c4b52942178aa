// Original file: writ/v1/execution.proto


/**
 * The signal is on its way.
 */
export interface SignalResponseInput {
}

/**
 * The signal is on its way.
 */
export interface SignalResponse {
}
