import { WritError } from '../../encoding/error.ts'

export type BundleErrorCode =
  | 'FILE_ABSENT'
  | 'FILE_UNEXPECTED'
  | 'FILE_TOO_LARGE'
  | 'FILE_CHANGED'
  | 'FILE_MALFORMED'
  | 'BUNDLE_TOO_LARGE'

/** A file of a bundle that is not as it should be; its path below the bundle is in `at`. */
export class BundleError extends WritError<BundleErrorCode> {}
