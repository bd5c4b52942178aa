import { WritError } from '../../encoding/error.ts'
import { matchQuote, readLogs } from '../appraisal/logs.ts'
import { LogReplays } from '../appraisal/replays.ts'
import { encodeBinding, encodePcrsFile, REPORT_DOMAIN } from '../quote/index.ts'
import { parseQuoteAttest, parseSignature } from '../tpm2/structures/index.ts'
import { reportFiles } from './encode.ts'
import type { Report } from './report.ts'

/**
 * The files that a report is, for who checks it by hand: its items as they are, and two that follow from them. `binding.bin` is what the
 * quote's extraData has to be the SHA-256 of; `quote.pcrs` has the PCR values, where the logs give the quoted digest. Nothing is verified.
 */
export function unpackReport(report: Report): ReadonlyMap<string, Uint8Array> {
  const files = new Map<string, Uint8Array>(reportFiles(report))
  files.set('binding.bin', encodeBinding({ ...report.binding, domain: REPORT_DOMAIN }))
  const pcrs = replayedPcrs(report)
  if (pcrs !== null) files.set('quote.pcrs', pcrs)
  return files
}

function replayedPcrs({ evidence, imaFrom }: Report): Buffer | null {
  if (imaFrom !== 0) return null
  try {
    const attest = parseQuoteAttest(evidence.quote.attest)
    const { hash, scheme } = parseSignature(evidence.quote.signature)
    const quote = { ...attest, hash, scheme }
    const logs = readLogs(evidence, new LogReplays(), [])
    const attested = logs && matchQuote(quote, logs, undefined, [])
    return attested && encodePcrsFile(attested.pcrs)
  } catch (error) {
    if (!(error instanceof WritError)) throw error
    return null
  }
}
