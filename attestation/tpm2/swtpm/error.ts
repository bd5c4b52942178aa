import { WritError } from '../../../encoding/error.ts'

/**
 * - `PATH_UNSUPPORTED` swtpm cannot be given this path (too long for a socket, or with a comma or line break)
 * - `TOOL_FAILED` swtpm or swtpm_setup is missing or failed; the message has its output
 * - `NOT_RUNNING` the simulated TPM is stopped, or did not answer in time
 * - `NOT_REPLAYABLE` the recorded boot needs what a simulated TPM cannot be brought to do
 */
export type SimulatorErrorCode = 'PATH_UNSUPPORTED' | 'TOOL_FAILED' | 'NOT_RUNNING' | 'NOT_REPLAYABLE'

/** A failure of the simulated TPM, as opposed to one of talking to a TPM. */
export class SimulatorError extends WritError<SimulatorErrorCode> {}
