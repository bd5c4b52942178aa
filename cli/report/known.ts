import type { ReportHistory } from '../../attestation/index.ts'
import type { GetReportRequestInput } from '../../proto/generated/writ/v1/GetReportRequest.ts'
import { CliError } from '../error.ts'

/** What a verifier has of a host already, as one word for `writ report create --known`. */
export function formatKnown({ clock, tree, ima }: ReportHistory): string {
  return `${ima?.entries ?? 0}:${ima?.resetCount ?? clock.resetCount}:${tree.size}`
}

/** Reads the word. @throws CliError */
export function readKnown(text: string | undefined): GetReportRequestInput {
  if (text === undefined) return {}
  const number = '(0|[1-9][0-9]{0,18})'
  const [, entries, reset, tree] = new RegExp(`^${number}:${number}:${number}$`).exec(text) ?? []
  if (tree === undefined || Math.max(Number(entries), Number(reset)) > 0xffff_ffff) {
    throw new CliError(
      'USAGE',
      '--known takes IMA entries, reset count and lineage entries as `writ report verify --history` shows them, for example 1200:7:52',
    )
  }
  return { knownImaEntries: Number(entries), knownResetCount: Number(reset), knownTreeSize: tree }
}
