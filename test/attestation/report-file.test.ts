import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  encodeCmwCollection,
  encodeReport,
  INDICATOR,
  LAYOUT,
  MAX_REPORT_BYTES,
  parseCmwCollection,
  parseExecutions,
  parseReport,
  REPORT_TYPE,
  type Report,
  ReportError,
} from '../../attestation/index.ts'
import { canonicalJsonBytes } from '../../encoding/json.ts'
import { ReportingHost } from './made-up-report.ts'

const report = (await ReportingHost.make()).report()
const file = encodeReport(report)

type Collection = Record<string, unknown>
type Row = [string, string, number]
/** The file with its JSON changed. */
function changed(edit: (items: Collection & Record<string, Row>) => unknown): Buffer {
  const items = JSON.parse(file.toString())
  edit(items)
  return Buffer.from(JSON.stringify(items))
}
const base64url = (text: string) => Buffer.from(text).toString('base64url')

function refusal(bytes: Uint8Array): ReportError {
  try {
    parseReport(bytes)
  } catch (error) {
    if (error instanceof ReportError) return error
    throw error
  }
  return expect.fail('it was read')
}

describe('a report file', () => {
  it('is a JSON collection of files under their names, each with its type and indicator (RFC 9999)', () => {
    const items = JSON.parse(file.toString())
    expect(items.__cmwc_t).toBe(REPORT_TYPE)
    delete items.__cmwc_t
    expect(Object.keys(items).sort()).toEqual(
      Object.keys(LAYOUT)
        .filter(label => label !== 'checkpoint')
        .sort(),
    )
    expect(items['quote.msg']).toEqual([
      'application/vnd.writ.tpms-attest',
      Buffer.from(report.evidence.quote.attest).toString('base64url'),
      INDICATOR.evidence,
    ])
    expect(items['ek-certificate.der'][2]).toBe(INDICATOR.endorsements)
    expect(Buffer.from(items['ima.bin'][1], 'base64url')).toEqual(report.evidence.imaLog)
  })

  it('reads back as what was written', () => {
    const again = parseReport(file)
    expect(again).toEqual({
      ...report,
      evidence: Object.fromEntries(
        Object.entries(report.evidence).map(([key, value]) => [
          key,
          key === 'quote' ? value : Buffer.from(value as Uint8Array),
        ]),
      ),
    })
    expect(encodeReport(again).equals(file)).toBe(true)
  })

  it('leaves out what the host does not have', () => {
    const bare: Report = {
      ...report,
      evidence: { ...report.evidence, imaLog: null, userspaceLog: Buffer.alloc(0) },
      akCertificate: null,
      ekCertificate: null,
      ekIntermediates: [],
    }
    const again = parseReport(encodeReport(bare))
    expect(again).toMatchObject({ akCertificate: null, ekCertificate: null, ekIntermediates: [] })
    expect(again.evidence).toMatchObject({ imaLog: null, userspaceLog: null })
  })

  it.each<[string, Buffer]>([
    [
      'another type of collection',
      changed(items => Object.assign(items, { __cmwc_t: 'tag:example.org,2026:x' })),
    ],
    ['no type of collection', changed(items => delete items.__cmwc_t)],
    ['an unknown label', changed(items => Object.assign(items, { more: ['text/plain', 'AA', 4] }))],
    ['a label of the prototype', Buffer.from('{"__proto__":["text/plain","AA",4]}')],
    ['a collection inside', changed(items => Object.assign(items, { 'quote.msg': { a: ['a/b', 'AA'] } }))],
    ['a tunnel', changed(items => Object.assign(items, { 'quote.msg': ['#cmw-c2j-tunnel', 'AA'] }))],
    ['another media type', changed(items => items['quote.msg']?.splice(0, 1, 'text/plain'))],
    ['no indicator', changed(items => items['quote.msg']?.splice(2, 1))],
    ['an endorsement called evidence', changed(items => items['ak-certificate.der']?.splice(2, 1, 4))],
    ['evidence called attestation results', changed(items => items['quote.msg']?.splice(2, 1, 8))],
    ['an indicator beyond those of the RFC', changed(items => items['quote.msg']?.splice(2, 1, 32))],
    ['a fourth element', changed(items => items['quote.msg']?.push(4 as never))],
    ['base64 with padding', changed(items => items['quote.msg']?.splice(1, 1, 'AA=='))],
    ['base64url with unused bits', changed(items => items['quote.msg']?.splice(1, 1, 'AB'))],
    ['an item without bytes', changed(items => items['quote.msg']?.splice(1, 1, ''))],
    ['no quote', changed(items => delete items['quote.msg'])],
    ['a public area with bytes behind it', changed(items => ((items['ak.pub'] as Row)[1] += 'AAAA'))],
    ['ak.pem of another key', changed(items => items['ak.pem']?.splice(1, 1, base64url('-----BEGIN')))],
    [
      'intermediates that are none',
      changed(items => items['ek-intermediates.pem']?.splice(1, 1, base64url('x'))),
    ],
    [
      'a proof without a checkpoint',
      withDocument(document => Object.assign(document, { consistencyProof: [] })),
    ],
    [
      'a checkpoint without a proof',
      changed(items =>
        Object.assign(items, {
          checkpoint: [LAYOUT.checkpoint.type, 'AAAA', 4],
        }),
      ),
    ],
    ['an unknown field', withDocument(document => Object.assign(document, { more: 1 }))],
    ['a field missing', withDocument(document => delete document.nonce)],
    ['another version', withDocument(document => Object.assign(document, { version: 2 }))],
    ['a short nonce', withDocument(document => Object.assign(document, { nonce: 'ab' }))],
    [
      'a tree size with a leading zero',
      withDocument(document => Object.assign(document, { treeSize: '05' })),
    ],
    ['an invented tier', withDocument(document => Object.assign(document, { claimedTier: 'certified' }))],
    ['JSON that is no object', Buffer.from('[]')],
    ['a collection of nothing', Buffer.from(`{"__cmwc_t":"${REPORT_TYPE}"}`)],
    ['nothing', Buffer.alloc(0)],
    ['a file that is cut', file.subarray(0, -3)],
  ])('refuses %s', (_, bytes) => {
    expect(refusal(bytes).code).toBe('REPORT_MALFORMED')
  })

  function withDocument(edit: (document: Collection) => unknown): Buffer {
    return changed(items => {
      const document = JSON.parse(Buffer.from(items['report.json']?.[1] ?? '', 'base64url').toString())
      edit(document)
      items['report.json']?.splice(1, 1, base64url(JSON.stringify(document)))
    })
  }

  it('refuses a label twice, which two parsers read as two reports', () => {
    const text = file.toString()
    const [, line = ''] = /\n("quote\.msg":\[.*\]),\n/.exec(text) ?? []
    expect(line).not.toBe('')
    expect(refusal(Buffer.from(text.replace(line, `${line},\n${line}`))).message).toContain('a second time')
  })

  it('refuses more bytes than a report has, and does not make them', () => {
    expect(refusal(Buffer.alloc(MAX_REPORT_BYTES + 1)).code).toBe('REPORT_TOO_LARGE')
    const imaLog = Buffer.alloc((MAX_REPORT_BYTES * 3) / 4)
    expect(() => encodeReport({ ...report, evidence: { ...report.evidence, imaLog } })).toThrow(ReportError)
  })

  it('is refused or read, never more, whatever bytes it has', () => {
    const at = fc.nat({ max: file.length - 1 })
    const edits = fc.array(
      fc.record({ at, bytes: fc.uint8Array({ maxLength: 8 }), cut: fc.nat({ max: 40 }) }),
      {
        minLength: 1,
        maxLength: 4,
      },
    )
    fc.assert(
      fc.property(edits, list => {
        const bytes = list.reduce<Buffer>(
          (was, { at, bytes, cut }) => Buffer.concat([was.subarray(0, at), bytes, was.subarray(at + cut)]),
          file,
        )
        try {
          parseReport(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(ReportError)
        }
      }),
      { numRuns: 150 },
    )
  })

  it('is refused or read, never more, whatever its items hold', () => {
    const labels = Object.keys(JSON.parse(file.toString()))
    const value = fc.oneof(fc.json(), fc.base64String(), fc.string())
    fc.assert(
      fc.property(fc.constantFrom(...labels), value, (label, text) => {
        const bytes = changed(items => {
          const row = items[label]
          if (Array.isArray(row)) row[1] = base64url(text)
          else Object.assign(items, { [label]: text })
        })
        try {
          parseReport(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(ReportError)
        }
      }),
      { numRuns: 150 },
    )
  })
})

describe('a CMW collection', () => {
  const encode = (items: Map<string, { type: string; value: Uint8Array; indicator: number | null }>) =>
    Buffer.concat([...encodeCmwCollection({ type: null, items })])

  it('keeps what is in it, a type and an indicator or none', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string({ minLength: 1 }).filter(label => label !== '__cmwc_t'),
          fc.record({
            type: fc.constantFrom('a/b', 'application/eat+cwt; eat_profile="tag:x"'),
            value: fc.uint8Array({ minLength: 1 }),
            indicator: fc.constantFrom(null, 1, 3, 15),
          }),
          { minKeys: 1 },
        ),
        dictionary => {
          const items = new Map(Object.entries(dictionary))
          const again = parseCmwCollection(encode(items), 1 << 20)
          expect(again.type).toBeNull()
          const plain = (map: ReadonlyMap<string, { value: Uint8Array }>) =>
            new Map(Array.from(map, ([label, record]) => [label, { ...record, value: [...record.value] }]))
          expect(plain(again.items)).toEqual(plain(items))
        },
      ),
      { numRuns: 100 },
    )
  })

  it('is the example of the RFC', () => {
    const example = '{"array 1":["application/my","e30K"],"array 2":["application/ear+json","YS5iLmMK"]}'
    const { items } = parseCmwCollection(Buffer.from(example), 1 << 20)
    expect(items.get('array 2')).toEqual({
      type: 'application/ear+json',
      value: Buffer.from('a.b.c\n'),
      indicator: null,
    })
  })

  it('joins the base64 of a value of several pieces', () => {
    const value = Buffer.alloc((3 << 18) * 2 + 1, 7)
    const bytes = encode(new Map([['large', { type: 'a/b', value, indicator: null }]]))
    const again = parseCmwCollection(bytes, 8 << 20).items.get('large')?.value
    expect(value.equals(again ?? Buffer.alloc(0))).toBe(true)
  })

  it('has no spelling for a value without bytes', () => {
    expect(() => encode(new Map([['a', { type: 'a/b', value: Buffer.alloc(0), indicator: null }]]))).toThrow(
      TypeError,
    )
  })
})

describe('the executions of a report', () => {
  const one = { id: 'ab'.repeat(16), state: 'RUNNING', artifact: 'cd'.repeat(32), subject: 'ef'.repeat(32) }
  const list = (running: number, ...executions: object[]) =>
    canonicalJsonBytes({
      version: 1,
      running,
      executions: executions.map(e => ({ since: '2026-11-21T02:00:00.000Z', ...e })),
    })

  it('are read', () => {
    expect(parseExecutions(list(3, one)).executions).toHaveLength(1)
  })

  it.each([
    ['one twice', list(2, one, one)],
    ['more than run', list(0, one)],
    ['an invented state', list(1, { ...one, state: 'SAFE' })],
    ['a bad digest', list(1, { ...one, subject: 'EF' })],
    ['an unknown field', list(1, { ...one, more: 1 })],
    ['no JSON', Buffer.from('[')],
  ])('are refused: %s', (_, bytes) => {
    expect(() => parseExecutions(bytes)).toThrow(ReportError)
  })
})
