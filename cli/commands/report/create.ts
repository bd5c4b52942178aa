import { randomBytes } from 'node:crypto'
import type { Command } from 'commander'
import { parseReport } from '../../../attestation/index.ts'
import { addCommand, setAction } from '../../command.ts'
import { writeDocument } from '../../files.ts'
import { readKnown } from '../../report/known.ts'
import { addNonceOptions, type NonceOptions, readNonce } from '../../report/nonce.ts'
import { addSocketOption, type SocketOptions, withDaemon } from '../../rpc/daemon.ts'
import { tierLabel } from '../../tier.ts'

interface Options extends SocketOptions, NonceOptions {
  known?: string
  out: string
}

export function addReportCreate(parent: Command): void {
  const command = addCommand(
    parent,
    'create',
    'Have the TPM quote now, and write the quote with all that explains it.',
    'writ report create --nonce $(openssl rand -hex 32) --out report.json',
    { file: 'text', nonce: 'hex', tier: 'text: what the host says', bytes: 'number', imaFrom: 'number' },
  )
  addNonceOptions(command, '32 bytes from whoever wants the report (default: drawn here, and shown)')
    .option(
      '--known <known>',
      'what whoever wants the report has of this host already, as `writ report verify --history` shows it: the report has the rest',
    )
    .requiredOption('--out <file>', 'where the report is written; nothing is overwritten')
  addSocketOption(command)
  setAction<Options>(command, async ({ options, output }) => {
    const nonce = (await readNonce(options)) ?? randomBytes(32)
    const known = readKnown(options.known)
    return withDaemon(options, async daemon => {
      const bytes = await daemon.report({ nonce, ...known })
      const { claimedTier, imaFrom } = parseReport(bytes)
      await writeDocument(options.out, bytes)
      const tier = tierLabel(claimedTier)
      output.result({ file: options.out, nonce, tier, bytes: bytes.length, imaFrom }, () => [
        `${options.out}  report of a ${tier}, ${bytes.length} bytes${imaFrom === 0 ? '' : `, IMA log from entry ${imaFrom} on`}`,
        `nonce ${nonce.toString('hex')}`,
      ])
      return undefined
    })
  })
}
