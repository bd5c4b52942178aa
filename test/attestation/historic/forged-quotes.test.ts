import { hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  examineQuote,
  type Quote,
  QuoteError,
  type QuoteErrorCode,
  readClaimedPcrs,
  readQuoteKey,
  verifyQuote,
} from '../../../attestation/index.ts'
import { QUOTED_SELECTION } from '../../../attestation/tpm2/structures/index.ts'
import { fixture, recordedHost } from '../recorded-host.ts'
import { AK_ATTRIBUTES, type QuoteFields, SoftwareKey } from '../software-quote.ts'
import { HAS_TOOL, toolIsBefore, toolTakes } from './check-quote-tool.ts'

// Ways in which verifiers of quotes were fooled. Each test says what happened; the quote is signed well, so that only the one check refuses it.
const EXTRA_DATA = Buffer.alloc(32, 0xee)
const key = new SoftwareKey({ attributes: AK_ATTRIBUTES })

/** What `verifyQuote` has against a quote; null when it takes it. */
function refusal(quote: Quote, by = key): QuoteErrorCode | null {
  try {
    verifyQuote(quote, { ak: by.ak, extraData: EXTRA_DATA, pcrSelection: QUOTED_SELECTION })
    return null
  } catch (error) {
    if (error instanceof QuoteError) return error.code
    throw error
  }
}

function forged(over: Partial<QuoteFields>): Quote {
  return key.quote(new Map(), { extraData: EXTRA_DATA, ...over })
}

/** A quote whose attest was changed after it was made, and signed again. */
function resigned(change: (attest: Buffer) => Buffer): Quote {
  const attest = change(Buffer.from(forged({}).attest))
  return { attest, signature: key.sign(attest) }
}

describe('historic failure: a forged quote', () => {
  it('is refused by one check each: the quote that they are made from is good', () => {
    expect(refusal(forged({}))).toBeNull()
  })

  it('a quote over no PCRs: any host has the digest of nothing', () => {
    const nothing = { pcrSelection: [], pcrDigest: hash('sha256', Buffer.alloc(0), 'buffer') }
    expect(refusal(forged(nothing))).toBe('QUOTE_PCR_SELECTION_MISMATCH')
    const emptyBank = { ...nothing, pcrSelection: [{ bank: 0x000b, pcrs: [] }] }
    expect(refusal(forged(emptyBank))).toBe('QUOTE_PCR_SELECTION_MISMATCH')
    // Also where the verifier asked for nothing, and where it asked only for some PCRs to be there.
    for (const pcrs of [{ exactly: [] }, { atLeast: [] }]) {
      const question = { ...examination(forged(nothing)), pcrs }
      expect(examineQuote(question).reasons[0]?.code).toBe('QUOTE_PCR_SELECTION_MISMATCH')
    }
  })

  it('other PCRs: PCR 16 and 23 can be reset and extended to any value by software', () => {
    const debug = [{ bank: 0x000b, pcrs: [16, 23] }]
    expect(refusal(forged({ pcrSelection: debug }))).toBe('QUOTE_PCR_SELECTION_MISMATCH')
    const sha1 = [{ bank: 0x0004, pcrs: QUOTED_SELECTION[0]?.pcrs ?? [] }]
    expect(refusal(forged({ pcrSelection: sha1 }))).toBe('QUOTE_PCR_SELECTION_MISMATCH')
    const more = [...QUOTED_SELECTION, { bank: 0x0004, pcrs: [0] }]
    expect(refusal(forged({ pcrSelection: more }))).toBe('QUOTE_PCR_SELECTION_MISMATCH')
  })

  it('another attest type: TPM2_Certify and TPM2_GetTime sign what their caller chose, with the same magic', () => {
    for (const type of [0x8014, 0x8015, 0x8016, 0x8017, 0x8019, 0x801a, 0x8010])
      expect(refusal(forged({ type }))).toBe('QUOTE_MALFORMED')
  })

  it.skipIf(!HAS_TOOL)(
    'bytes without the TPM magic: an unrestricted key signs them for anybody (CVE-2024-29038)',
    () => {
      const unmagical = forged({ magic: 0x00544347 })
      expect(refusal(unmagical)).toBe('QUOTE_MALFORMED')
      expect(toolTakes(unmagical, key.ak.publicArea, { nonce: EXTRA_DATA })).toBe(toolIsBefore(5, 7))
    },
  )

  it('a software key with the TPM magic: its signature is good, and only its enrolment tells', () => {
    const stranger = new SoftwareKey({ attributes: AK_ATTRIBUTES })
    const quote = stranger.quote(new Map(), { extraData: EXTRA_DATA })
    expect(refusal(quote)).toBe('QUOTE_SIGNATURE_INVALID')
    // Its own public area, under the enrolled Name, does not become the enrolled key.
    const pretended = { publicArea: stranger.ak.publicArea, name: key.ak.name }
    const expected = { ak: pretended, extraData: EXTRA_DATA, pcrSelection: QUOTED_SELECTION }
    expect(() => verifyQuote(quote, expected)).toThrow(
      expect.objectContaining({ code: 'QUOTE_SIGNER_MISMATCH' }),
    )
    // By itself it looks like a TPM's: the output says that nobody checked.
    const alone = examineQuote(examination(quote, stranger))
    expect(alone.verified).toBe(true)
    expect(alone.properties).toContainEqual(
      expect.objectContaining({ property: 'key that was enrolled', status: 'NOT CHECKED' }),
    )
  })

  it.each([
    ['that signs anything (not restricted)', AK_ATTRIBUTES & ~0x10000],
    ['that was made outside (no sensitiveDataOrigin)', AK_ATTRIBUTES & ~0x20],
    ['that can leave its TPM (no fixedTPM)', AK_ATTRIBUTES & ~0x2],
    ['that decrypts as well', AK_ATTRIBUTES | 0x20000],
  ])('a key %s', (_, attributes) => {
    const unfit = new SoftwareKey({ attributes })
    expect(refusal(unfit.quote(new Map(), { extraData: EXTRA_DATA }), unfit)).toBe('QUOTE_KEY_UNFIT')
  })

  it('trailing bytes, in the attest, in the signature, in the key', () => {
    expect(refusal(resigned(attest => Buffer.concat([attest, Buffer.of(0)])))).toBe('QUOTE_MALFORMED')
    const { attest, signature } = forged({})
    const longer = Buffer.concat([signature, Buffer.of(0, 0)])
    expect(refusal({ attest, signature: longer })).toBe('QUOTE_MALFORMED')
    if (HAS_TOOL)
      expect(toolTakes({ attest, signature: longer }, key.ak.publicArea, { nonce: EXTRA_DATA })).toBe(true)
    expect(() => readQuoteKey(Buffer.concat([key.ak.publicArea, Buffer.of(0)]))).toThrow(
      expect.objectContaining({ code: 'TRAILING_BYTES' }),
    )
  })

  it('a digest that a shorter one begins: the whole digest is compared', () => {
    const digest = Buffer.from(forged({}).attest).subarray(-32)
    const found = (pcrDigest: Buffer) => {
      const claimedPcrs = new Map([['sha256' as const, new Map(zeros())]])
      return examineQuote({ ...examination(forged({ pcrDigest })), claimedPcrs }).verified
    }
    expect(found(digest)).toBe(true)
    expect(found(digest.subarray(0, 31))).toBe(false)
    expect(found(Buffer.alloc(0))).toBe(false)
  })

  it('a nonce that begins with the one that was asked for, or is a part of it', () => {
    for (const extraData of [
      Buffer.concat([EXTRA_DATA, Buffer.of(0)]),
      EXTRA_DATA.subarray(1),
      Buffer.alloc(0),
    ])
      expect(refusal(key.quote(new Map(), { extraData }))).toBe('QUOTE_EXTRA_DATA_MISMATCH')
  })

  it('a `safe` that is neither yes nor no, and a signature with r = 0 or s = 0 (CVE-2022-21449)', () => {
    const safeAt = (attest: Buffer) => attest.indexOf(Buffer.from('20191023', 'hex')) - 1
    const unclear = resigned(attest => {
      attest.writeUInt8(2, safeAt(attest))
      return attest
    })
    expect(refusal(unclear)).toBe('QUOTE_MALFORMED')
    const { attest } = forged({})
    const zero = Buffer.from(`0018000b0020${'00'.repeat(32)}0020${'00'.repeat(32)}`, 'hex')
    expect(refusal({ attest, signature: zero })).toBe('QUOTE_SIGNATURE_INVALID')
    expect(refusal({ attest, signature: Buffer.from('0018000b00000000', 'hex') })).toBe(
      'QUOTE_SIGNATURE_INVALID',
    )
  })
})

describe('historic failure: a relabelled PCR', () => {
  const { evidence, expected } = recordedHost('debian13-uki')
  /** What `tpm2_quote -o` wrote; PCR 15's value is given as PCR 16's. */
  const relabelled = fixture('debian13-uki', 'quote.pcrs')
  relabelled.writeUInt8(relabelled.readUInt8(8) & 0x7f, 8)
  relabelled.writeUInt8(relabelled.readUInt8(9) | 1, 9)

  it.skipIf(!HAS_TOOL)(
    'passes where the values are not held against the quoted selection (CVE-2024-29039)',
    () => {
      const options = { nonce: expected.extraData, pcrs: relabelled }
      expect(toolTakes(evidence.quote, expected.ak.publicArea, options)).toBe(toolIsBefore(5, 7))
    },
  )

  it('is refused: each value stands for the PCR whose number it has', () => {
    const good = examineQuote({ ...examination(evidence.quote), ...recordedQuestion, logs: evidence })
    const values = new Map(good.pcrs?.get('sha256'))
    const claim = (pcrs: Map<number, Uint8Array>) => {
      const json = {
        sha256: Object.fromEntries(Array.from(pcrs, ([pcr, v]) => [pcr, Buffer.from(v).toString('hex')])),
      }
      const claimedPcrs = readClaimedPcrs(Buffer.from(JSON.stringify(json)))
      return examineQuote({ ...examination(evidence.quote), ...recordedQuestion, claimedPcrs })
    }
    expect(claim(values).verified).toBe(true)
    const moved = new Map(values).set(16, values.get(15) ?? Buffer.alloc(0))
    moved.delete(15)
    expect(claim(moved).reasons[0]).toMatchObject({ code: 'QUOTE_PCR_DIGEST_MISMATCH' })
    expect(claim(moved).reasons[0]?.message).toMatch(/PCR 15/)
  })

  const recordedQuestion = { key: readQuoteKey(expected.ak.publicArea), extraData: expected.extraData }
})

function zeros(): [number, Buffer][] {
  return Array.from({ length: 16 }, (_, pcr) => [pcr, Buffer.alloc(32)])
}

function examination(quote: Quote, by = key) {
  return {
    quote,
    key: readQuoteKey(by.ak.publicArea),
    signatureFormat: 'tpmt' as const,
    name: null,
    extraData: EXTRA_DATA as Uint8Array | null,
    pcrs: { exactly: QUOTED_SELECTION },
    logs: { eventLog: null, userspaceLog: null, imaLog: null },
    claimedPcrs: null,
    reference: null,
    history: undefined,
    time: '2026-11-21T12:00:00.000Z',
    refuseWeak: false,
  }
}
