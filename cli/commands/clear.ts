import type { Command } from 'commander'
import { type ClearanceFields, signClearance } from '../../authorization/index.ts'
import { api, type WritClient } from '../../proto/client.ts'
import type { Signer } from '../../signing/key.ts'
import { addCommand, setAction } from '../command.ts'
import { CliError } from '../error.ts'
import { readDocument, writeDocument } from '../files.ts'
import { addSignerOptions, readSigner, type SignerOptions } from '../keys.ts'
import { entryIndex } from '../lineage/entries.ts'
import type { Output } from '../output.ts'
import { addSocketOption, type SocketOptions, withDaemon } from '../rpc/daemon.ts'

interface Options extends SocketOptions, SignerOptions {
  failure?: boolean
  tail?: boolean
  rollback?: boolean
  newEpoch?: boolean
  found?: string
  clock?: boolean
  key?: string
  host?: string
  entry?: number
  out?: string
  send?: string
}

export function addClear(program: Command): void {
  const command = addCommand(
    program,
    'clear',
    'Let a host go on after a failed appraisal, an unclean stop, with a log that was put back or begun anew, or with a clock that was set. Look at it first.',
    `writ clear --failure --key operator.key
     writ clear --failure --key operator.key --host 000b9c… --entry 38 --out clearance.json   # sign elsewhere,
     writ clear --send clearance.json                                                      # send here
     writ clear --rollback --key operator.key   # uses since the copy are lost: what was limited and valid before stays used
     writ clear --new-epoch --key operator.key   # after writ lineage recover`,
    [
      { when: 'when the clearance is sent', fields: { lineageIndex: 'decimal' } },
      {
        when: 'with --out',
        fields: {
          file: 'text',
          version: 'number',
          host: 'hex',
          clears: {
            kind: 'text',
            'transition?': 'number',
            'epoch?': 'number',
            'tail?': 'number',
            'counter?': 'decimal',
            'root?': 'hex',
            'entry?': 'number',
            'time?': 'text',
          },
        },
      },
    ],
  )
    .option('--failure', 'leave the state FAILED; the gate opens at the next good appraisal')
    .option('--tail', 'artifacts with limited uses that were issued before an unclean stop count again')
    .option(
      '--rollback',
      'go on from files that were put back; load policy, trust roots, reference values anew',
    )
    .option(
      '--new-epoch',
      'go on with the log that `writ lineage recover` has begun; load policy, trust roots, reference values anew',
    )
    .option(
      '--found <what>',
      'with --rollback or --new-epoch, the lineage that was found, as `writ status` says it: counter:entries:root, before it epoch: with --new-epoch (default: ask the daemon)',
    )
    .option(
      '--clock',
      "the host's wall clock is right, though it was set; it has to agree with the one of who signs, within ten minutes",
    )
    .option('--key <file>', "the operator's private key")
    .option('--host <id>', 'the host (default: the one that the daemon says)')
    .option(
      '--entry <index>',
      'entry of the failure or of the wrong clock, or size of the log at the unclean stop (default: the one in force)',
      entryIndex,
    )
    .option('--out <file>', 'write the signed clearance instead of sending it; nothing is overwritten')
    .option('--send <file>', 'send a clearance that was signed elsewhere')
  addSignerOptions(command)
  addSocketOption(command)
  setAction<Options>(command, async ({ options, output }) => {
    checkUse(options)
    if (options.send !== undefined) {
      const envelope = await readDocument(options.send, 'a clearance')
      return withDaemon(options, daemon => send(daemon, envelope, output))
    }
    const key = await readSigner(options.key ?? '', "the operator's key", options)
    const { host, entry, out, rollback, newEpoch: epoch } = options
    const known =
      rollback === true || epoch === true
        ? foundOf(options)
        : entry === undefined
          ? null
          : numbered(options, entry)
    if (out !== undefined && host !== undefined && known !== null) {
      return write(out, { version: 1, host, clears: known }, key, output)
    }
    return withDaemon(options, async daemon => {
      const fields: ClearanceFields = {
        version: 1,
        host: host ?? (await hostOf(daemon)),
        clears: known ?? (await inForce(daemon, options)),
      }
      return out === undefined
        ? send(daemon, signClearance(fields, key), output)
        : write(out, fields, key, output)
    })
  })
}

function checkUse({
  failure,
  tail,
  clock,
  rollback,
  newEpoch: epoch,
  found,
  send,
  key,
  out,
  host,
  entry,
}: Options): void {
  const ways = [failure, tail, clock, rollback, epoch, send].filter(way => way !== undefined).length
  const wrong =
    ways !== 1
      ? 'give one of --failure, --tail, --clock, --rollback, --new-epoch, --send'
      : found !== undefined && rollback === undefined && epoch === undefined
        ? '--found is for --rollback and --new-epoch'
        : entry !== undefined && (rollback !== undefined || epoch !== undefined)
          ? '--entry is for --failure, --tail and --clock'
          : send === undefined && key === undefined
            ? 'a clearance is signed: give --key'
            : send !== undefined && [key, out, host, entry].some(option => option !== undefined)
              ? '--send takes a clearance as it was signed: no --key, --out, --host, --entry'
              : undefined
  if (wrong !== undefined) throw new CliError('USAGE', wrong, { next: 'See writ clear --help.' })
}

function numbered({ failure, clock }: Options, entry: number): ClearanceFields['clears'] {
  if (clock === true) return { kind: 'clock', entry, time: new Date().toISOString() }
  return failure === true ? { kind: 'failure', transition: entry } : { kind: 'tail', tail: entry }
}

/** What `--found` says; null if it was left out. */
function foundOf({ found, newEpoch: isEpoch }: Options): ClearanceFields['clears'] | null {
  if (found === undefined) return null
  const [, epoch, counter, tail, root] =
    /^(?:([1-9][0-9]{0,8}):)?(0|[1-9][0-9]{0,19}):(0|[1-9][0-9]{0,14}):([0-9a-f]{64})$/.exec(found) ?? []
  if (
    counter === undefined ||
    tail === undefined ||
    root === undefined ||
    (epoch !== undefined) !== (isEpoch === true)
  )
    throw new CliError(
      'USAGE',
      `--found takes ${isEpoch === true ? 'epoch:' : ''}counter:entries:root, as \`writ status\` says it`,
    )
  const named = { counter, tail: Number(tail), root }
  return epoch === undefined
    ? { kind: 'rollback', ...named }
    : { kind: 'epoch', epoch: Number(epoch), ...named }
}

async function hostOf(daemon: WritClient): Promise<string> {
  return (await daemon.call(api.attestation.GetStatus, {})).status?.hostId ?? ''
}

/** What is to be cleared, as the daemon says, which is what it will hold the clearance against. */
async function inForce(daemon: WritClient, options: Options): Promise<ClearanceFields['clears']> {
  const { status } = await daemon.call(api.attestation.GetStatus, {})
  const { failure, clock, rollback, newEpoch: epoch } = options
  if (rollback === true && status?.rolledBack) {
    const { counter, size, root } = status.rolledBack
    return { kind: 'rollback', counter, tail: Number(size), root: root.toString('hex') }
  }
  if (epoch === true && status?.newEpoch) {
    const { counter, size, root } = status.newEpoch
    const number = Number(status.newEpoch.epoch)
    return { kind: 'epoch', epoch: number, counter, tail: Number(size), root: root.toString('hex') }
  }
  const numbers =
    clock === true ? status?.clockEntry : failure === true ? status?.failureEntry : status?.doubtfulTail
  const found = rollback === true || epoch === true ? undefined : numbers
  if (found !== undefined) return numbered(options, Number(found))
  throw new CliError(
    'REQUEST_FAILED',
    rollback === true
      ? 'the lineage was not put back'
      : epoch === true
        ? 'no new epoch of the lineage waits'
        : clock === true
          ? 'the wall clock is relied on'
          : failure === true
            ? 'no failure is in force'
            : 'no unclean stop is in doubt',
    { next: '`writ status` shows what has to be cleared.' },
  )
}

async function write(file: string, fields: ClearanceFields, key: Signer, output: Output): Promise<undefined> {
  await writeDocument(file, signClearance(fields, key))
  const { clears, host } = fields
  const what =
    clears.kind === 'failure'
      ? `failure, entry ${clears.transition}`
      : clears.kind === 'tail'
        ? `tail of ${clears.tail} entries`
        : clears.kind === 'clock'
          ? `wall clock at ${clears.time}, entry ${clears.entry}`
          : clears.kind === 'epoch'
            ? `epoch ${clears.epoch} of the lineage, ${clears.tail} entries, counter ${clears.counter}`
            : `lineage of ${clears.tail} entries that was put back, counter ${clears.counter}`
  output.result({ file, ...fields }, () => [`${file}  clearance of the ${what}, host ${host}`])
  return undefined
}

async function send(daemon: WritClient, envelope: Buffer, output: Output): Promise<undefined> {
  const { lineageIndex } = await daemon.call(api.governance.ClearFailure, { envelope })
  output.result({ lineageIndex }, () => [`cleared, entry ${lineageIndex} of the lineage`])
  return undefined
}
