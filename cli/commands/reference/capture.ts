import { hostname } from 'node:os'
import { type Command, Option } from 'commander'
import {
  captureAttested,
  encodeReferenceValues,
  isQuirkName,
  QUIRKS,
  type ReferenceDocument,
  ReferenceValuesError,
} from '../../../attestation/index.ts'
import { addCommand, setAction } from '../../command.ts'
import { askedComponents, isImaPolicyMeasured, readComponents, withImaPolicy } from '../../components.ts'
import { CliError } from '../../error.ts'
import { writeDocument } from '../../files.ts'
import { printable, styledError } from '../../output.ts'
import { addEvidenceOptions, type EvidenceOptions, readEvidence } from '../../reference/evidence-source.ts'
import { addFileOptions, type FileOptions, fileSources, withFiles } from '../../reference/listed-files.ts'
import { readRevision } from '../../reference/revision.ts'
import { collect } from '../../workload.ts'

interface Options extends EvidenceOptions, FileOptions {
  name: string
  revision: string
  component?: string[]
  quirk?: string[]
  out: string
}

export function addReferenceCapture(parent: Command): void {
  const command = addCommand(
    parent,
    'capture',
    'Write reference values from a host as it is now: this one, one that sent a report, or one whose evidence is in files. Do it on a host that is as it should be; nobody is bound until the operator signs them.',
    `writ reference capture --packages --out captured.json
     writ reference capture --report report.json --host-id 000b… --name web --out captured.json`,
    {
      file: 'text',
      revision: 'number',
      'hostId|null': 'hex: of whom they are',
      pcrs: 'number: how many are judged',
      files: 'number: how many are accepted',
      secureBoot: 'json: true, false or "any"',
      components: 'json: "any" or the names of what has to be measured',
      imaPolicyMeasured: 'boolean: whether this boot measured /etc/ima/ima-policy',
      violations: ['text: path that was changed while it was measured, which is accepted from now on'],
    },
  )
    .addOption(
      new Option('--name <text>', 'for people: which hosts these are for').default(
        hostname(),
        "the host's name",
      ),
    )
    .option('--revision <number>', 'of values of this name; those in force have a lower one', '1')
    .option(
      '--component <name=path>',
      "code that IMA must have measured as it is now, or the host fails; without this, the packaged daemon's own parts. any: whatever runs as the daemon (repeatable)",
      collect,
    )
    .option('--quirk <name>', 'known fault of the firmware that is put up with (repeatable)', collect)
    .requiredOption('--out <file>', 'where they are written; nothing is overwritten')
  addFileOptions(command)
  addEvidenceOptions(command)
  setAction<Options>(command, async ({ options, output }) => {
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
      const payload = encodeReferenceValues(document)
      await writeDocument(options.out, payload)
      output.result(
        {
          file: options.out,
          revision,
          hostId,
          pcrs: document.pcrs.length,
          files: document.ima.files.length,
          secureBoot: document.secureBoot.enabled,
          components: componentNames(document),
          imaPolicyMeasured,
          violations: document.ima.violations,
        },
        () => [
          `${options.out}  ${document.pcrs.length} PCRs, ${document.ima.files.length} files, not signed yet`,
          `must be measured: ${[componentNames(document)].flat().join(', ')}`,
          'sign it: writ reference sign',
        ],
      )
      for (const line of doubts(imaPolicyMeasured, document.ima.violations)) {
        output.note(`${styledError('yellow', 'writ:')} ${line}`)
      }
    } catch (cause) {
      if (!(cause instanceof ReferenceValuesError)) throw cause
      throw new CliError('HOST_UNFIT', `${cause.message} [${cause.code}]`, {
        at: cause.at,
        cause,
        next: 'Are these the logs of this boot and of this TPM?',
      })
    }
    return undefined
  })
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
function doubts(imaPolicyMeasured: boolean, violations: readonly string[]): string[] {
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

function componentNames({ components }: ReferenceDocument): 'any' | string[] {
  return components === 'any' ? 'any' : components.map(({ name }) => name)
}
