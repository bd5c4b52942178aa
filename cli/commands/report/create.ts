import { randomBytes } from 'node:crypto'
import type { Command } from 'commander'
import { encodeReport } from '../../../attestation/index.ts'
import { hexToBytes } from '../../../encoding/text.ts'
import { api } from '../../../proto/client.ts'
import { addCommand, setAction } from '../../command.ts'
import { CliError } from '../../error.ts'
import { writeDocument } from '../../files.ts'
import { addSocketOption, type SocketOptions, withDaemon } from '../../rpc/daemon.ts'
import { tierLabel } from '../../tier.ts'

interface Options extends SocketOptions {
  nonce?: string
  out: string
}

const TIERS = {
  TPM_TIER_UNSPECIFIED: 'unknown',
  TPM_TIER_UNKNOWN: 'unknown',
  TPM_TIER_SIMULATED: 'simulated',
  TPM_TIER_HARDWARE: 'hardware',
} as const

export function addReportCreate(parent: Command): void {
  const command = addCommand(
    parent,
    'create',
    'Have the TPM quote now, and write the quote with the logs that explain it.',
    'writ report create --nonce $(openssl rand -hex 32) --out report.json',
    { file: 'text', nonce: 'hex', tier: 'text', bytes: 'number' },
  )
    .option('--nonce <hex>', '32 bytes from whoever wants the report (default: drawn here, and shown)')
    .requiredOption('--out <file>', 'where the report is written; nothing is overwritten')
  addSocketOption(command)
  setAction<Options>(command, ({ options, output }) =>
    withDaemon(options, async daemon => {
      const nonce = readNonce(options.nonce) ?? randomBytes(32)
      const report = await daemon.call(api.attestation.GetReport, { nonce })
      const optional = (bytes: Buffer) => (bytes.length === 0 ? null : bytes)
      const claimedTier = typeof report.tier === 'string' ? TIERS[report.tier] : 'unknown'
      const bytes = encodeReport({
        evidence: {
          quote: { attest: report.quoteAttest, signature: report.quoteSignature },
          eventLog: report.eventLog,
          userspaceLog: optional(report.userspaceLog),
          imaLog: optional(report.imaLog),
        },
        binding: {
          nonce,
          treeSize: BigInt(report.lineageSize),
          lineageRoot: report.lineageRoot,
          sessionKeySpkiDigest: report.sessionKeySpkiDigest,
          referenceValuesDigest: report.referenceValuesDigest,
        },
        akPublicArea: report.akPublicArea,
        akCertificate: optional(report.akCertificate),
        ekCertificate: optional(report.ekCertificate),
        ekIntermediates: report.ekIntermediates,
        claimedTier,
      })
      await writeDocument(options.out, bytes)
      const tier = tierLabel(claimedTier)
      output.result({ file: options.out, nonce, tier, bytes: bytes.length }, () => [
        `${options.out}  report of a ${tier}, ${bytes.length} bytes`,
        `nonce ${nonce.toString('hex')}`,
      ])
      return undefined
    }),
  )
}

/** @throws CliError unless it is 32 bytes in hexadecimal */
export function readNonce(hex: string | undefined): Buffer | null {
  if (hex === undefined) return null
  if (/^[0-9a-f]{64}$/.test(hex)) return hexToBytes(hex)
  throw new CliError('USAGE', '--nonce takes 64 lower-case hexadecimal digits')
}
