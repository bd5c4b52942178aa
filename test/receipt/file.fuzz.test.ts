import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sha256Hex } from '../../encoding/digest.ts'
import { WritError } from '../../encoding/error.ts'
import { encodeReceipt, parseReceipt, type Receipt, STATEMENT_PAYLOAD_TYPE } from '../../receipt/index.ts'

const bytes = (max: number) => fc.uint8Array({ maxLength: max }).map(array => Buffer.from(array))
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(array => Buffer.from(array))
const hashes = fc.array(hash, { maxLength: 4 })

const receipts: fc.Arbitrary<Receipt> = fc.record({
  statement: fc.record({
    payloadType: fc.constant(STATEMENT_PAYLOAD_TYPE),
    payload: bytes(64),
    signatures: fc.array(fc.record({ keyid: hash.map(sha256Hex), sig: bytes(64) }), { maxLength: 1 }),
  }),
  checkpoint: fc.string({ maxLength: 50 }).map(text => Buffer.from(text)),
  entries: fc
    .uniqueArray(fc.record({ index: fc.nat(), bytes: bytes(64), proof: hashes }), {
      maxLength: 4,
      selector: ({ index }) => index,
    })
    .map(list => list.toSorted((a, b) => a.index - b.index)),
  history: hashes,
  blobs: fc
    .array(bytes(40), { maxLength: 3 })
    .map(list => new Map(list.map(blob => [sha256Hex(blob), blob]))),
  host: fc.record({
    akPublicArea: bytes(40),
    akCertificate: fc.option(bytes(40)),
    ekCertificate: fc.option(bytes(40)),
    ekIntermediates: fc.array(bytes(20), { maxLength: 2 }),
  }),
})

describe('a receipt as a file', () => {
  test('is read as it was written', () => {
    fc.assert(
      fc.property(receipts, receipt => {
        const read = parseReceipt(encodeReceipt(receipt))
        expect({ ...read, blobs: new Map([...read.blobs].sort()) }).toEqual({
          ...receipt,
          blobs: new Map([...receipt.blobs].sort()),
        })
      }),
      { numRuns: 100 },
    )
  })

  test('has one spelling: whatever is read is written as it was, and everything else is a typed error', () => {
    const edit = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }), fc.constantFrom('set', 'add', 'cut'))
    fc.assert(
      fc.property(receipts, fc.array(edit, { minLength: 1, maxLength: 3 }), (receipt, edits) => {
        let file: Buffer = encodeReceipt(receipt)
        for (const [where, value, how] of edits) {
          const at = where % file.length
          const rest = file.subarray(how === 'add' ? at : at + 1)
          file = Buffer.concat([file.subarray(0, at), ...(how === 'cut' ? [] : [Buffer.of(value)]), rest])
        }
        try {
          expect(encodeReceipt(parseReceipt(file))).toEqual(file)
        } catch (error) {
          expect(error).toBeInstanceOf(WritError)
          expect((error as WritError).code).toBe('RECEIPT_MALFORMED')
        }
      }),
      { numRuns: 300 },
    )
  })

  test.each([
    ['white space', (text: string) => text.replace(',', ', ')],
    ['no newline', (text: string) => text.trimEnd()],
    ['two newlines', (text: string) => `${text}\n`],
    ['an unknown field', (text: string) => text.replace('{', '{"a":1,')],
    ['another type', (text: string) => text.replace('/receipt/v1', '/receipt/v2')],
    ['another payload type', (text: string) => text.replace('in-toto+json', 'in-toto')],
    ['a blob under another digest', (text: string) => text.replace(/"sha256":"./, '"sha256":"x')],
    [
      'a blob with another digest',
      (text: string) => text.replace(/"sha256":"(.{64})"/, `"sha256":"${'0'.repeat(64)}"`),
    ],
    ['entries in another order', (text: string) => text.replace('"index":1', '"index":9')],
    ['an entry twice', (text: string) => text.replace('"index":1', '"index":2')],
    ['a hash of another length', (text: string) => text.replace('"history":["', '"history":["AAAA')],
    ['base64 with white space', (text: string) => text.replace('"history":["', '"history":[" ')],
  ])('with %s is none', (_, change) => {
    const blob = Buffer.from('blob')
    const entry = { bytes: Buffer.from('{}'), proof: [Buffer.alloc(32)] }
    const file = encodeReceipt({
      statement: { payloadType: STATEMENT_PAYLOAD_TYPE, payload: Buffer.from('{}'), signatures: [] },
      checkpoint: Buffer.from('note'),
      entries: [
        { index: 1, ...entry },
        { index: 2, ...entry },
      ],
      history: [Buffer.alloc(32)],
      blobs: new Map([[sha256Hex(blob), blob]]),
      host: { akPublicArea: blob, akCertificate: null, ekCertificate: null, ekIntermediates: [] },
    })
    expect(parseReceipt(file).entries.length).toBe(2)
    const changed = change(file.toString())
    expect(changed).not.toBe(file.toString())
    expect(() => parseReceipt(Buffer.from(changed))).toThrow(/receipt/)
  })
})
