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
    'Let a host go on after a failed appraisal, or accept the end of its log after an unclean stop. Look at it first.',
    `writ clear --failure --key operator.key
     writ clear --failure --key operator.key --host 000b9c… --entry 38 --out clearance.json   # sign elsewhere,
     writ clear --send clearance.json                                                      # send here`,
    [
      { when: 'when the clearance is sent', fields: { lineageIndex: 'decimal' } },
      {
        when: 'with --out',
        fields: {
          file: 'text',
          version: 'number',
          host: 'hex',
          clears: { kind: 'text', 'transition?': 'number', 'tail?': 'number' },
        },
      },
    ],
  )
    .option('--failure', 'leave the state FAILED; the gate opens at the next good appraisal')
    .option('--tail', 'artifacts with limited uses that were issued before an unclean stop count again')
    .option('--key <file>', "the operator's private key")
    .option('--host <id>', 'the host (default: the one that the daemon says)')
    .option(
      '--entry <index>',
      'entry of the failure, or size of the log at the unclean stop (default: the one in force)',
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
    const { host, entry, out } = options
    if (out !== undefined && host !== undefined && entry !== undefined) {
      return write(out, clearance(options, host, entry), key, output)
    }
    return withDaemon(options, async daemon => {
      const fields = clearance(
        options,
        host ?? (await hostOf(daemon)),
        entry ?? (await inForce(daemon, options)),
      )
      return out === undefined
        ? send(daemon, signClearance(fields, key), output)
        : write(out, fields, key, output)
    })
  })
}

function checkUse({ failure, tail, send, key, out, host, entry }: Options): void {
  const ways = [failure, tail, send].filter(way => way !== undefined).length
  const wrong =
    ways !== 1
      ? 'give one of --failure, --tail, --send'
      : send === undefined && key === undefined
        ? 'a clearance is signed: give --key'
        : send !== undefined && [key, out, host, entry].some(option => option !== undefined)
          ? '--send takes a clearance as it was signed: no --key, --out, --host, --entry'
          : undefined
  if (wrong !== undefined) throw new CliError('USAGE', wrong, { next: 'See writ clear --help.' })
}

function clearance({ failure }: Options, host: string, entry: number): ClearanceFields {
  return {
    version: 1,
    host,
    clears: failure === true ? { kind: 'failure', transition: entry } : { kind: 'tail', tail: entry },
  }
}

async function hostOf(daemon: WritClient): Promise<string> {
  return (await daemon.call(api.attestation.GetStatus, {})).status?.hostId ?? ''
}

/** The entry of the failure, or the tail, that is in force: as the daemon says, which is what it will hold the clearance against. */
async function inForce(daemon: WritClient, { failure }: Options): Promise<number> {
  const { status } = await daemon.call(api.attestation.GetStatus, {})
  const found = failure === true ? status?.failureEntry : status?.doubtfulTail
  if (found !== undefined) return Number(found)
  throw new CliError(
    'REQUEST_FAILED',
    failure === true ? 'no failure is in force' : 'no unclean stop is in doubt',
    { next: '`writ status` shows what has to be cleared.' },
  )
}

async function write(file: string, fields: ClearanceFields, key: Signer, output: Output): Promise<undefined> {
  await writeDocument(file, signClearance(fields, key))
  const { clears, host } = fields
  const what =
    clears.kind === 'failure' ? `failure, entry ${clears.transition}` : `tail of ${clears.tail} entries`
  output.result({ file, ...fields }, () => [`${file}  clearance of the ${what}, host ${host}`])
  return undefined
}

async function send(daemon: WritClient, envelope: Buffer, output: Output): Promise<undefined> {
  const { lineageIndex } = await daemon.call(api.governance.ClearFailure, { envelope })
  output.result({ lineageIndex }, () => [`cleared, entry ${lineageIndex} of the lineage`])
  return undefined
}
