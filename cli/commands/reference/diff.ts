import type { Command } from 'commander'
import {
  captureAttested,
  diffReferenceValues,
  type ReferenceChange,
  type ReferenceDocument,
  ReferenceValuesError,
} from '../../../attestation/index.ts'
import { addCommand, addNote, setAction } from '../../command.ts'
import { CliError, EXIT } from '../../error.ts'
import { printable, styled } from '../../output.ts'
import {
  addEvidenceOptions,
  type EvidenceOptions,
  namesOtherEvidence,
  readEvidence,
} from '../../reference/evidence-source.ts'
import { readAnyReference, readReferenceFile } from '../../reference/file.ts'

interface Options extends EvidenceOptions {
  live?: boolean
  operatorKey?: string
}

/** A change, and where in the logs it is seen. */
type PlacedChange = ReferenceChange & { readonly at: string | null }

export function addReferenceDiff(parent: Command): void {
  const command = addCommand(
    parent,
    'diff <before-file> [after-file]',
    'Say in words what changed: between two files of reference values, or from one to a host as it is now. The exit status is 0 if nothing did.',
    `writ reference diff reference.json captured.json --operator-key operator.pub
     writ reference diff reference.json --operator-key operator.pub --live
     writ reference diff captured.json --report report.json`,
    {
      same: 'boolean',
      before: 'digest',
      'after|null': 'digest: null for a host',
      changes: [
        {
          field: 'text: of the document',
          kind: 'text: added, removed or changed',
          text: 'text',
          'pcr|null': 'number',
          'digest|null': 'digest: what is there now',
          'at|null': 'text: event or record of the logs',
        },
      ],
    },
  )
    .option('--live', 'compare with this host as it is now')
    .option('--operator-key <file>', "the operator's public key; without it the files must not be signed")
  addEvidenceOptions(command)
  addNote(
    command,
    'Of a host only that counts which the values do not accept: of several images or files that they list, one is enough.',
  )
  setAction<Options>(command, async ({ args, options, output }) => {
    const [path = '', other] = args
    const hosts =
      (options.live ? 1 : 0) + (namesOtherEvidence(options) ? 1 : 0) + (other === undefined ? 0 : 1)
    if (hosts !== 1)
      throw new CliError('USAGE', 'give one thing to compare with: a file, --live, --report or --attest')
    const before = await readReferenceFile(path, options.operatorKey)
    const after = other === undefined ? null : await readAnyReference(other, options.operatorKey)
    const changes =
      after === null
        ? await changesOfHost(before.values.document, options)
        : diffReferenceValues(before.values.document, after.values.document, { of: 'documents' }).map(
            change => ({ ...change, at: null }),
          )
    const same = changes.length === 0
    output.result({ same, before: before.values.digest, after: after?.values.digest ?? null, changes }, () =>
      same ? ['nothing changed'] : changes.map(changeLine),
    )
    return same ? EXIT.done : EXIT.refused
  })
}

async function changesOfHost(before: ReferenceDocument, options: EvidenceOptions): Promise<PlacedChange[]> {
  const { quote, evidence, commandLine } = await readEvidence(options, { trusted: false })
  try {
    const { document, places } = captureAttested(quote, evidence, {
      name: before.name,
      created: before.created,
      components: 'any',
      rules: before.pcrs,
      quirks: before.quirks,
      commandLine: commandLine ?? knownCommandLine(before),
    })
    return diffReferenceValues(before, document, { of: 'host' }).map(change => ({
      ...change,
      at: places.get(`${change.pcr} ${change.digest}`) ?? null,
    }))
  } catch (cause) {
    if (!(cause instanceof ReferenceValuesError)) throw cause
    throw new CliError('HOST_UNFIT', `${cause.message} [${cause.code}]`, { at: cause.at, cause })
  }
}

/** A command line that is listed as text and still measured is the same one. */
function knownCommandLine({ commandLines }: ReferenceDocument): string | null {
  const texts = commandLines === 'any' ? [] : commandLines.flatMap(line => ('text' in line ? line.text : []))
  return texts[0] ?? null
}

const MARKS = { added: '+', removed: '-', changed: '~' } as const
const COLOURS = { added: 'green', removed: 'red', changed: 'yellow' } as const

function changeLine({ kind, text, at }: PlacedChange): string {
  const where = at === null ? '' : styled('dim', ` (${at})`)
  return `${styled(COLOURS[kind], MARKS[kind])} ${printable(text)}${where}`
}
