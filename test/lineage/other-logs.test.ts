import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, sign } from 'node:crypto'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sha256 } from '../../encoding/digest.ts'
import { WritError } from '../../encoding/error.ts'
import { readBounded } from '../../lineage/blob-store.ts'
import { encodeBundle } from '../../lineage/c2sp/entry-bundle.ts'
import { formatNote, noteKeyId } from '../../lineage/c2sp/note.ts'
import { tilePath } from '../../lineage/c2sp/tile-path.ts'
import {
  CompactRange,
  checkTiledLog,
  leafHash,
  parseNote,
  parseNoteKey,
  parseTlogProof,
  treeHeadVerifier,
  verifyConsistency,
  verifyNote,
} from '../../lineage/index.ts'
import { EMPTY_ROOT } from '../../lineage/tree/merkle.ts'
import { readerOf } from '../../lineage/verify/other-log.ts'
import { temporaryDirectory } from './support/log.ts'

const code = (code: string, at?: string) =>
  expect.objectContaining(at === undefined ? { code } : { code, at })
const ecdsa = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const spki = ecdsa.publicKey.export({ type: 'spki', format: 'der' })

describe('a proof in text (C2SP tlog-proof)', () => {
  const hash = Buffer.alloc(32, 5).toString('base64')
  const proof = (...lines: string[]) =>
    Buffer.from(`${['c2sp.org/tlog-proof@v1', ...lines].join('\n')}\n\no\n1\n${hash}\n\n— o AAAAAAA=\n`)

  it('is taken apart', () => {
    const read = parseTlogProof(proof('extra YWJj', 'index 18446744073709551615', hash, hash))
    expect(read).toMatchObject({ extra: Buffer.from('abc'), index: 2n ** 64n - 1n })
    expect(read.hashes.length).toBe(2)
    expect(parseNote(read.checkpoint).text.toString()).toBe(`o\n1\n${hash}\n`)
    expect(parseTlogProof(proof('index 0'))).toMatchObject({ extra: undefined, index: 0n, hashes: [] })
  })

  it.each([
    ['a leading zero', proof('index 01')],
    ['a negative index', proof('index -1')],
    ['an index of 2^64', proof('index 18446744073709551616')],
    ['no index', proof(hash)],
    ['extra data that is not base64', proof('extra ?', 'index 0')],
    ['extra data after the index', proof('index 0', 'extra YWJj')],
    ['a short hash', proof('index 0', 'AAAA')],
    ['65 hashes', proof('index 0', ...Array(65).fill(hash))],
    ['another first line', Buffer.from('c2sp.org/tlog-proof@v2\nindex 0\n\ncheckpoint\n')],
    ['CRLF', Buffer.from('c2sp.org/tlog-proof@v1\r\nindex 0\r\n\r\ncheckpoint\r\n')],
    ['no checkpoint', Buffer.from('c2sp.org/tlog-proof@v1\nindex 0\n\n')],
    ['nothing after the hashes', Buffer.from('c2sp.org/tlog-proof@v1\nindex 0\n')],
  ])('is refused with %s', (_, bytes) => {
    expect(() => parseTlogProof(bytes)).toThrow(code('PROOF_MALFORMED'))
  })

  it('gives a typed error for whatever is sent', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map(text => `c2sp.org/tlog-proof@v1\n${text}`),
        ),
        text => {
          try {
            parseTlogProof(Buffer.from(text))
          } catch (error) {
            if (!(error instanceof WritError)) throw error
          }
        },
      ),
    )
  })
})

describe('a note signed with ECDSA (type 0x02)', () => {
  const name = 'example.com/log'
  const id = sha256(spki).subarray(0, 4)
  const key = `${name}+${id.toString('hex')}+${Buffer.concat([Buffer.of(2), spki]).toString('base64')}`
  const text = Buffer.from('text\n')
  const note = (signed: Buffer) =>
    parseNote(
      formatNote({
        text,
        signatures: [{ name, keyId: id, signature: sign('sha256', signed, ecdsa.privateKey) }],
      }),
    )

  it('verifies by its key only', () => {
    expect(verifyNote(note(text), [parseNoteKey(key)])).toEqual([name])
    expect(() => verifyNote(note(Buffer.from('other\n')), [parseNoteKey(key)])).toThrow(
      code('SIGNATURE_INVALID'),
    )
    expect(() => parseNoteKey(key.replace(id.toString('hex'), '00000000'))).toThrow(code('NOTE_MALFORMED'))
  })
})

describe('a checkpoint of a certificate transparency log (type 0x05)', () => {
  const name = 'ct.example.com/2026h1'
  const root = Buffer.alloc(32, 9)
  const keyId = noteKeyId(name, Buffer.of(5), sha256(spki))
  const note = ({ size = 7, signedSize = 7, hash = 4, origin = name, extension = '' } = {}) => {
    const head = Buffer.concat([Buffer.of(0, 1), Buffer.alloc(16), root])
    head.writeBigUInt64BE(1234n, 2)
    head.writeBigUInt64BE(BigInt(signedSize), 10)
    const signed = sign('sha256', head, ecdsa.privateKey)
    const signature = Buffer.concat([head.subarray(2, 10), Buffer.of(hash, 3, 0, signed.length), signed])
    const text = Buffer.from(`${origin}\n${size}\n${root.toString('base64')}\n${extension}`)
    return parseNote(formatNote({ text, signatures: [{ name, keyId, signature }] }))
  }
  const verify = (made: ReturnType<typeof note>) => verifyNote(made, [treeHeadVerifier(name, spki)])

  it('verifies what the tree head says', () => {
    expect(verify(note())).toEqual([name])
    for (const over of [{ size: 8 }, { hash: 2 }, { origin: 'other' }, { extension: 'more\n' }])
      expect(() => verify(note(over)), JSON.stringify(over)).toThrow(code('SIGNATURE_INVALID'))
  })
})

describe('a log of tiles', () => {
  const entries = Array.from({ length: 600 }, (_, i) => Buffer.from(`entry ${i}`))
  const hashes = entries.map(leafHash)
  const range = new CompactRange()
  const upper: Buffer[] = []
  for (const hash of hashes) range.append(hash, (height, subtree) => height === 8 && upper.push(subtree))
  const head = { size: 600, root: range.root() }
  const files = () => {
    const made = new Map<string, Buffer>()
    for (let index = 0; index * 256 < 600; index++) {
      const slice = [index * 256, (index + 1) * 256] as const
      const width = Math.min(256, 600 - slice[0])
      made.set(tilePath({ level: 0, index, width }), Buffer.concat(hashes.slice(...slice)))
      made.set(tilePath({ level: 'entries', index, width }), encodeBundle(entries.slice(...slice)))
    }
    return made.set('tile/1/000.p/2', Buffer.concat(upper))
  }
  const check = (change: (made: Map<string, Buffer>) => void, whole = true, of = head) => {
    const made = files()
    change(made)
    checkTiledLog(path => made.get(path), of, whole)
  }
  const flipped = (bytes: Buffer | undefined) => {
    const copy = Buffer.from(bytes ?? '')
    copy[40] = (copy[40] ?? 0) ^ 1
    return copy
  }

  it('makes the signed root', () => {
    check(() => undefined)
    check(made => made.delete('tile/entries/000'), false)
    check(made => made.delete('tile/1/000.p/2'))
    checkTiledLog(() => undefined, { size: 0, root: EMPTY_ROOT }, true)
    expect(() => checkTiledLog(() => undefined, { size: 0, root: head.root }, true)).toThrow(
      code('LINEAGE_BROKEN'),
    )
  })

  it('may have its last tile full by now', () => {
    const grow = (path: string, more: Buffer) => (made: Map<string, Buffer>) => {
      const partial = made.get(`${path}.p/88`) as Buffer
      made.delete(`${path}.p/88`)
      made.set(path, Buffer.concat([partial, more]))
    }
    check(grow('tile/0/002', Buffer.alloc(168 * 32)))
    expect(() => check(grow('tile/0/002', Buffer.alloc(167 * 32)))).toThrow(code('LINEAGE_BROKEN'))
    check(grow('tile/entries/002', encodeBundle(entries.slice(0, 168))))
  })

  it.each([
    ['a hash that differs', 'tile/0/001', 'checkpoint'],
    ['an entry that differs', 'tile/entries/001', 'tile/entries/001'],
    ['a tile above that differs', 'tile/1/000.p/2', 'tile/1/000.p/2'],
  ])('is refused with %s', (_, path, at) => {
    expect(() => check(made => made.set(path, flipped(made.get(path))), path !== 'tile/0/001')).toThrow(
      code('LINEAGE_BROKEN', at),
    )
  })

  it('is refused with a file missing, cut or of another size', () => {
    for (const path of ['tile/0/000', 'tile/0/002.p/88', 'tile/entries/000']) {
      expect(() => check(made => made.delete(path))).toThrow(code('LINEAGE_BROKEN', path))
    }
    expect(() => check(made => made.set('tile/0/000', Buffer.alloc(33)))).toThrow(
      code('LINEAGE_BROKEN', 'tile/0/000'),
    )
    expect(() => check(() => undefined, true, { size: 599, root: head.root })).toThrow(code('LINEAGE_BROKEN'))
  })
})

describe('consistency with the empty tree', () => {
  const other = Buffer.alloc(32, 1)
  const hold = (root1: Buffer, size2: bigint, root2: Buffer, proof: Buffer[] = []) =>
    verifyConsistency({ size1: 0n, size2, root1, root2, proof })

  it('needs the root of the empty tree', () => {
    expect(hold(EMPTY_ROOT, 0n, EMPTY_ROOT)).toBe(true)
    expect(hold(EMPTY_ROOT, 5n, other)).toBe(true)
    expect(hold(other, 0n, other)).toBe(false)
    expect(hold(other, 5n, other)).toBe(false)
    expect(hold(EMPTY_ROOT, 5n, other, [other])).toBe(false)
  })
})

describe('files of a log that somebody sent', () => {
  it('are not waited for, and not read without end', async () => {
    const directory = temporaryDirectory()
    symlinkSync('/dev/zero', join(directory, 'endless'))
    execFileSync('mkfifo', [join(directory, 'pipe')])
    for (const name of ['endless', 'pipe']) {
      await expect(readBounded(join(directory, name), 100, name)).rejects.toThrow(code('BLOB_ABSENT', name))
      expect(readerOf(directory)(name)).toBeUndefined()
    }
  })
})
