import { ReferenceValuesError } from '../../attestation/index.ts'
import { CliError } from '../error.ts'

const FEWER =
  'List fewer files: directories of programs alone (--files; setup: reference.files), or keys that sign files in the place of their digests ("ima.signers").'

/**
 * What a host is told of which no reference values can be made.
 *
 * @param next what may help where they would not be too large
 * @returns what is no error of reference values as it is
 */
export function unfitHost(cause: unknown, next?: string): unknown {
  if (!(cause instanceof ReferenceValuesError)) return cause
  return new CliError('HOST_UNFIT', `${cause.message} [${cause.code}]`, {
    at: cause.at,
    cause,
    next: cause.code === 'REFERENCE_TOO_LARGE' ? FEWER : next,
  })
}
