import { describe, expect, it } from 'vitest'
import {
  type AppraisalInput,
  appraise,
  captureReferenceValues,
  encodeReferenceValues,
  LogReplays,
  parseReferenceValues,
  type ReferenceDocument,
} from '../../attestation/index.ts'
import { fixture, readPcrText, recordedHost } from './recorded-host.ts'

const host = recordedHost('debian13-uki')
const captured = captureReferenceValues({
  ...host,
  name: 'debian13-uki',
  created: '2026-11-21T02:00:00.000Z',
})

function reference(change: (document: ReferenceDocument) => void = () => {}) {
  const document = structuredClone(captured)
  change(document)
  return parseReferenceValues(encodeReferenceValues(document))
}

function input(over: Partial<AppraisalInput> = {}): AppraisalInput {
  return { ...host, reference: reference(), previous: null, governedDigests: new Set(), ...over }
}

const codes = (i: AppraisalInput): string[] => appraise(i).reasons.map(reason => reason.code)

describe('the recorded host', () => {
  it.each([
    ['debian13-uki', 507, 509, false],
    ['debian13-uki-secureboot', 505, 506, true],
  ] as const)('%s verifies wholly by its own reference values', (name, attested, entries, secureBoot) => {
    const recorded = recordedHost(name)
    const document = captureReferenceValues({ ...recorded, name, created: '2026-11-21T02:00:00.000Z' })
    const result = appraise(
      input({ ...recorded, reference: parseReferenceValues(encodeReferenceValues(document)) }),
    )
    expect(result.reasons).toEqual([])
    expect(result).toMatchObject({
      verdict: 'pass',
      imaAttestedEntries: attested,
      imaEntries: entries,
      secureBoot,
    })
    const read = readPcrText(fixture(name, 'pcrread.txt').toString(), 'sha256')
    for (let pcr = 0; pcr < 16; pcr++) if (pcr !== 10) expect(result.pcrs[pcr]).toBe(read.get(pcr))
  })

  it('fails by the values of its other boot', () => {
    const other = recordedHost('debian13-uki-secureboot')
    const result = appraise(input({ ...other }))
    expect(result.verdict).toBe('fail')
    expect(result.reasons).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ code: 'PCR_VALUE_UNKNOWN', at: 'PCR 7' }),
        expect.objectContaining({ code: 'SECURE_BOOT_MISMATCH' }),
      ]),
    )
  })
})
