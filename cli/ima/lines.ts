import type { ImaEntry, ImaKeyring, ImaSummary, QuotedImaLog } from '../../attestation/index.ts'
import { verifyEntrySignature } from '../../attestation/index.ts'
import { printable, styled } from '../output.ts'
import type { SignatureCounts } from './json.ts'

/** One line for an entry. */
export function imaEntryLine(entry: ImaEntry, keyring: ImaKeyring | null): string {
  const { index, pcr, template, digest, path, violation, columnMatches } = entry
  const marks = [
    ...(violation ? [styled('red', 'VIOLATION')] : []),
    ...(columnMatches ? [] : [styled('red', 'WRONG TEMPLATE HASH')]),
    ...(keyring === null ? [] : [signatureText(entry, keyring)]),
  ].filter(Boolean)
  const place = styled(
    'dim',
    `#${String(index).padStart(5)}  ${String(pcr).padStart(2)}  ${printable(template)}`,
  )
  return [place, digest, printable(path), ...marks].join('  ')
}

function signatureText(entry: ImaEntry, keyring: ImaKeyring): string {
  const { outcome, detail } = verifyEntrySignature(entry, keyring)
  if (outcome === 'missing') return ''
  return outcome === 'valid' ? printable(detail) : styled('red', `${outcome}: ${printable(detail)}`)
}

/** A log in a few lines. */
export function imaSummaryLines(
  summary: ImaSummary,
  signatures: SignatureCounts | null,
  quoted: QuotedImaLog | null,
): string[] {
  const { entries, violations, templates, aggregate, badEntries, firstBadEntry } = summary
  const kinds = Object.entries(templates).map(([name, count]) => `${count} ${printable(name)}`)
  return [
    `entries     ${entries}${kinds.length > 0 ? ` (${kinds.join(', ')})` : ''}`,
    `violations  ${violations}`,
    `aggregate   ${aggregate ?? 'none'}`,
    ...Object.entries(summary.pcr10).map(([bank, value]) => `PCR 10      ${bank}  ${value}`),
    ...Object.entries(summary.pcr10Padded).map(
      ([bank, value]) => `            ${bank} before Linux 5.8  ${value}`,
    ),
    ...(badEntries > 0
      ? [
          styled(
            'red',
            `${badEntries} entries have a wrong template hash, the first is entry ${firstBadEntry}`,
          ),
        ]
      : []),
    ...(signatures === null
      ? []
      : [
          `signatures  ${Object.entries(signatures)
            .map(([outcome, count]) => `${count} ${outcome}`)
            .join(', ')}`,
        ]),
    ...(quoted === null ? [] : quotedLines(quoted, entries)),
  ]
}

function quotedLines({ attested, faults }: QuotedImaLog, entries: number): string[] {
  return [
    ...Object.entries(attested).map(
      ([bank, count]) => `quoted      ${bank} covers ${count} of ${entries} entries`,
    ),
    ...faults.map(({ message }) => styled('red', printable(message))),
  ]
}
