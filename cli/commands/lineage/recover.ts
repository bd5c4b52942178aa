import { existsSync } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { Command } from 'commander'
import { hostId } from '../../../attestation/tpm2/index.ts'
import { WritError } from '../../../encoding/error.ts'
import {
  beginEpoch,
  epochOrigin,
  type Fault,
  finishEpoch,
  type Inspection,
  inspectLog,
  LineageError,
  listFiles,
  newestAside,
  readBlob,
  salvage,
  takeWriterLock,
  type WriterLock,
} from '../../../lineage/index.ts'
import { addCommand, addNote, setAction } from '../../command.ts'
import { confirm } from '../../confirm.ts'
import { CliError } from '../../error.ts'
import { systemReason } from '../../files.ts'
import { readPublicIdentity } from '../../host.ts'
import { printable, styledError } from '../../output.ts'
import { type CarriedOver, CarryOver } from '../../recover/carry-over.ts'
import { entriesOf } from '../../recover/entries.ts'
import { DEFAULT_STATE_DIRECTORY, statePath } from '../../state-directory.ts'

interface Options {
  stateDir: string
  yes?: boolean
  force?: boolean
}

const FAULT = { code: 'text', message: 'text', 'at|null': 'text' } as const

export function addLineageRecover(parent: Command): void {
  const command = addCommand(
    parent,
    'recover',
    'Put a log aside that cannot go on, whole, and begin the next epoch, which commits to it.',
    'writ lineage recover',
    [
      {
        fields: {
          epoch: 'number: of the new log',
          origin: 'text: its name',
          'aside|null': 'text: where the old log is now; null if there was none',
          salvaged: { size: 'number: entries of its longest whole beginning', root: 'hex' },
          beyond: 'number: entries behind that which can be read',
          faults: [FAULT],
          carried: {
            revocations: 'number',
            documents: 'number: the newest policy, trust roots, labels, secret policy and reference values',
            running: 'number: executions without an end',
          },
          lost: [{ index: 'number', type: 'text', blob: 'digest' }],
        },
      },
      {
        when: 'after one that was cut short',
        fields: { epoch: 'number', origin: 'text', finished: 'boolean' },
      },
    ],
  )
    .option('--state-dir <directory>', "the daemon's state directory", DEFAULT_STATE_DIRECTORY)
    .option('--yes', 'do not ask')
    .option('--force', 'also where no fault is found in the log')
  addNote(
    command,
    'Stop the daemon first. Nothing is deleted: the old log is kept beside the new one, and `writ verify --previous` holds it against its first entry.\n' +
      'The new log permits nothing until an operator accepts it (`writ clear --new-epoch`). What was limited and valid before then stays used.',
  )
  setAction<Options>(command, async ({ options, output }) => {
    const stateDir = resolve(options.stateDir)
    const base = `writ/${hostId(await readPublicIdentity(stateDir))}`
    const directory = statePath(stateDir, 'lineage')
    if (await finishEpoch(directory).catch(explain)) {
      const { epoch, origin } = await inspectLog(directory, base)
      output.result({ epoch, origin, finished: true }, () => [
        `epoch ${epoch} begins: what was cut short is done`,
        ...NEXT,
      ])
      return undefined
    }
    const lock = await lockLog(directory)
    try {
      const done = await recover(directory, base, options)
      output.result(done, () => [
        `epoch ${done.epoch} begins${done.aside === null ? '' : `; the old log is ${done.aside}`}`,
        ...NEXT,
      ])
      return undefined
    } finally {
      lock?.release()
    }
  })
}

const NEXT = [
  'Start the daemon. It permits nothing until an operator accepts this:',
  '  writ clear --new-epoch --key operator.key',
]

async function recover(directory: string, base: string, { yes, force }: Options) {
  const before = await newestAside(directory)
  const carry = new CarryOver(digest =>
    readBlob(directory, digest).catch(error => {
      if (before === null) throw error
      return readBlob(before, digest)
    }),
  )
  // A log carries over what the one before it had. Where that can be read no more, the one before may be.
  if (before !== null) await salvage(before, carry.take)
  const found = await inspectLog(directory, base, carry.take)
  const carried = await carry.result(Date.now())
  const faults = [...found.faults, ...carried.faults]
  if (faults.length === 0 && force !== true) throw nothingWrong(found)
  await confirm(
    foundLines(directory, found, carried, faults),
    `Put it aside and begin epoch ${found.epoch + 1}?`,
    yes === true,
    'nothing was changed',
  )
  const files = existsSync(directory) ? await listFiles(directory) : Buffer.alloc(0)
  const why = faults[0] ?? { code: 'OPERATOR', message: 'no fault was found', at: null }
  const aside = await beginEpoch(directory, {
    base,
    previous: found.epoch,
    entries: log => entriesOf(log, { found, carried, files, why }),
  }).catch(explain)
  const epoch = found.epoch + 1
  return {
    epoch,
    origin: epochOrigin(base, epoch),
    aside,
    salvaged: { size: found.beginning.size, root: found.beginning.root },
    beyond: found.beyond,
    faults,
    carried: carried.counts,
    lost: carried.facts.lost,
  }
}

/** The daemon holds it as long as it runs. Null where there is nothing to lock, or the lock itself is damaged. */
async function lockLog(directory: string): Promise<WriterLock | null> {
  const found = await lstat(directory).catch(() => null)
  if (found === null) return null
  const above = await lstat(dirname(directory))
  if (!found.isDirectory() || found.dev !== above.dev)
    throw new CliError('HOST_UNFIT', `${directory} cannot be put aside: it is a link or a mount point`, {
      at: directory,
      next: 'Make it a directory of the state directory: move what it leads to there.',
    })
  if (!existsSync(`${directory}/state`)) return null
  try {
    return takeWriterLock(`${directory}/state/lock`)
  } catch (cause) {
    if (!(cause instanceof LineageError) || cause.code !== 'LINEAGE_LOCKED') return null
    throw new CliError('HOST_UNFIT', `${directory} is open: ${cause.message}`, {
      at: directory,
      cause,
      next: 'Stop writd first.',
    })
  }
}

function nothingWrong({ beginning, origin }: Inspection): CliError {
  return new CliError(
    'HOST_UNFIT',
    `no fault is found in the log: ${beginning.size} entries of ${origin}, all whole; nothing was changed`,
    {
      next: 'Start the daemon. Of a log that was put back, or of a new epoch, `writ status` says how it goes on.',
    },
  )
}

/** What a person decides by. */
function foundLines(
  directory: string,
  { beginning, beyond, checkpoint, epoch, origin }: Inspection,
  { counts, facts }: CarriedOver,
  faults: readonly Fault[],
): string[] {
  const shown = faults.slice(0, 8)
  return [
    `${directory}: epoch ${epoch}, ${origin}`,
    ...shown.map(({ code, message, at }) =>
      styledError('red', `  ${code}: ${printable(message)}${at === null ? '' : ` (${printable(at)})`}`),
    ),
    ...(faults.length > shown.length ? [`  and ${faults.length - shown.length} more`] : []),
    `whole        the first ${beginning.size} entries${beyond === 0 ? '' : `; ${beyond} more can be read`}`,
    `checkpoint   ${checkpoint === null ? 'none' : `of ${checkpoint.size} entries`}`,
    `carried over ${counts.revocations} revocations, ${counts.documents} documents, ${counts.running} executions without an end`,
    ...facts.lost.map(({ index, type, blob }) =>
      styledError('red', `lost         ${type} of entry ${index}, ${blob}: sign it again`),
    ),
    'Uses from before are lost: what was limited and valid stays used. Policy, trust roots, labels and reference values are loaded again.',
  ]
}

function explain(cause: unknown): never {
  if (cause instanceof CliError) throw cause
  const code = cause instanceof WritError ? ` [${cause.code}]` : ''
  throw new CliError('REQUEST_FAILED', `the log cannot be put aside: ${systemReason(cause)}${code}`, {
    cause,
    next: 'Nothing of the old log was changed. Run it again, as root or as the user that the daemon runs as.',
  })
}
