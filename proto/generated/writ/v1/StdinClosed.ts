// Original file: writ/v1/execution.proto


/**
 * Says that nobody reads standard input any longer.
 */
export interface StdinClosedInput {
}

/**
 * Says that nobody reads standard input any longer.
 */
export interface StdinClosed {
}
