/** TPM 2.0 structures as bytes: what both those who talk to a TPM and those who only verify need. Pure. */
export * from './algorithms.ts'
export * from './attest.ts'
export * from './error.ts'
export * from './pcr-selection.ts'
export * from './public-area.ts'
export * from './signature.ts'
