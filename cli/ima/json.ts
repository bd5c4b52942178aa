import {
  IMA_PCR,
  type ImaEntry,
  type ImaKeyring,
  type ImaSummary,
  measuredCertificate,
  type QuotedImaLog,
  type SignatureOutcome,
  verifyEntrySignature,
} from '../../attestation/index.ts'

/** The form of {@link imaSummaryJson}. */
export const IMA_SUMMARY_FORM = {
  form: 'text: binary or ascii',
  entries: 'number',
  violations: 'number: files that were changed while they were measured',
  templates: 'json: number of entries by template',
  pcrs: ['number'],
  pcr10: 'json: hexadecimal by bank, after the last entry',
  pcr10Padded: 'json: the same as kernels before 5.8 extend the banks other than SHA-1',
  'aggregate|null': 'text: algorithm:hex of boot_aggregate',
  badEntries: 'number: whose template hash is not that of their data',
  'firstBadEntry|null': 'number',
  'signatures|null': 'json: number of entries by outcome; null without --key',
  'quoted|null': {
    attested: 'json: entries that the quoted value covers, by bank',
    'extend|null': 'text: native or padded',
    faults: [{ code: 'text', message: 'text', 'entry?': 'number', 'bank?': 'text' }],
  },
} as const

/** The form of {@link imaEntryJson}. */
export const IMA_ENTRY_FORM = {
  index: 'number',
  pcr: 'number',
  template: 'text: not measured',
  digest: 'text: algorithm:hex of the content',
  'digestType|null': 'text: ima or verity',
  path: 'text',
  violation: 'boolean',
  columnMatches: 'boolean: whether the template hash in the log is that of the data',
  bound: 'boolean: whether what PCR 10 was extended with covers the digest, the path and the fields',
  fields: 'json: the other fields of the template; bytes in hexadecimal',
  'signature?': {
    outcome: 'text: valid, invalid, unknown-key, missing or unverifiable',
    'kind|null': 'text: ima, verity, evm-portable or appended',
    'keyId|null': 'text: as the signature names its key',
    'key|null': 'text: who signed, when valid',
    detail: 'text',
  },
  'certificate?': { subject: 'text: of a certificate that was put on a keyring', keyIds: ['text'] },
} as const

/** How many entries have which kind of signature. */
export type SignatureCounts = Record<SignatureOutcome, number>

/** What `--json` prints for a log. */
export function imaSummaryJson(
  summary: ImaSummary,
  signatures: SignatureCounts | null,
  quoted: QuotedImaLog | null,
): Record<string, unknown> {
  return { ...summary, signatures, quoted }
}

/** What `--list --json` prints for an entry. */
export function imaEntryJson(entry: ImaEntry, keyring: ImaKeyring | null): Record<string, unknown> {
  const certificate = entry.fields.buf && measuredCertificate(entry.fields.buf)
  return {
    ...entry,
    // A violation extends all ones, whatever it says.
    bound: entry.pcr === IMA_PCR && !entry.violation,
    ...(keyring === null ? {} : { signature: signatureJson(entry, keyring) }),
    ...(certificate ? { certificate } : {}),
  }
}

function signatureJson(entry: ImaEntry, keyring: ImaKeyring): Record<string, unknown> {
  const { key, ...check } = verifyEntrySignature(entry, keyring)
  return { ...check, key: key?.name ?? null }
}
