import type { Command } from 'commander'
import {
  captureAttested,
  diffReferenceValues,
  encodeReferenceValues,
  mergeReferenceValues,
  type ReferenceAddition,
  type ReferenceDocument,
} from '../../../attestation/index.ts'
import { sha256Hex } from '../../../encoding/digest.ts'
import { PHASE_HELP } from '../../boot-phases.ts'
import { addCommand, addNote, setAction } from '../../command.ts'
import { CliError } from '../../error.ts'
import { writeDocument } from '../../files.ts'
import type { FileSources } from '../../measured-files.ts'
import { printable, styledError } from '../../output.ts'
import {
  addEvidenceOptions,
  type EvidenceOptions,
  namesOtherEvidence,
  readEvidence,
} from '../../reference/evidence-source.ts'
import { readAnyReference, readReferenceFile } from '../../reference/file.ts'
import { addFileOptions, type FileOptions, fileSources, withFiles } from '../../reference/listed-files.ts'
import { readUkiAddition, type UkiOptions, ukiRemarks } from '../../reference/uki-file.ts'
import { unfitHost } from '../../reference/unfit.ts'
import { openings } from '../../reference/words.ts'
import { collect } from '../../workload.ts'

interface Options extends EvidenceOptions, FileOptions, UkiOptions {
  live?: boolean
  withComponents?: boolean
  operatorKey?: string
  out: string
}

export function addReferenceAdd(parent: Command): void {
  const command = addCommand(
    parent,
    'add <base-file> [captured-file]',
    'Accept besides what reference values accept already: what was captured after an update, what a host is now, or files that are installed. Writes the next revision, to be signed.',
    `writ reference add reference.json captured.json --operator-key operator.pub --out next.json
     writ reference add reference.json --operator-key operator.pub --live --packages --out next.json
     writ reference add reference.json --operator-key operator.pub --uki linux-6.12.efi --out next.json
     writ reference add reference.json --operator-key operator.pub --root unpacked --files unpacked --with-components --out next.json`,
    {
      file: 'text',
      digest: "digest: of the document's payload",
      revision: 'number',
      changes: ['text: what is accepted now, or no longer asked for'],
      open: ['text: what is open now and was not before'],
    },
  )
    .option('--live', 'accept this host as it is now')
    .option('--uki <file>', 'accept hosts that start this unified kernel image (repeatable)', collect)
    .option('--phase <path>', `of --uki: ${PHASE_HELP}`, collect)
    .option(
      '--profile <number>',
      'of --uki: a profile that may be started (repeatable; default all)',
      collect,
    )
    .option('--operator-key <file>', "the operator's public key; without it the files must not be signed")
    .requiredOption('--out <file>', 'where they are written; nothing is overwritten')
  addFileOptions(command)
  command.option(
    '--with-components',
    "accept the daemon's own parts, too, as they are among --files or --packages: those of a new version",
  )
  addEvidenceOptions(command)
  addNote(
    command,
    'What has to be there is asked for as far as both ask for it: an image that only one of them starts may be missing then. Look at what is open now\n' +
      'before you sign it with `writ reference sign`.',
  )
  setAction<Options>(command, async ({ args, options, output }) => {
    const [path = '', captured] = args
    const base = (await readReferenceFile(path, options.operatorKey)).values.document
    const { document, payload } = await encoded(() => addAll(base, captured, options))
    await writeDocument(options.out, payload)
    const changes = diffReferenceValues(base, document, { of: 'documents' }).map(({ text }) => text)
    const before = openings(base)
    const open = openings(document).filter(line => !before.includes(line))
    const { revision } = document
    output.result({ file: options.out, digest: sha256Hex(payload), revision, changes, open }, () => [
      ...changes.map(printable),
      `${options.out}  revision ${revision}, not signed yet`,
      'sign it: writ reference sign',
    ])
    for (const line of options.uki === undefined ? [] : ukiRemarks(base)) output.note(printable(line))
    for (const line of open) output.note(`${styledError('yellow', 'writ:')} open now: ${printable(line)}`)
    return undefined
  })
}

async function addAll(
  base: ReferenceDocument,
  captured: string | undefined,
  options: Options,
): Promise<ReferenceDocument> {
  const sources = fileSources(options)
  const ownParts = options.withComponents === true
  if (ownParts && sources === null)
    throw new CliError('USAGE', '--with-components is of files: name them with --files or --packages', {
      at: '--with-components',
    })
  const additions: ReferenceAddition[] = []
  if (captured !== undefined) {
    additions.push((await readAnyReference(captured, options.operatorKey)).values.document)
  }
  if (options.live || namesOtherEvidence(options)) additions.push(await captureLike(base, options))
  if (sources !== null) additions.push(await listFiles(base, sources, ownParts))
  const images = options.uki ?? []
  if (additions.length === 0 && images.length === 0) {
    const what = 'give what to add: a captured file, --live, --report, --attest, --files, --packages or --uki'
    throw new CliError('USAGE', what)
  }
  if (images.length === 0 && (options.phase ?? options.profile) !== undefined) {
    throw new CliError('USAGE', '--phase and --profile are of an image: name it with --uki')
  }
  const created = new Date().toISOString()
  const merged = additions.reduce<ReferenceDocument>(
    (document, addition) => mergeReferenceValues(document, addition, created),
    base,
  )
  const accepting = images.reduce<ReferenceDocument>(
    (document, path) => mergeReferenceValues(document, readUkiAddition(document, path, options), created),
    merged,
  )
  return { ...accepting, revision: base.revision + 1 }
}

/** A host, captured in the way in which the base judges hosts. */
async function captureLike(base: ReferenceDocument, options: Options): Promise<ReferenceAddition> {
  const { quote, evidence, commandLine } = await readEvidence(options, { trusted: true })
  const { name, created, pcrs, quirks } = base
  return captureAttested(quote, evidence, {
    name,
    created,
    components: 'any',
    rules: pcrs,
    quirks,
    commandLine,
  }).document
}

async function listFiles(
  base: ReferenceDocument,
  sources: FileSources,
  ownParts: boolean,
): Promise<ReferenceAddition> {
  const { ima, components } = await withFiles(
    { components: base.components, ima: { files: [], violations: base.ima.violations } },
    sources,
    ownParts,
  )
  return { ima, components }
}

/** @throws CliError, also for what would be larger than anybody reads */
async function encoded(
  make: () => Promise<ReferenceDocument>,
): Promise<{ readonly document: ReferenceDocument; readonly payload: Buffer }> {
  try {
    const document = await make()
    return { document, payload: encodeReferenceValues(document) }
  } catch (cause) {
    throw unfitHost(cause)
  }
}
