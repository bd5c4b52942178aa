/** Secure Boot as a log tells it: whether it was on, with which keys, and what each image was verified with. Pure. */
export type { SecureBootFacts } from './facts.ts'
export type { Authority, LoadedImage } from './image-authority.ts'
export type { KeyDatabase } from './key-database.ts'
export type { SecureBootProblem, SecureBootProblemCode } from './problem.ts'
export { readSecureBoot } from './read.ts'
