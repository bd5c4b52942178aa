import { status } from '@grpc/grpc-js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { REASON_CODES } from '../../authorization/index.ts'
import { REASON_STATUS } from '../../daemon/rpc/errors.ts'
import {
  type DenialReason,
  decodeErrorDetail,
  type ErrorDetail,
  encodeErrorDetail,
  safeText,
} from '../../proto/error-details.ts'
import { denialType, packageDefinition, statusType } from '../../proto/load.ts'

const roundTrip = (detail: ErrorDetail) => decodeErrorDetail(encodeErrorDetail(7, 'message', detail), 7)

describe('reason codes', () => {
  it('are the same in the decision, on the wire and in the map of statuses', () => {
    const wire = packageDefinition['writ.v1.ReasonCode'] as unknown as { type: { value: { name: string }[] } }
    const names = wire.type.value
      .map(v => v.name.replace('REASON_CODE_', ''))
      .filter(n => n !== 'UNSPECIFIED')
    expect(names).toEqual([...REASON_CODES])
    expect(Object.keys(REASON_STATUS).sort()).toEqual([...REASON_CODES].sort())
    expect(Object.values(REASON_STATUS)).not.toContain(status.OK)
  })

  it('all travel', () => {
    const reasons = REASON_CODES.map(code => ({ code, message: `says ${code}`, at: 'place' }))
    expect(roundTrip({ kind: 'denial', reasons, decisionIndex: 0n })).toEqual({
      kind: 'denial',
      reasons,
      decisionIndex: 0n,
    })
  })
})

describe('details', () => {
  it('that are not ours, or not understood, are nothing', () => {
    const good = encodeErrorDetail(7, 'm', { kind: 'denial', reasons: [{ code: 'REVOKED', message: 'm' }] })
    expect(decodeErrorDetail(good, 7)).not.toBeNull()
    // The status says something else than the trailer that it came with.
    expect(decodeErrorDetail(good, 8)).toBeNull()
    const wrap = (type_url: string, value: Buffer, count = 1) =>
      statusType.serialize({ code: 7, details: Array.from({ length: count }, () => ({ type_url, value })) })
    const url = 'type.googleapis.com/writ.v1.Denial'
    const denial = denialType.serialize({ reasons: [{ code: 'REASON_CODE_REVOKED' }] })
    expect(decodeErrorDetail(wrap(url, denial), 7)).not.toBeNull()
    expect(decodeErrorDetail(wrap(url, denial, 2), 7)).toBeNull()
    expect(decodeErrorDetail(wrap(url, denial, 0), 7)).toBeNull()
    expect(decodeErrorDetail(wrap('type.googleapis.com/writ.v1.Other', denial), 7)).toBeNull()
    expect(decodeErrorDetail(wrap(url, Buffer.alloc(0)), 7)).toBeNull()
    expect(decodeErrorDetail(wrap('type.googleapis.com/writ.v1.Fault', Buffer.alloc(0)), 7)).toBeNull()
    // Reason{code: 99} and Reason{code: UNSPECIFIED}: of a later version, or of nobody.
    expect(decodeErrorDetail(wrap(url, Buffer.from('0a020863', 'hex')), 7)).toBeNull()
    expect(decodeErrorDetail(wrap(url, Buffer.from('0a00', 'hex')), 7)).toBeNull()
  })

  it('fit in a header, however much there is to say', () => {
    const reasons = Array.from({ length: 5000 }, () => ({
      code: 'REPLAYED' as const,
      message: '\u{1F600}'.repeat(400),
    }))
    const bytes = encodeErrorDetail(7, 'x'.repeat(100_000), { kind: 'denial', reasons })
    expect(bytes.toString('base64').length).toBeLessThan(8192)
    const fault = encodeErrorDetail(3, 'x', {
      kind: 'fault',
      code: 'c'.repeat(9999),
      message: 'm'.repeat(9999),
    })
    expect(fault.toString('base64').length).toBeLessThan(8192)
  })

  it('carry only text that can be shown', () => {
    expect(safeText('a\u0000b\r\nc\ud800')).toBe('a b  c\ufffd')
    expect(() => encodeURI(safeText(`${'x'.repeat(398)}\u{1F600}yyy`))).not.toThrow()
  })
})

describe('the decoder', () => {
  const reason: fc.Arbitrary<DenialReason> = fc.record({
    code: fc.constantFrom(...REASON_CODES),
    message: fc.string({ unit: 'binary', maxLength: 30 }).map(safeText),
  })

  it('gives back what was encoded', () => {
    fc.assert(
      fc.property(
        fc.array(reason, { minLength: 1, maxLength: 20 }),
        fc.option(fc.bigInt(0n, 2n ** 64n - 1n)),
        (reasons, index) => {
          const detail: ErrorDetail = {
            kind: 'denial',
            reasons,
            ...(index === null ? {} : { decisionIndex: index }),
          }
          expect(roundTrip(detail)).toEqual(detail)
        },
      ),
      { numRuns: 200 },
    )
  })

  it('takes any bytes, and gives a detail or nothing', () => {
    const good = encodeErrorDetail(7, 'm', {
      kind: 'denial',
      reasons: [{ code: 'REVOKED', message: 'm', at: 'a' }],
    })
    const total = (bytes: Uint8Array) => {
      const detail = decodeErrorDetail(Buffer.from(bytes), 7)
      if (detail?.kind === 'denial')
        for (const { code } of detail.reasons) expect(REASON_CODES).toContain(code)
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), total), { numRuns: 1000 })
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 4 }), changes => {
        const bytes = Buffer.from(good)
        for (const [at, value] of changes) bytes[at] = value
        total(bytes)
      }),
      { numRuns: 1000 },
    )
  })
})
