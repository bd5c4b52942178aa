import { type Command, Option } from 'commander'
import {
  formatConsistencyProof,
  formatTlogProof,
  LineageError,
  leafHash,
  type Note,
  parseCheckpointText,
  parseNote,
  verifyConsistency,
  verifyInclusion,
} from '../../../lineage/index.ts'
import { addCommand, addNote, setAction } from '../../command.ts'
import { CliError } from '../../error.ts'
import { readAs, writeDocument } from '../../files.ts'
import { entryIndex } from '../../lineage/entries.ts'
import {
  checkpointOfSize,
  daemonSource,
  directorySource,
  ENTRIES_OF_EXECUTIONS,
  type EntryOfExecution,
  findEntry,
  type ProofSource,
} from '../../lineage/proof-source.ts'
import type { Output } from '../../output.ts'
import { addSocketOption, type SocketOptions, withDaemon } from '../../rpc/daemon.ts'

interface Options extends SocketOptions {
  out?: string
  size?: number
  checkpoint?: string
  consistency?: string
  directory?: string
  of: EntryOfExecution
  /** False of --no-entry. */
  entry: boolean
}

const PROVEN = {
  origin: 'text',
  treeSize: 'number',
  root: 'hex',
  hashes: ['hex'],
  checkpoint: 'text: C2SP signed note',
  'file|null': 'text',
} as const

export function addLineageProve(parent: Command): void {
  const command = addCommand(
    parent,
    'prove [entry]',
    'Write the proof that an entry is in a signed tree, or that the tree goes on from an earlier checkpoint.',
    `writ lineage prove 12 --out 12.tlog-proof
     writ lineage prove 7f3c…e1 --of end --directory bundle/ > end.tlog-proof
     writ lineage prove --consistency checkpoint-of-monday --out growth`,
    [
      { when: 'of an entry', fields: { index: 'number', leafHash: 'hex', ...PROVEN } },
      { when: 'with --consistency', fields: { oldSize: 'number', ...PROVEN } },
    ],
  )
    .option('--out <file>', 'where the proof is written; nothing is overwritten (default: standard output)')
    .option('--consistency <file>', 'prove that the tree goes on from this checkpoint, instead of an entry')
    .addOption(
      new Option('--of <entry>', 'which entry is meant where an execution is named')
        .choices([...ENTRIES_OF_EXECUTIONS])
        .default('start'),
    )
    .option(
      '--size <n>',
      'in the tree of this size, whose checkpoint the log keeps (default: the newest)',
      entryIndex,
    )
    .option('--checkpoint <file>', 'in the tree of this checkpoint')
    .option(
      '--directory <bundle|directory>',
      'a log in files, instead of the daemon: a bundle, or C2SP tiles',
    )
    .option('--no-entry', 'leave the entry itself out of the proof')
  addSocketOption(command)
  addNote(
    command,
    'The entry is named by its position, or by the id of an execution. The proof is a C2SP tlog-proof with the entry as its extra data; one of\n' +
      'consistency is what C2SP tlog-witness has a log send to a witness. Both are checked here against the checkpoint that they carry, whose\n' +
      'signature `writ lineage verify` checks.',
  )
  setAction<Options>(command, async ({ args, options, output }) => {
    const work = (source: ProofSource) => prove(args[0], options, source, output)
    if (options.directory === undefined) await withDaemon(options, daemon => work(daemonSource(daemon)))
    else await work(await directorySource(options.directory)).catch(explain)
    return undefined
  })
}

async function prove(
  entry: string | undefined,
  options: Options,
  source: ProofSource,
  output: Output,
): Promise<void> {
  if ((entry === undefined) === (options.consistency === undefined))
    throw new CliError('USAGE', 'name an entry, or an earlier checkpoint with --consistency')
  if (entry === undefined) return proveGrowth(options, source, output)
  const index = /^[0-9a-f]{32}$/.test(entry) ? await findEntry(source, entry, options.of) : entryIndex(entry)
  return proveEntry(index, options, source, output)
}

async function proveEntry(
  index: number,
  options: Options,
  source: ProofSource,
  output: Output,
): Promise<void> {
  const { bytes, origin, size, root } = await checkpointFor(options, source, index)
  if (index >= size) {
    throw new CliError('REQUEST_FAILED', `the checkpoint has ${size} entries, none of them is ${index}`, {
      next: 'Wait for the next checkpoint.',
    })
  }
  let found: Buffer | undefined
  for await (const entry of source.entries(index, index + 1)) found = entry.bytes
  if (found === undefined) throw new CliError('REQUEST_FAILED', `entry ${index} is not yours to see`)
  const hashes = await source.inclusion(index, size)
  const leaf = leafHash(found)
  if (!verifyInclusion({ leafHash: leaf, index: BigInt(index), size: BigInt(size), proof: hashes, root }))
    throw new CliError(
      'NOT_VERIFIED',
      `the proof does not show that entry ${index} is in the tree of ${size} entries`,
    )
  const proof = formatTlogProof({
    extra: options.entry ? found : undefined,
    index: BigInt(index),
    hashes,
    checkpoint: bytes,
  })
  const file = await put(proof, options, output)
  output.result(
    { index, leafHash: leaf, origin, treeSize: size, root, hashes, checkpoint: bytes.toString(), file },
    () =>
      file === null
        ? textLines(proof)
        : [`${file}  entry ${index} is in the tree of ${size} entries of ${origin}`],
  )
}

async function proveGrowth(options: Options, source: ProofSource, output: Output): Promise<void> {
  const { consistency = '' } = options
  const earlier = await readHead(consistency, 'an earlier checkpoint')
  const { bytes, origin, size, root } = await checkpointFor(options, source)
  if (earlier.origin !== origin)
    throw new CliError(
      'NOT_VERIFIED',
      `${consistency} is of the log ${earlier.origin}, this one is ${origin}`,
      { at: consistency },
    )
  if (earlier.size > size) {
    throw new CliError(
      'NOT_VERIFIED',
      `the log had ${earlier.size} entries before and has ${size}: it was cut, or this is an older copy`,
      {
        at: consistency,
      },
    )
  }
  const hashes = await source.consistency(earlier.size, size)
  const input = { size1: BigInt(earlier.size), size2: BigInt(size), root1: earlier.root, root2: root }
  if (!verifyConsistency({ ...input, proof: hashes })) {
    throw new CliError(
      'NOT_VERIFIED',
      `the tree of ${size} entries does not go on from the checkpoint of ${earlier.size}: the log was forked`,
      { at: consistency, next: 'Keep both checkpoints: with their signatures they show what was done.' },
    )
  }
  const proof = formatConsistencyProof({ oldSize: earlier.size, hashes, checkpoint: bytes })
  const file = await put(proof, options, output)
  output.result(
    { oldSize: earlier.size, origin, treeSize: size, root, hashes, checkpoint: bytes.toString(), file },
    () =>
      file === null
        ? textLines(proof)
        : [`${file}  the tree of ${size} entries of ${origin} goes on from that of ${earlier.size}`],
  )
}

/** The checkpoint that the proof is for. */
async function checkpointFor({ size, checkpoint }: Options, source: ProofSource, index?: number) {
  if (size !== undefined && checkpoint !== undefined)
    throw new CliError('USAGE', 'give --size or --checkpoint, not both')
  if (checkpoint !== undefined) return readHead(checkpoint, 'a checkpoint')
  return headOf(size === undefined ? await source.checkpoint(index) : await checkpointOfSize(source, size))
}

/** @throws CliError */
function readHead(path: string, what: string): Promise<ReturnType<typeof headOf>> {
  return readAs(path, what, headOf)
}

function headOf(bytes: Buffer) {
  const note: Note = parseNote(bytes)
  return { bytes, ...parseCheckpointText(note.text) }
}

async function put(proof: Buffer, { out }: Options, output: Output): Promise<string | null> {
  if (out === undefined) return null
  await writeDocument(out, proof)
  output.progress(`${proof.length} bytes`)
  return out
}

function textLines(proof: Buffer): string[] {
  return proof.toString('utf8').split('\n').slice(0, -1)
}

function explain(cause: unknown): never {
  if (!(cause instanceof LineageError)) throw cause
  throw new CliError('REQUEST_FAILED', `the log cannot be read: ${cause.message} [${cause.code}]`, {
    at: cause.at,
    cause,
    next: '`writ lineage verify` says what is wrong with it.',
  })
}
