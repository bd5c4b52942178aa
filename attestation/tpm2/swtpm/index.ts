/** The simulated TPM of tests and demo. Nothing that runs on a host imports it. */
export { SimulatorError, type SimulatorErrorCode } from './error.ts'
export type { SimulatorPaths } from './manufacture.ts'
export { type RecordedBoot, replayMeasuredBoot } from './replay.ts'
export { SimulatedTpm, type StartMode, startSimulatedTpm } from './simulated-tpm.ts'
