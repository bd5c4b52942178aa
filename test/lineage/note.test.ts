import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { formatNote, MAX_NOTE_BYTES, parseNote, verifyNote } from '../../lineage/c2sp/note.ts'
import { ed25519Verifier, formatNoteKey, parseNoteKey } from '../../lineage/c2sp/note-key.ts'
import { parseCheckpointText } from '../../lineage/checkpoint.ts'
import { LineageError } from '../../lineage/index.ts'
import { checkTree } from '../../lineage/verify/tree.ts'
import { generateKey, signBytes } from '../../signing/key.ts'
import { hasVectors, VECTORS, vectorCases } from './support/vectors.ts'

const key = generateKey('ed25519')
const verifier = ed25519Verifier('example.com/log', key.public)
const text = Buffer.from('one\n\ntwo\n')
const line = { name: 'example.com/log', keyId: verifier.keyId, signature: signBytes(key, text) }
const good = formatNote({ text, signatures: [line] })

function code(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof LineageError) return error.code
    throw error
  }
  return 'none'
}

describe('signed note', () => {
  it('is read back as it was written', () => {
    const note = parseNote(good)
    expect(note.text).toEqual(text)
    expect(verifyNote(note, [verifier])).toEqual(['example.com/log'])
    expect(formatNote(note)).toEqual(good)
  })

  it.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['no signature', Buffer.from('text\n\n')],
    ['no blank line', Buffer.from('text\n\u2014 a AAAAAAAA\n')],
    ['no final newline', good.subarray(0, -1)],
    ['a carriage return', Buffer.from(good.toString().replace('one', 'one\r'))],
    ['a zero byte', Buffer.from(good.toString().replace('one', 'o\0e'))],
    ['another dash', Buffer.from(good.toString().replace('\u2014', '-'))],
    ['two spaces', Buffer.from(good.toString().replace('\u2014 ', '\u2014  '))],
    ['a plus in a name', Buffer.from(good.toString().replace('example.com/', 'example+com/'))],
    ['a no-break space in a name', Buffer.from(good.toString().replace('example.com/', 'example\u00a0com/'))],
    ['a signature without padding', Buffer.from(good.toString().replace(/=+\n$/, '\n'))],
    ['a signature of four bytes', Buffer.from('text\n\n\u2014 a AAAAAA==\n')],
    ['broken UTF-8', Buffer.concat([Buffer.of(0xff), good])],
    ['too many bytes', Buffer.concat([Buffer.alloc(MAX_NOTE_BYTES, 'a'), good])],
    ['too many signatures', Buffer.concat([good, Buffer.from('\u2014 a AAAAAAAA\n'.repeat(100))])],
  ])('is refused with %s', (_, bytes) => {
    expect(code(() => parseNote(bytes))).toBe('NOTE_MALFORMED')
  })

  it('is bad as a whole when a known key signed something else', () => {
    const wrong = { ...line, signature: signBytes(key, Buffer.from('other\n')) }
    expect(code(() => verifyNote({ text, signatures: [wrong] }, [verifier]))).toBe('SIGNATURE_INVALID')
    expect(code(() => verifyNote({ text, signatures: [wrong, line] }, [verifier]))).toBe('SIGNATURE_INVALID')
  })

  it('counts no unknown key, even with the name or the id of a known one', () => {
    const stranger = ed25519Verifier('example.com/other', generateKey('ed25519').public)
    expect(code(() => verifyNote({ text, signatures: [line] }, [stranger]))).toBe('SIGNATURE_INVALID')
    const renamed = { ...line, name: 'example.com/other' }
    expect(code(() => verifyNote({ text, signatures: [renamed] }, [verifier, stranger]))).toBe(
      'SIGNATURE_INVALID',
    )
  })

  it('has keys in a text form that carries their id', () => {
    const vkey = formatNoteKey('example.com/log', key.public)
    expect(parseNoteKey(vkey).keyId).toEqual(verifier.keyId)
    expect(code(() => parseNoteKey(vkey.replace(/\+[0-9a-f]{8}\+/, '+00000000+')))).toBe('NOTE_MALFORMED')
    expect(code(() => parseNoteKey(vkey.replace('example.com/log', 'example.com/l0g')))).toBe(
      'NOTE_MALFORMED',
    )
  })
})

describe('checkpoint text', () => {
  const root = Buffer.alloc(32).toString('base64')
  it.each([
    ['a leading zero', `o\n01\n${root}\n`],
    ['a sign', `o\n+1\n${root}\n`],
    ['a size beyond 2^53', `o\n9007199254740993\n${root}\n`],
    ['an empty origin', `\n1\n${root}\n`],
    ['a short root', 'o\n1\nAAAA\n'],
    ['a root with unused bits', `o\n1\n${root.replace(/A=$/, 'B=')}\n`],
    ['an empty extension line', `o\n1\n${root}\n\nx\n`],
    ['two lines', 'o\n1\n'],
  ])('is refused with %s', (_, body) => {
    expect(code(() => parseCheckpointText(Buffer.from(body)))).toBe('CHECKPOINT_MALFORMED')
  })
})

describe.skipIf(!hasVectors)('note vectors from WRIT_FIXTURES', () => {
  const notes = vectorCases('note')
  const logs = vectorCases('merkle').filter(({ expected }) => expected.log !== undefined)

  it('has cases', () => {
    expect(notes.length).toBe(40)
    expect(logs.length).toBe(3)
  })

  it.each(notes.map(({ path, expected }) => [path, expected]))('%s', (path, expected) => {
    const judge = () => {
      const note = parseNote(readFileSync(join(VECTORS, path)))
      const signers = verifyNote(note, (expected.vkeys ?? []).map(parseNoteKey))
      if (expected.format !== 'checkpoint' && expected.checkpointOrigin === undefined) return { signers }
      const checkpoint = parseCheckpointText(note.text)
      if (expected.checkpointOrigin !== undefined && checkpoint.origin !== expected.checkpointOrigin) {
        throw new LineageError('CHECKPOINT_MALFORMED', 'another origin')
      }
      return { signers, checkpoint }
    }
    let found: ReturnType<typeof judge> | undefined
    try {
      found = judge()
    } catch (error) {
      expect(error).toBeInstanceOf(LineageError)
    }
    expect(expected.validTolerated ?? [expected.valid]).toContain(found !== undefined)
    if (found === undefined) return
    expect(found.signers).toEqual(expected.signers)
    if (found.checkpoint === undefined || expected.checkpoint === undefined) return
    expect({ ...found.checkpoint, root: found.checkpoint.root.toString('base64') }).toMatchObject(
      expected.checkpoint,
    )
  })

  it.each(logs.map(({ path, expected }) => [path, expected]))('%s', async (path, expected) => {
    const directory = join(VECTORS, path, '..')
    const description = JSON.parse(readFileSync(join(VECTORS, path), 'utf8'))
    const note = parseNote(readFileSync(join(directory, description.checkpoint)))
    expect(verifyNote(note, description.vkeys.map(parseNoteKey))).toEqual(expected.signers)
    const head = parseCheckpointText(note.text)
    expect([head.size, head.root.toString('base64')]).toEqual([expected.size, expected.root])
    const { results } = await checkTree(directory, head, [], () => undefined)
    expect(results.every(({ status }) => status === 'VERIFIED')).toBe(expected.valid)
  })
})
