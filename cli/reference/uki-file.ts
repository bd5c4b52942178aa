import {
  type ReferenceDocument,
  readUki,
  type UkiAddition,
  UkiError,
  ukiAddition,
} from '../../attestation/index.ts'
import { readPhases } from '../boot-phases.ts'
import { CliError } from '../error.ts'
import { withImage } from '../image-file.ts'

/** Options that name an image and the boots of it that are accepted. */
export interface UkiOptions {
  uki?: string[]
  phase?: string[]
  profile?: string[]
}

/**
 * What a document needs besides to accept an image.
 *
 * @throws CliError
 */
export function readUkiAddition(base: ReferenceDocument, path: string, options: UkiOptions): UkiAddition {
  const phases = readPhases(options.phase)
  const profiles = options.profile?.map(readProfile)
  try {
    return withImage(path, 'a unified kernel image', image =>
      ukiAddition(base, readUki(image), { phases, ...(profiles === undefined ? {} : { profiles }) }),
    )
  } catch (cause) {
    if (!(cause instanceof UkiError)) throw cause
    const what = `cannot use ${path} as a unified kernel image: ${cause.message} [${cause.code}]`
    const asked = cause.code === 'UKI_PROFILE_UNKNOWN' || cause.code === 'UKI_PHASE_MALFORMED'
    throw new CliError(asked ? 'USAGE' : 'NOT_VERIFIED', what, { at: path, cause })
  }
}

/** PCRs that an image changes and whose values nobody can tell from its file alone. */
const MEASURED_BY_OTHERS = [4, 9] as const

/** What a person has to know of values that judge an image otherwise than by what was added. */
export function ukiRemarks({ pcrs }: ReferenceDocument): readonly string[] {
  return MEASURED_BY_OTHERS.filter(pcr => pcrs.some(rule => rule.pcr === pcr && rule.rule === 'value')).map(
    pcr =>
      `PCR ${pcr} is judged by its value, which the image's file does not tell: capture it on a host that started the image`,
  )
}

function readProfile(text: string): number {
  if (/^(?:0|[1-9]\d{0,3})$/.test(text)) return Number(text)
  throw new CliError('USAGE', `a profile is a whole number from 0 on, not ${text}`, { at: '--profile' })
}
