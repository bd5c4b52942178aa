import {
  captureAttested,
  encodeReferenceValues,
  isQuirkName,
  QUIRKS,
  type ReferenceDocument,
} from '../../attestation/index.ts'
import { askedComponents, isImaPolicyMeasured, readComponents, withImaPolicy } from '../components.ts'
import { CliError } from '../error.ts'
import { writeDocument } from '../files.ts'
import { printable } from '../output.ts'
import { type EvidenceOptions, readEvidence } from './evidence-source.ts'
import { type FileOptions, fileSources, withFiles } from './listed-files.ts'
import { readRevision } from './revision.ts'
import { unfitHost } from './unfit.ts'

/** What is captured, of which host, and where it is written. */
export interface CaptureOptions extends EvidenceOptions, FileOptions {
  name: string
  revision: string
  component?: string[]
  quirk?: string[]
  out: string
}

/** Values that were written, not signed yet. */
export interface CapturedReference {
  readonly revision: number
  /** Of whom they are; null where only a public key was given. */
  readonly hostId: string | null
  readonly document: ReferenceDocument
  /** Whether this boot measured /etc/ima/ima-policy. */
  readonly imaPolicyMeasured: boolean
}

/**
 * Writes reference values from a host as it is now.
 *
 * @throws CliError
 */
export async function captureReference(options: CaptureOptions): Promise<CapturedReference> {
  const asked = askedComponents(options.component)
  const listed = fileSources(options)
  const revision = readRevision(options.revision)
  const quirks = readQuirks(options.quirk)
  const { quote, evidence, commandLine, hostId } = await readEvidence(options, { trusted: true })
  const components = await readComponents(asked)
  try {
    const words = { name: options.name, revision, created: new Date().toISOString(), commandLine, quirks }
    const captured = captureAttested(quote, evidence, { ...words, components }).document
    // A component may be named that was not measured; without any, all that was measured is among the files.
    const imaPolicyMeasured = isImaPolicyMeasured(
      captureAttested(quote, evidence, { ...words, components: 'any' }).document,
    )
    const document = await withFiles(withImaPolicy(captured), listed)
    await writeDocument(options.out, encodeReferenceValues(document))
    return { revision, hostId, document, imaPolicyMeasured }
  } catch (cause) {
    throw unfitHost(cause, 'Are these the logs of this boot and of this TPM?')
  }
}

/** @throws CliError for what is no quirk */
function readQuirks(names: readonly string[] = []): readonly string[] {
  const unknown = names.find(name => !isQuirkName(name))
  if (unknown === undefined) return names
  throw new CliError('USAGE', `there is no quirk ${unknown}`, {
    next: `There are ${QUIRKS.map(({ name }) => name).join(', ')}.`,
  })
}

/** Most paths that a remark names. */
const MAX_NAMED = 10

/** What whoever signs should look at first: each makes the values accept more than was meant, perhaps. */
export function captureDoubts({ imaPolicyMeasured, document }: CapturedReference): string[] {
  const { violations } = document.ima
  const lines: string[] = []
  if (!imaPolicyMeasured) {
    lines.push(
      'IMA measured no /etc/ima/ima-policy in this boot: it measures less than it should, and root can give it other rules unseen. Install the policy, reboot, capture again.',
    )
  }
  if (violations.length > 0) {
    const named = violations.slice(0, MAX_NAMED).map(printable).join(', ')
    const more = violations.length > MAX_NAMED ? ` and ${violations.length - MAX_NAMED} more` : ''
    lines.push(
      `changed while measured, and accepted so from now on: ${named}${more}. Take out of "ima.violations" what need not be.`,
    )
  }
  return lines
}

/** What has to be measured, by name. */
export function componentNames({ components }: ReferenceDocument): 'any' | string[] {
  return components === 'any' ? 'any' : components.map(({ name }) => name)
}
