import { describe, expect, it } from 'vitest'
import { cosignedMessage } from '../../lineage/c2sp/cosignature.ts'
import { formatNote, type NoteSignature, parseNote, verifyNote } from '../../lineage/c2sp/note.ts'
import type { WitnessNoteKey } from '../../lineage/c2sp/note-key.ts'
import { mergeCosignatures, parseCheckpoint, parseNoteKey, parseNoteSignatures } from '../../lineage/index.ts'
import { fill, ORIGIN, openLog, temporaryDirectory, testSigner } from './support/log.ts'
import { mlDsaWitness, type TestWitness, testLog, testWitness, withLines } from './support/witness.ts'

const root = Buffer.alloc(32, 7)
const note = testLog('example.com/log').checkpoint(9, root)
const known = (...witnesses: readonly TestWitness[]) =>
  witnesses.map(({ vkey }) => parseNoteKey(vkey) as WitnessNoteKey)
const code = (code: string) => expect.objectContaining({ code })

describe.each([
  ['Ed25519 (0x04)', testWitness('w.example/1'), testWitness('w.example/1')],
  ['ML-DSA-44 (0x06)', mlDsaWitness('w.example/2'), mlDsaWitness('w.example/2')],
])('a cosignature by %s', (_, witness, other) => {
  const key = parseNoteKey(witness.vkey) as WitnessNoteKey
  const holds = (line: NoteSignature, of = note) => key.verify(parseNote(of).text, line.signature)
  const timed = (time: bigint) => {
    const { signature, ...line } = witness.cosign(note, 5n)
    const moved = Buffer.from(signature)
    moved.writeBigUInt64BE(time)
    return { ...line, signature: moved }
  }

  it('verifies by its key, over this text and at this time only', () => {
    expect(verifyNote(parseNote(withLines(note, witness.cosign(note))), [key])).toEqual([witness.name])
    expect(key.kind).toBe('witness')
    expect(key.timestamp(witness.cosign(note, 5n).signature)).toBe(5n)
    expect(holds(timed(5n))).toBe(true)
    expect(holds(timed(6n))).toBe(false)
    expect(holds(other.cosign(note))).toBe(false)
    for (const different of [
      testLog('example.com/log').checkpoint(10, root),
      testLog('example.com/log').checkpoint(9, Buffer.alloc(32, 8)),
      testLog('example.com/other').checkpoint(9, root),
    ])
      expect(holds(witness.cosign(different))).toBe(false)
  })

  it('is refused beyond 2^63 - 1 seconds, and with bytes more or less', () => {
    expect(holds(witness.cosign(note, (1n << 63n) - 1n))).toBe(true)
    expect(holds(witness.cosign(note, 1n << 63n))).toBe(false)
    const line = witness.cosign(note)
    expect(holds({ ...line, signature: line.signature.subarray(0, -1) })).toBe(false)
    expect(holds({ ...line, signature: Buffer.concat([line.signature, Buffer.of(0)]) })).toBe(false)
  })

  it('is of nothing but a checkpoint, or of whatever text', () => {
    const text = Buffer.from('no checkpoint\n')
    const signed = () => witness.cosign(formatNote({ text, signatures: parseNote(note).signatures }))
    if (witness.vkey.length > 1000) expect(signed).toThrow(code('CHECKPOINT_MALFORMED'))
    else expect(key.verify(text, signed().signature)).toBe(true)
    expect(key.verify(text, witness.cosign(note).signature)).toBe(false)
  })

  it('has a key in text form with its own length', () => {
    const [name = '', , encoded = ''] = witness.vkey.split('+')
    const short = Buffer.from(encoded, 'base64').subarray(0, -1)
    expect(() => parseNoteKey(`${name}+00000000+${short.toString('base64')}`)).toThrow(code('NOTE_MALFORMED'))
  })
})

describe('what ML-DSA-44 cosigns', () => {
  it('is laid out as the specification has it', () => {
    expect(cosignedMessage('w', 258n, parseNote(note).text).toString('hex')).toBe(
      [
        Buffer.from('subtree/v1\n\0').toString('hex'),
        '0177',
        '0000000000000102',
        `0f${Buffer.from('example.com/log').toString('hex')}`,
        '0000000000000000',
        '0000000000000009',
        root.toString('hex'),
      ].join(''),
    )
    expect(() => cosignedMessage('w'.repeat(256), 0n, parseNote(note).text)).toThrow(RangeError)
  })
})

describe('cosignatures that are added to a checkpoint', () => {
  const one = testWitness('w.example/1')
  const two = testWitness('w.example/2')

  it('are those of known witnesses that hold, each once', () => {
    const stranger = testWitness('w.example/3')
    const wrong = one.cosign(testLog('example.com/log').checkpoint(10, root))
    const lines = [wrong, stranger.cosign(note), one.cosign(note), two.cosign(note), two.cosign(note)]
    const merged = mergeCosignatures(note, lines, known(one, two))
    expect(parseNote(merged).signatures.map(({ name }) => name)).toEqual([
      'example.com/log',
      'w.example/1',
      'w.example/2',
    ])
    expect(parseNote(merged).text).toEqual(parseNote(note).text)
    expect(verifyNote(parseNote(merged), known(one, two))).toEqual(['w.example/1', 'w.example/2'])
    expect(mergeCosignatures(merged, lines, known(one, two))).toBe(merged)
    expect(mergeCosignatures(note, [wrong, stranger.cosign(note)], known(one, two))).toBe(note)
  })

  it('make way for newer ones, and bad ones for good ones', () => {
    const timeOf = (bytes: Buffer) =>
      parseNote(bytes)
        .signatures.slice(1)
        .map(line => known(one)[0]?.timestamp(line.signature))
    const at5 = mergeCosignatures(note, [one.cosign(note, 5n)], known(one))
    expect(timeOf(mergeCosignatures(at5, [one.cosign(note, 4n)], known(one)))).toEqual([5n])
    expect(timeOf(mergeCosignatures(at5, [one.cosign(note, 6n)], known(one)))).toEqual([6n])
    const bad = withLines(note, one.cosign(testLog('example.com/log').checkpoint(10, root), 9n))
    expect(timeOf(mergeCosignatures(bad, [one.cosign(note, 6n)], known(one)))).toEqual([6n])
  })

  it('come as a witness answers, line by line', () => {
    const answer = withLines(note, one.cosign(note)).subarray(note.length)
    expect(mergeCosignatures(note, parseNoteSignatures(answer), known(one))).toEqual(
      Buffer.concat([note, answer]),
    )
    for (const bad of [
      Buffer.alloc(0),
      answer.subarray(0, -1),
      Buffer.from('\n'),
      Buffer.concat([answer, note]),
    ])
      expect(() => parseNoteSignatures(bad)).toThrow(code('NOTE_MALFORMED'))
  })

  it('stand behind the two lines of a checkpoint of this project, which reads them', async () => {
    const signer = testSigner()
    const log = await openLog(temporaryDirectory(), { signer })
    await fill(log, 0, 3)
    const { note: own } = await log.checkpoint()
    await log.close()
    const merged = mergeCosignatures(own, [one.cosign(own), two.cosign(own)], known(one, two))
    expect(parseCheckpoint(merged).note.signatures.length).toBe(4)
    const self = testWitness(ORIGIN)
    expect(mergeCosignatures(own, [self.cosign(own)], known(self))).toBe(own)
    const full = (count: number) =>
      withLines(own, ...Array.from({ length: count }, (_, i) => testWitness(`w.example/${i}`).cosign(own)))
    expect(parseCheckpoint(full(32)).note.signatures.length).toBe(34)
    expect(() => parseCheckpoint(full(33))).toThrow(code('CHECKPOINT_MALFORMED'))
    expect(() => parseCheckpoint(withLines(own, self.cosign(own)))).toThrow(code('CHECKPOINT_MALFORMED'))
  })
})
