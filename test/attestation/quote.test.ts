import { createHash, hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  bindExtraData,
  type ClockHistory,
  type ClockInfo,
  type CycleBinding,
  checkpointExtraData,
  judgeClock,
  matchesPcrDigest,
  QUOTED_SELECTION,
  type Quote,
  type QuoteBinding,
  QuoteError,
  type QuoteExpectation,
  verifyQuote,
} from '../../attestation/index.ts'
import { ALG, hashId } from '../../attestation/tpm2/structures/index.ts'
import { eccPublicArea, fixture, recordedHost } from './recorded-host.ts'
import { AK_ATTRIBUTES, SoftwareKey, sized, u16 } from './software-quote.ts'

const key = new SoftwareKey()
const EXTRA = Buffer.alloc(32, 0xee)
const NO_PCRS = new Map<number, Buffer>()
const expected: QuoteExpectation = { ak: key.ak, extraData: EXTRA, pcrSelection: QUOTED_SELECTION }

function codeOf(quote: Quote, over: Partial<QuoteExpectation> = {}): string {
  try {
    verifyQuote(quote, { ...expected, ...over })
  } catch (error) {
    if (error instanceof QuoteError) return error.code
    throw error
  }
  return 'VERIFIED'
}

describe('verifyQuote', () => {
  it('verifies the recorded quotes', () => {
    for (const name of ['debian13-uki', 'debian13-uki-secureboot'] as const) {
      const { evidence, expected: recorded } = recordedHost(name)
      const verified = verifyQuote(evidence.quote, { ...recorded, pcrSelection: QUOTED_SELECTION })
      expect(verified.clock.safe).toBe(true)
      expect(verified.clock.resetCount).toBe(name === 'debian13-uki' ? 2 : 3)
      expect(verified.firmwareVersion.toString(16)).toBe('2019102300163636')
    }
  })

  it('verifies a quote by an enrolled key', () => {
    expect(codeOf(key.quote(NO_PCRS))).toBe('VERIFIED')
  })

  it.each([
    ['another magic', { magic: 0xff544346 }],
    ['another type', { type: 0x8017 }],
  ])('refuses %s under a good signature', (_, fields) => {
    expect(codeOf(key.quote(NO_PCRS, fields))).toBe('QUOTE_MALFORMED')
  })

  it('refuses bytes after the TPMS_ATTEST, under a good signature', () => {
    const attest = Buffer.concat([key.quote(NO_PCRS).attest, Buffer.of(0)])
    expect(codeOf({ attest, signature: key.sign(attest) })).toBe('QUOTE_MALFORMED')
  })

  it('refuses bytes after the TPMT_SIGNATURE', () => {
    const { attest, signature } = key.quote(NO_PCRS)
    expect(codeOf({ attest, signature: Buffer.concat([signature, Buffer.of(0)]) })).toBe('QUOTE_MALFORMED')
  })

  it('refuses every truncation', () => {
    const { attest, signature } = key.quote(NO_PCRS)
    for (let end = 0; end < attest.length; end++) {
      expect(codeOf({ attest: attest.subarray(0, end), signature })).toBe('QUOTE_MALFORMED')
    }
    for (let end = 0; end < signature.length; end++) {
      expect(codeOf({ attest, signature: signature.subarray(0, end) })).toBe('QUOTE_MALFORMED')
    }
  })

  it('refuses a safe flag that is neither 0 nor 1', () => {
    const attest = Buffer.from(key.quote(NO_PCRS).attest)
    const safeAt = 4 + 2 + 2 + 34 + 2 + 32 + 8 + 4 + 4
    expect(attest[safeAt]).toBe(1)
    attest[safeAt] = 2
    expect(codeOf({ attest, signature: key.sign(attest) })).toBe('QUOTE_MALFORMED')
  })

  const bank = hashId('sha256')
  it.each([
    ['no PCR', [{ bank, pcrs: [] }]],
    ['no bank', []],
    ['fewer PCRs', [{ bank, pcrs: [0, 1, 2, 3, 4, 5, 6, 7] }]],
    ['more PCRs', [{ bank, pcrs: Array.from({ length: 17 }, (_, i) => i) }]],
    ['another bank', [{ bank: hashId('sha1'), pcrs: Array.from({ length: 16 }, (_, i) => i) }]],
    ['a bank more', [...QUOTED_SELECTION, { bank: hashId('sha1'), pcrs: [0] }]],
  ])('refuses a selection of %s', (_, pcrSelection) => {
    expect(codeOf(key.quote(NO_PCRS, { pcrSelection }))).toBe('QUOTE_PCR_SELECTION_MISMATCH')
  })

  it('refuses an empty selection even when it was asked for', () => {
    expect(codeOf(key.quote(NO_PCRS, { pcrSelection: [] }), { pcrSelection: [] })).toBe(
      'QUOTE_PCR_SELECTION_MISMATCH',
    )
  })

  it.each([
    ['other', Buffer.alloc(32, 0xed)],
    ['empty', Buffer.alloc(0)],
    ['longer', Buffer.alloc(33, 0xee)],
  ])('refuses %s extraData', (_, extraData) => {
    expect(codeOf(key.quote(NO_PCRS, { extraData }))).toBe('QUOTE_EXTRA_DATA_MISMATCH')
  })

  it('refuses a key whose Name is not the enrolled one', () => {
    const other = new SoftwareKey()
    expect(codeOf(other.quote(NO_PCRS), { ak: { publicArea: other.ak.publicArea, name: key.ak.name } })).toBe(
      'QUOTE_SIGNER_MISMATCH',
    )
  })

  it('refuses another attribute in the public area under the same key', () => {
    const pem = fixture('debian13-uki', 'ak.pem')
    const { evidence, expected: recorded } = recordedHost('debian13-uki')
    const ak = { publicArea: eccPublicArea(pem, AK_ATTRIBUTES), name: recorded.ak.name }
    expect(codeOf(evidence.quote, { ...recorded, ak })).toBe('QUOTE_SIGNER_MISMATCH')
  })

  it.each([
    ['restricted', AK_ATTRIBUTES & ~0x10000],
    ['sign', AK_ATTRIBUTES & ~0x40000],
    ['fixedTPM', AK_ATTRIBUTES & ~0x2],
    ['fixedParent', AK_ATTRIBUTES & ~0x10],
    ['sensitiveDataOrigin', AK_ATTRIBUTES & ~0x20],
    ['only to sign', AK_ATTRIBUTES | 0x20000],
  ])('refuses a key that is not %s', (_, attributes) => {
    const unfit = new SoftwareKey({ attributes })
    expect(codeOf(unfit.quote(NO_PCRS), { ak: unfit.ak })).toBe('QUOTE_KEY_UNFIT')
  })

  it('refuses a signature by another key, and every flipped bit of one', () => {
    const { attest, signature } = key.quote(NO_PCRS)
    expect(codeOf({ attest, signature: new SoftwareKey().sign(attest) })).toBe('QUOTE_SIGNATURE_INVALID')
    for (const at of [8, 20, signature.length - 1]) {
      const flipped = Buffer.from(signature)
      flipped[at] = (flipped[at] ?? 0) ^ 1
      expect(codeOf({ attest, signature: flipped })).toBe('QUOTE_SIGNATURE_INVALID')
    }
    const changed = Buffer.from(attest)
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
    expect(codeOf({ attest: changed, signature })).toBe('QUOTE_SIGNATURE_INVALID')
  })

  it("refuses a signature in another scheme or hash than the key's", () => {
    const { attest } = key.quote(NO_PCRS)
    expect(codeOf({ attest, signature: key.sign(attest, 'sha384') })).toBe('QUOTE_SIGNATURE_INVALID')
    const rsa = Buffer.concat([u16(ALG.RSASSA, ALG.SHA256), sized(Buffer.alloc(256, 1))])
    expect(codeOf({ attest, signature: rsa })).toBe('QUOTE_SIGNATURE_INVALID')
    const noScheme = new SoftwareKey({ scheme: ALG.NULL })
    expect(codeOf(noScheme.quote(NO_PCRS), { ak: noScheme.ak })).toBe('QUOTE_MALFORMED')
  })

  it('refuses a public area that is not one', () => {
    const publicArea = Buffer.concat([key.ak.publicArea, Buffer.of(0)])
    expect(codeOf(key.quote(NO_PCRS), { ak: { ...key.ak, publicArea } })).toBe('QUOTE_MALFORMED')
    const offCurve = Buffer.from(key.ak.publicArea)
    offCurve[offCurve.length - 1] = (offCurve.at(-1) ?? 0) ^ 1
    expect(codeOf(key.quote(NO_PCRS), { ak: { ...key.ak, publicArea: offCurve } })).toBe('QUOTE_MALFORMED')
  })

  it('does not remember a public area whose bytes were changed since', () => {
    const ak = { publicArea: Buffer.from(key.ak.publicArea), name: key.ak.name }
    expect(codeOf(key.quote(NO_PCRS), { ak })).toBe('VERIFIED')
    ak.publicArea.writeUInt32BE(AK_ATTRIBUTES & ~0x10000, 4)
    expect(codeOf(key.quote(NO_PCRS), { ak })).toBe('QUOTE_SIGNER_MISMATCH')
  })
})

describe('matchesPcrDigest', () => {
  const pcrs = new Map(Array.from({ length: 16 }, (_, pcr) => [pcr, Buffer.alloc(32, pcr)]))

  it("is over the signature's hash, not the bank's", () => {
    const sha384 = new SoftwareKey({ hash: 'sha384' })
    const quote = verifyQuote(sha384.quote(pcrs), { ...expected, ak: sha384.ak })
    expect(quote.pcrDigest).toHaveLength(48)
    expect(matchesPcrDigest(quote, () => pcrs)).toBe(true)
    const byBank = { ...quote, pcrDigest: hash('sha256', Buffer.concat([...pcrs.values()]), 'buffer') }
    expect(matchesPcrDigest(byBank, () => pcrs)).toBe(false)
  })

  it('is over every selected PCR in selection order', () => {
    const quote = verifyQuote(key.quote(pcrs), expected)
    expect(matchesPcrDigest(quote, () => pcrs)).toBe(true)
    const swapped = new Map(pcrs).set(0, Buffer.alloc(32, 1)).set(1, Buffer.alloc(32, 0))
    expect(matchesPcrDigest(quote, () => swapped)).toBe(false)
    const missing = new Map(pcrs)
    missing.delete(15)
    expect(matchesPcrDigest(quote, () => missing)).toBe(false)
    expect(matchesPcrDigest(quote, () => undefined)).toBe(false)
  })
})

describe('bindExtraData', () => {
  const binding: CycleBinding = {
    domain: 'writ/v1/cycle',
    nonce: Buffer.alloc(32, 1),
    treeSize: 2n,
    lineageRoot: Buffer.alloc(32, 3),
    sessionKeySpkiDigest: Buffer.alloc(32, 4),
    referenceValuesDigest: Buffer.alloc(32, 5),
  }

  it('is SHA-256 over the length-prefixed fields', () => {
    const filled = (byte: string): string => `00000020${byte.repeat(32)}`
    const bytes = `0000000d${Buffer.from('writ/v1/cycle').toString('hex')}${filled('01')}000000080000000000000002${filled('03')}${filled('04')}${filled('05')}`
    expect(bindExtraData(binding).toString('hex')).toBe(
      createHash('sha256').update(bytes, 'hex').digest('hex'),
    )
  })

  it('differs when any field differs', () => {
    const others: QuoteBinding[] = [
      { ...binding, domain: 'writ/v2/report', executionsDigest: Buffer.alloc(32, 6) },
      { ...binding, domain: 'writ/v2/report', executionsDigest: Buffer.alloc(32, 7) },
      { ...binding, nonce: Buffer.alloc(32, 9) },
      { ...binding, treeSize: 3n },
      { ...binding, lineageRoot: Buffer.alloc(32, 9) },
      { ...binding, sessionKeySpkiDigest: Buffer.alloc(32, 9) },
      { ...binding, referenceValuesDigest: Buffer.alloc(32, 9) },
    ]
    const all = [binding, ...others].map(b => bindExtraData(b).toString('hex'))
    expect(new Set(all).size).toBe(all.length)
  })

  it('takes no field of another length', () => {
    expect(() => bindExtraData({ ...binding, nonce: Buffer.alloc(31) })).toThrow(RangeError)
  })

  it('separates a checkpoint from both other domains', () => {
    const body = Buffer.from('origin\n1\nroot\n')
    expect(checkpointExtraData(body)).toEqual(
      createHash('sha256').update('writ/v1/checkpoint\0origin\n1\nroot\n').digest(),
    )
  })
})

describe('judgeClock', () => {
  const previous: ClockHistory = { clock: 100n, resetCount: 5, restartCount: 2, firmwareVersion: 1n }
  const now = (over: Partial<ClockInfo>): ClockInfo => ({
    clock: 100n,
    resetCount: 5,
    restartCount: 2,
    safe: true,
    ...over,
  })

  it.each([
    ['running', { clock: 101n }],
    ['running', {}],
    ['restarted', { restartCount: 3 }],
    ['rebooted', { resetCount: 6, restartCount: 0 }],
    ['rebooted', { resetCount: 6, restartCount: 0, clock: 1n, safe: false }],
    ['rollback-reset', { resetCount: 4, restartCount: 9, clock: 999n }],
    ['rollback-restart', { restartCount: 1, clock: 999n }],
    ['rollback-clock', { clock: 99n }],
    ['rollback-clock', { clock: 99n, restartCount: 3 }],
  ] as const)('%s: %o', (step, over) => {
    expect(judgeClock(previous, now(over))).toBe(step)
  })

  it('takes the first quote as it is', () => {
    expect(judgeClock(null, now({}))).toBe('first')
  })
})

describe('a forger', () => {
  it('with a key of the right shape gets no further than its own Name', () => {
    const forger = new SoftwareKey()
    expect(codeOf(forger.quote(NO_PCRS))).toBe('QUOTE_SIGNATURE_INVALID')
    expect(codeOf(forger.quote(NO_PCRS), { ak: { ...forger.ak, name: key.ak.name } })).toBe(
      'QUOTE_SIGNER_MISMATCH',
    )
  })
})
