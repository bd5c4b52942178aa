import { describe, expect, it } from 'vitest'
import {
  examineQuote,
  historyHost,
  type QuoteExamination,
  readClaimedPcrs,
  readQuoteKey,
  readSelectionText,
  selectionText,
} from '../../attestation/index.ts'
import { encodePcrsFile } from '../../attestation/quote/index.ts'
import { QUOTED_SELECTION } from '../../attestation/tpm2/structures/index.ts'
import { fixture, recordedHost } from './recorded-host.ts'
import { AK_ATTRIBUTES, SoftwareKey } from './software-quote.ts'

const { evidence, expected } = recordedHost('debian13-uki')
const other = recordedHost('debian13-uki-secureboot')
const NO_LOGS = { eventLog: null, userspaceLog: null, imaLog: null }

const QUESTION: QuoteExamination = {
  quote: evidence.quote,
  key: readQuoteKey(expected.ak.publicArea),
  signatureFormat: 'auto',
  name: null,
  extraData: expected.extraData,
  pcrs: { exactly: QUOTED_SELECTION },
  logs: evidence,
  claimedPcrs: null,
  reference: null,
  history: undefined,
  time: '2026-11-21T12:00:00.000Z',
  refuseWeak: false,
}
const selection = (text: string) => ({ exactly: readSelectionText(text) ?? [] })

describe('examineQuote on a recorded host', () => {
  const good = examineQuote(QUESTION)

  it('verifies the quote with its logs', () => {
    expect(good.reasons).toEqual([])
    expect(good).toMatchObject({ verified: true, unexplained: [], clockStep: null })
    expect(good.imaAttestedEntries).toBeGreaterThan(100)
    expect(good.pcrs?.get('sha256')?.size).toBe(16)
  })

  it.each<[string, string, Partial<QuoteExamination>]>([
    ['another nonce', 'QUOTE_EXTRA_DATA_MISMATCH', { extraData: Buffer.from('00') }],
    ['a prefix of the nonce', 'QUOTE_EXTRA_DATA_MISMATCH', { extraData: expected.extraData.subarray(0, 4) }],
    ['no nonce where one is in it', 'QUOTE_EXTRA_DATA_MISMATCH', { extraData: Buffer.alloc(0) }],
    ['fewer PCRs', 'QUOTE_PCR_SELECTION_MISMATCH', { pcrs: selection('sha256:0,1') }],
    ['another bank', 'QUOTE_PCR_SELECTION_MISMATCH', { pcrs: selection('sha1:all') }],
    ['no PCR', 'QUOTE_PCR_SELECTION_MISMATCH', { pcrs: { exactly: [] } }],
    [
      'a PCR that is not quoted',
      'QUOTE_PCR_SELECTION_MISMATCH',
      { pcrs: { atLeast: selection('sha256:16').exactly } },
    ],
    ['another key', 'QUOTE_SIGNATURE_INVALID', { key: readQuoteKey(other.expected.ak.publicArea) }],
    [
      'another signature',
      'QUOTE_SIGNATURE_INVALID',
      { quote: { ...evidence.quote, signature: other.evidence.quote.signature } },
    ],
    [
      'what is no quote',
      'QUOTE_MALFORMED',
      { quote: { ...evidence.quote, attest: evidence.quote.signature } },
    ],
    ['another Name', 'QUOTE_SIGNER_MISMATCH', { name: other.expected.ak.name }],
    [
      'a Name for a bare key',
      'QUOTE_SIGNER_MISMATCH',
      { key: readQuoteKey(fixture('debian13-uki', 'ak.pem')), name: expected.ak.name },
    ],
  ])('refuses %s and tells no facts', (_, code, over) => {
    const found = examineQuote({ ...QUESTION, ...over })
    expect(found.verified).toBe(false)
    expect(found.reasons.map(reason => reason.code)).toEqual([code])
    expect(found).toMatchObject({ quote: null, pcrs: null, imaAttestedEntries: 0 })
  })

  it('takes the Name when it is that of the key', () => {
    expect(examineQuote({ ...QUESTION, name: expected.ak.name }).verified).toBe(true)
  })

  it('leaves open what no log is about, and verifies a part of the logs against proven values', () => {
    const claimedPcrs = good.pcrs
    const found = examineQuote({
      ...QUESTION,
      logs: { ...NO_LOGS, eventLog: evidence.eventLog },
      claimedPcrs,
    })
    expect(found.reasons).toEqual([])
    expect(found.unexplained).toContain('sha256:10')
    expect(found.unexplained).not.toContain('sha256:7')
    const foreign = { ...NO_LOGS, eventLog: other.evidence.eventLog }
    const { verified, reasons } = examineQuote({ ...QUESTION, logs: foreign, claimedPcrs })
    expect(verified).toBe(false)
    expect(reasons.map(({ at }) => at)).toContain('PCR 7')
  })

  it('says which PCRs may be at fault when nothing explains the digest', () => {
    const { reasons } = examineQuote({ ...QUESTION, logs: { ...NO_LOGS, eventLog: evidence.eventLog } })
    expect(reasons).toMatchObject([{ code: 'QUOTE_PCR_DIGEST_MISMATCH' }])
    expect(reasons[0]?.message).toMatch(/no log is about PCR .*10/)
  })

  it('names the PCR of a log that has one event too many, or goes on after what was measured', () => {
    const text = Buffer.from(evidence.userspaceLog).toString('latin1')
    const [first = ''] = text.split('\x1e').filter(Boolean)
    const longer = Buffer.from(`${text}\x1e${first}`, 'latin1')
    const inserted = Buffer.from(`\x1e${first}${text}`, 'latin1')
    for (const userspaceLog of [longer, inserted]) {
      const { reasons } = examineQuote({ ...QUESTION, logs: { ...evidence, userspaceLog } })
      expect(reasons).toMatchObject([{ code: 'QUOTE_PCR_DIGEST_MISMATCH', at: 'PCR 15' }])
      expect(reasons[0]?.message).toMatch(/was not extended with record/)
    }
  })

  it('refuses values that are not the quoted ones, are missing, or have another length', () => {
    const values = good.pcrs?.get('sha256') ?? new Map<number, Uint8Array>()
    const check = (change: (map: Map<number, Uint8Array>) => void) => {
      const changed = new Map(values)
      change(changed)
      return examineQuote({ ...QUESTION, logs: NO_LOGS, claimedPcrs: new Map([['sha256', changed]]) })
    }
    expect(check(() => {}).verified).toBe(true)
    // The quote says nothing of a PCR that it does not cover, so nothing is said of it either.
    const more = check(map => map.set(23, Buffer.alloc(32, 1)))
    expect(more.verified).toBe(true)
    expect(more.pcrs?.get('sha256')?.has(23)).toBe(false)
    const relabelled = check(map =>
      map.set(7, values.get(4) ?? Buffer.alloc(0)).set(4, values.get(7) ?? Buffer.alloc(0)),
    )
    const missing = check(map => map.delete(3))
    const shifted = check(map => {
      const joined = Buffer.concat([values.get(0) ?? Buffer.alloc(0), values.get(1) ?? Buffer.alloc(0)])
      map.set(0, joined.subarray(0, 31)).set(1, joined.subarray(31))
    })
    for (const { verified, reasons, pcrs } of [relabelled, missing, shifted]) {
      expect({ verified, pcrs, code: reasons[0]?.code }).toEqual({
        verified: false,
        pcrs: null,
        code: 'QUOTE_PCR_DIGEST_MISMATCH',
      })
    }
    expect(missing.reasons[0]?.message).toMatch(/PCR 3 of sha256/)
  })

  it('remembers what it accepted, and only that', () => {
    const first = examineQuote({ ...QUESTION, history: null })
    expect(first).toMatchObject({ verified: true, clockStep: 'first' })
    const history = first.nextHistory ?? null
    const again = examineQuote({ ...QUESTION, history })
    expect(again.reasons.map(({ code }) => code)).toEqual(['QUOTE_NONCE_REPEATED'])
    expect(again.nextHistory).toBeUndefined()
    const failed = examineQuote({ ...QUESTION, history: null, logs: other.evidence })
    expect(failed).toMatchObject({ verified: false, nextHistory: undefined })
    if (history === null) throw new Error('nothing to remember')
    const ahead = { ...history, nonces: [], newest: { ...history.newest, clock: history.newest.clock + 1n } }
    const back = examineQuote({ ...QUESTION, history: ahead })
    expect(back.reasons.map(({ code }) => code)).toEqual(['CLOCK_ROLLED_BACK'])
    expect(back).toMatchObject({ clockStep: 'rollback-clock', nextHistory: undefined })
  })
})

describe('selections in text', () => {
  it.each(['sha256:0', 'sha1:0,1+sha256:0,1,23', 'sha512:7+sha384:1'])('reads and writes %s', text => {
    expect(selectionText(readSelectionText(text) ?? [])).toBe(text)
  })

  it('takes PCRs in any order, as a bit map has none, and all of a bank', () => {
    expect(selectionText(readSelectionText('sha256:7,0') ?? [])).toBe('sha256:0,7')
    expect(readSelectionText('sha1:all')?.[0]?.pcrs).toHaveLength(24)
  })

  it.each([
    '',
    'sha256',
    'sha256:',
    'sha256:24',
    'sha256:0,0',
    'sha256:0+sha256:1',
    'md5:0',
    'sha256:0,',
    '+sha256:0',
    'sha256:-1',
  ])('refuses %j', text => expect(readSelectionText(text)).toBeNull())
})

describe('PCR values from a file', () => {
  it('reads what tpm2_pcrread printed', () => {
    const banks = readClaimedPcrs(fixture('debian13-uki', 'pcrread.txt'))
    expect(banks.get('sha256')?.size).toBe(24)
  })

  it('reads the file of tpm2_quote --pcr', () => {
    const file = fixture('debian13-uki', 'quote.pcrs')
    const quoted = readClaimedPcrs(file).get('sha256')
    const printed = readClaimedPcrs(fixture('debian13-uki', 'pcrread.txt')).get('sha256')
    expect([...(quoted?.keys() ?? [])]).toEqual([...Array(16).keys()])
    for (const pcr of [0, 4, 7, 9, 11, 15]) expect(quoted?.get(pcr)).toEqual(printed?.get(pcr))
    expect(encodePcrsFile(quoted ?? new Map())).toEqual(file)
    const { verified } = examineQuote({ ...QUESTION, logs: NO_LOGS, claimedPcrs: readClaimedPcrs(file) })
    expect(verified).toBe(true)
  })

  it.each<[string, (file: Buffer) => unknown]>([
    ['more banks than there are', file => file.writeUInt32LE(17, 0)],
    ['a selection longer than its field', file => file.writeUInt8(5, 6)],
    ['one PCR more than values', file => file.writeUInt8(1, 9)],
    ['one PCR less than values', file => file.writeUInt8(0xfe, 7)],
    ['a value of another length', file => file.writeUInt16LE(20, 140)],
    ['a value longer than its place', file => file.writeUInt16LE(65, 140)],
    ['more values than a list has', file => file.writeUInt32LE(9, 136)],
    ['more lists than bytes', file => file.writeUInt32LE(3, 132)],
  ])('refuses %s', (_, change) => {
    const file = Buffer.from(fixture('debian13-uki', 'quote.pcrs'))
    change(file)
    const wrong = expect.objectContaining({ name: 'QuoteInputError', code: 'QUOTE_PCRS_MALFORMED' })
    expect(() => readClaimedPcrs(file)).toThrow(wrong)
  })

  it.each<[string, string]>([
    ['what is neither', 'PCR 0 is fine'],
    ['an unknown bank', '{"md5": {"0": ""}}'],
    ['a value of another length', '{"sha256": {"0": "00"}}'],
    ['what is no hexadecimal', `{"sha1": {"0": "${'zz'.repeat(20)}"}}`],
    ['a PCR with a leading zero', `{"sha1": {"00": "${'00'.repeat(20)}"}}`],
    ['a PCR twice', `{"sha1": {"0": "${'00'.repeat(20)}", "0": "${'00'.repeat(20)}"}}`],
    ['a PCR twice in print', `  sha1:\n    0 : 0x${'00'.repeat(20)}\n    0 : 0x${'00'.repeat(20)}\n`],
    ['a value that is no text', '{"sha1": {"0": 1}}'],
    ['a list', '[]'],
  ])('refuses %s', (_, text) => {
    const wrong = expect.objectContaining({ name: 'QuoteInputError', code: 'QUOTE_PCRS_MALFORMED' })
    expect(() => readClaimedPcrs(Buffer.from(text))).toThrow(wrong)
  })
})

describe('the host of a key', () => {
  it('is its Name, or its public key where there is none', () => {
    const { ak } = new SoftwareKey({ attributes: AK_ATTRIBUTES })
    expect(historyHost(readQuoteKey(ak.publicArea))).toBe(Buffer.from(ak.name).toString('hex'))
    expect(historyHost(readQuoteKey(fixture('debian13-uki', 'ak.pem')))).toMatch(/^spki:[0-9a-f]{64}$/)
  })
})
