import { WritError } from '../../encoding/error.ts'

/** Why a file is no unified kernel image, or a question about one has no answer. */
export type UkiErrorCode =
  | 'PE_TOO_LARGE'
  | 'PE_TRUNCATED'
  | 'PE_NOT_AN_IMAGE'
  | 'PE_HEADER_MALFORMED'
  | 'PE_SECTION_MALFORMED'
  | 'PE_CERTIFICATES_MALFORMED'
  | 'UKI_SECTION_MISSING'
  | 'UKI_SECTION_REPEATED'
  | 'UKI_SECTION_MALFORMED'
  | 'UKI_PROFILE_UNKNOWN'
  | 'UKI_PHASE_MALFORMED'

/** A file that is no unified kernel image. `at` is the header or section at fault, `offset` its first byte in the file. */
export class UkiError extends WritError<UkiErrorCode> {}
