import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WritError } from '../../encoding/error.ts'
import {
  type CheckpointText,
  checkGrowth,
  checkInclusion,
  exportLog,
  formatConsistencyProof,
  formatNoteKey,
  formatTlogProof,
  LogFiles,
  leafHash,
  parseCheckpointText,
  parseConsistencyProof,
  parseNote,
  parseNoteKey,
  parseTlogProof,
  parseWitnessPolicy,
  verifyConsistency,
  verifyHead,
  verifyInclusion,
  verifyOtherLog,
} from '../../lineage/index.ts'
import { generateKey } from '../../signing/key.ts'
import { memoryDirectory } from '../support/memory.ts'
import { fill, ORIGIN, openLog, temporaryDirectory, testSigner } from './support/log.ts'
import { SoftwareAk } from './support/software-ak.ts'
import { writeTiledLog } from './support/tiled-log.ts'
import { testLog, testWitness, withLines } from './support/witness.ts'

const hashes = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
const checkpoint = testLog('example.com/log').checkpoint(9, Buffer.alloc(32, 7))
const code = (code: string) => expect.objectContaining({ code })
const typed = (read: () => unknown) => {
  try {
    read()
  } catch (error) {
    if (!(error instanceof WritError)) throw error
  }
}

describe('a proof file', () => {
  it('of an entry is read back as it was written (C2SP tlog-proof)', () => {
    fc.assert(
      fc.property(
        fc.option(fc.uint8Array({ maxLength: 100 }), { nil: undefined }),
        fc.bigInt(0n, (1n << 64n) - 1n),
        fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { maxLength: 64 }),
        (extra, index, path) => {
          const proof = {
            extra: extra && Buffer.from(extra),
            index,
            hashes: path.map(hash => Buffer.from(hash)),
            checkpoint,
          }
          const bytes = formatTlogProof(proof)
          expect(parseTlogProof(bytes)).toEqual(proof)
        },
      ),
    )
    expect(formatTlogProof({ extra: Buffer.from('abc'), index: 7n, hashes, checkpoint }).toString()).toBe(
      `c2sp.org/tlog-proof@v1\nextra YWJj\nindex 7\n${hashes.map(hash => `${hash.toString('base64')}\n`).join('')}\n${checkpoint}`,
    )
  })

  it('of growth is read back as it was written (C2SP tlog-witness)', () => {
    const bytes = formatConsistencyProof({ oldSize: 5, hashes, checkpoint })
    expect(bytes.toString()).toBe(
      `old 5\n${hashes.map(hash => `${hash.toString('base64')}\n`).join('')}\n${checkpoint}`,
    )
    expect(parseConsistencyProof(bytes)).toEqual({ oldSize: 5, hashes, checkpoint })
    expect(
      parseConsistencyProof(formatConsistencyProof({ oldSize: 0, hashes: [], checkpoint })).hashes,
    ).toEqual([])
  })

  const growth = (head: string, ...lines: string[]) =>
    Buffer.from(`${[head, ...lines].join('\n')}\n\n${checkpoint}`)
  const hash = hashes[0]?.toString('base64') ?? ''
  it.each([
    ['a leading zero', growth('old 05')],
    ['a sign', growth('old +5')],
    ['a size beyond 2^53', growth('old 9007199254740993')],
    ['another first line', growth('new 5')],
    ['a short hash', growth('old 5', 'AAAA')],
    ['a hash with a space', growth('old 5', `${hash} `)],
    ['64 hashes', growth('old 5', ...Array(64).fill(hash))],
    ['CRLF', Buffer.from(`old 5\r\n\r\n${checkpoint}`)],
    [
      'broken UTF-8',
      Buffer.concat([Buffer.from('old 5\n'), Buffer.of(0xff), Buffer.from(`\n\n${checkpoint}`)]),
    ],
    ['no checkpoint', Buffer.from('old 5\n\n')],
    ['no empty line', Buffer.from('old 5\n')],
    ['too many bytes', Buffer.concat([growth('old 5'), Buffer.alloc(300_000, 'a')])],
  ])('of growth is refused with %s', (_, bytes) => {
    expect(() => parseConsistencyProof(bytes)).toThrow(code('PROOF_MALFORMED'))
  })

  it('of growth gives a typed error for whatever is sent', () => {
    const near = fc.array(fc.constantFrom('old 5', 'old 0', hash, '', '\u2014', 'x'), { maxLength: 6 })
    fc.assert(
      fc.property(near, fc.string(), (lines, more) =>
        typed(() => parseConsistencyProof(Buffer.from(lines.join('\n') + more))),
      ),
    )
  })
})

describe('a log in files', () => {
  // Two levels of tiles, and a last one of each that is not full.
  const SIZE = 600
  let directory: string
  let files: LogFiles
  const entries = Array.from({ length: SIZE }, (_, i) => Buffer.from(`entry ${i}`))
  const log = testLog('example.com/log')

  beforeAll(async () => {
    directory = mkdtempSync(join(memoryDirectory(), 'writ-tiled-'))
    writeTiledLog(directory, entries, log)
    files = await LogFiles.open(directory)
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  it('proves each entry in every tree, and every growth', async () => {
    const at = fc.integer({ min: 1, max: SIZE })
    await fc.assert(
      fc.asyncProperty(at, at, fc.nat(), async (a, b, n) => {
        const [m, size] = a < b ? [a, b] : [b, a]
        const index = n % size
        const root = await files.rootAt(size)
        const leaf = leafHash(await files.entry(index))
        const proof = await files.inclusionProof(index, size)
        expect(
          verifyInclusion({ leafHash: leaf, index: BigInt(index), size: BigInt(size), proof, root }),
        ).toBe(true)
        const growth = { size1: BigInt(m), size2: BigInt(size), root1: await files.rootAt(m), root2: root }
        expect(verifyConsistency({ ...growth, proof: await files.consistencyProof(m, size) })).toBe(true)
      }),
      { numRuns: 60 },
    )
    expect(await files.rootAt(SIZE)).toEqual(files.root)
    expect(await files.consistencyProof(0)).toEqual([])
  })

  it('gives its entries in their order', async () => {
    const read: string[] = []
    for await (const { index, bytes } of files.entries(250, 520)) read.push(`${index} ${bytes}`)
    expect(read).toEqual(Array.from({ length: 270 }, (_, i) => `${250 + i} entry ${250 + i}`))
  })

  it('has nothing beyond its checkpoint', async () => {
    const invalid = { code: 'RANGE_INVALID' }
    await expect(files.entry(SIZE)).rejects.toMatchObject(invalid)
    await expect(files.inclusionProof(SIZE)).rejects.toMatchObject(invalid)
    await expect(files.inclusionProof(0, SIZE + 1)).rejects.toMatchObject(invalid)
    await expect(files.consistencyProof(2, 1)).rejects.toMatchObject(invalid)
    await expect(files.rootAt(-1)).rejects.toMatchObject(invalid)
    await expect(files.entries(0, SIZE + 1).next()).rejects.toMatchObject(invalid)
    await expect(LogFiles.open(join(directory, 'none'))).rejects.toMatchObject({ code: 'LINEAGE_ABSENT' })
  })

  it('of another make is verified by its own key, and by what it was before', async () => {
    const logKeys = [parseNoteKey(log.vkey)]
    const earlier = async (size: number): Promise<CheckpointText> => ({
      origin: 'example.com/log',
      size,
      root: await files.rootAt(size),
      extensions: [],
    })
    const status = async (trust: Parameters<typeof verifyOtherLog>[1], at = directory) =>
      (await verifyOtherLog(at, trust)).results.map(({ property, status }) => `${property}: ${status}`)
    expect(await status({ logKeys, earlier: [await earlier(300), await earlier(SIZE)] })).toEqual([
      'checkpoint form: VERIFIED',
      'signature by the log’s key: VERIFIED',
      'tiles and entries: VERIFIED',
      'consistency with the earlier checkpoint: VERIFIED',
      'consistency with the earlier checkpoint: VERIFIED',
    ])
    const forked = { ...(await earlier(300)), root: Buffer.alloc(32) }
    expect((await status({ logKeys, earlier: [forked] })).at(-1)).toMatch('FAILED')
    expect((await status({ logKeys, earlier: [{ ...forked, size: SIZE }] })).at(-1)).toMatch('FAILED')
    expect((await status({ logKeys, earlier: [{ ...forked, size: SIZE + 1 }] })).at(-1)).toMatch('FAILED')
    expect((await status({ logKeys, earlier: [{ ...(await earlier(300)), origin: 'o' }] })).at(-1)).toMatch(
      'FAILED',
    )
    const copy = temporaryDirectory()
    cpSync(directory, copy, { recursive: true })
    const bundle = readFileSync(join(copy, 'tile/entries/001'))
    writeFileSync(
      join(copy, 'tile/entries/001'),
      bundle.toString('latin1').replace('entry 300', 'entry 3o0'),
      'latin1',
    )
    expect((await status({ logKeys }, copy)).at(-1)).toBe('tiles and entries: FAILED')
    rmSync(join(copy, 'tile/entries'), { recursive: true })
    expect((await verifyOtherLog(copy, { logKeys })).results.at(-1)?.detail).toMatch('not here')
    expect((await verifyOtherLog(join(copy, 'none'), { logKeys })).results[0]?.status).toBe('FAILED')
  })
})

describe('a checkpoint by itself', () => {
  const root = Buffer.alloc(32, 7)
  const log = testLog('example.com/log')
  const note = log.checkpoint(9, root)
  const witness = testWitness('w.example')
  const policy = (...lines: string[]) =>
    parseWitnessPolicy(Buffer.from(lines.map(line => `${line}\n`).join('')))
  const status = (bytes: Buffer, trust: Parameters<typeof verifyHead>[1]) =>
    verifyHead(bytes, trust).results.map(({ property, status }) => `${property}: ${status}`)

  it('is nothing without a key, and good by one of its log', () => {
    expect(status(note, {})).toEqual([
      'checkpoint form: VERIFIED',
      'TPM signature of the checkpoint: NOT CHECKED',
    ])
    const by = (...vkeys: string[]) => status(note, { logKeys: vkeys.map(parseNoteKey) }).slice(1)
    expect(by(log.vkey)).toEqual(['signature by the log’s key: VERIFIED'])
    expect(by(testLog('example.com/log').vkey, log.vkey)).toEqual(['signature by the log’s key: VERIFIED'])
    expect(by(testLog('example.com/log').vkey)).toEqual(['signature by the log’s key: FAILED'])
    // The same key under another name is another log's.
    expect(by(testLog('example.com/b', log.key).vkey)).toEqual(['signature by the log’s key: FAILED'])
    // Nor does a line of another log beside the log's own say whose checkpoint it is.
    const beside = testLog('example.com/log').checkpoint(9, root, 'example.com/b')
    const b = testLog('example.com/b')
    const line = parseNote(testLog('example.com/log', b.key).checkpoint(9, root, 'example.com/b'))
      .signatures[0]
    expect(line && status(withLines(beside, line), { logKeys: [parseNoteKey(b.vkey)] }).at(-1)).toMatch(
      'FAILED',
    )
    expect(status(note, { origin: 'example.com/b' })[1]).toBe('origin: FAILED')
    expect(status(Buffer.from('x'), {})).toEqual(['checkpoint form: FAILED'])
    expect(status(note, { ak: new SoftwareAk().ak })[1]).toBe('TPM signature of the checkpoint: FAILED')
  })

  it('is judged by a policy', () => {
    const both = policy(`log ${log.vkey}`, `witness \u00fc ${witness.vkey}`, 'quorum \u00fc')
    const good = withLines(note, witness.cosign(note))
    const judged = verifyHead(good, { policy: both }).results
    expect(judged.slice(1).map(({ status }) => status)).toEqual(['VERIFIED', 'VERIFIED'])
    expect(judged.at(-1)?.detail).toBe('cosigned by \u00fc (2023-11-14T22:13:20Z), 1 of 1 witnesses')
    expect(status(note, { policy: both }).slice(1)).toEqual([
      'log of the witness policy: VERIFIED',
      'quorum of the witness policy: FAILED',
    ])
    const stranger = policy(`log ${testLog('example.com/log').vkey}`, 'quorum none')
    expect(status(good, { policy: stranger }).slice(1)).toEqual([
      'log of the witness policy: FAILED',
      'quorum of the witness policy: VERIFIED',
    ])
    expect(status(good, { policy: policy('quorum none') }).slice(1)).toEqual([
      'TPM signature of the checkpoint: NOT CHECKED',
      'log of the witness policy: NOT CHECKED',
      'quorum of the witness policy: VERIFIED',
    ])
    const bad = withLines(note, witness.cosign(log.checkpoint(10, root)))
    expect(verifyHead(bad, { policy: both }).results.at(-1)?.detail).toMatch('does not hold')
  })

  it('of this project is verified by the TPM’s key', async () => {
    const signer = testSigner()
    const own = await openLog(temporaryDirectory(), { signer })
    await fill(own, 0, 5)
    const signed = await own.checkpoint()
    await own.close()
    expect(status(signed.note, { ak: signer.ak })[1]).toBe('TPM signature of the checkpoint: VERIFIED')
    expect(status(signed.note, { ak: new SoftwareAk().ak })[1]).toBe(
      'TPM signature of the checkpoint: FAILED',
    )
    const vkey = parseNoteKey(formatNoteKey(ORIGIN, signer.logKey.public))
    expect(status(signed.note, { logKeys: [vkey] }).slice(1)).toEqual([
      'TPM signature of the checkpoint: NOT CHECKED',
      'signature by the log’s key: VERIFIED',
    ])
    const other = parseNoteKey(formatNoteKey(ORIGIN, generateKey('ed25519').public))
    expect(status(signed.note, { logKeys: [other] })[2]).toBe('signature by the log’s key: FAILED')
  })
})

describe('what a proof file proves', () => {
  it('is this entry at this place, and nothing else', async () => {
    const directory = temporaryDirectory()
    const signer = testSigner()
    const log = await openLog(directory, { signer })
    await fill(log, 0, 300)
    const before = await log.checkpoint()
    await fill(log, 300, 700)
    await log.checkpoint()
    await log.close()
    const copy = join(temporaryDirectory(), 'copy')
    await exportLog(directory, copy)
    const files = await LogFiles.open(copy)
    const entry = await files.entry(77)
    const proof = { extra: entry, index: 77n, hashes: await files.inclusionProof(77), checkpoint: files.note }
    const read = parseTlogProof(formatTlogProof(proof))
    expect(checkInclusion(read, files, read.extra).status).toBe('VERIFIED')
    expect(checkInclusion(read, files, undefined).status).toBe('NOT CHECKED')
    expect(checkInclusion(read, files, await files.entry(78)).status).toBe('FAILED')
    expect(checkInclusion({ ...read, index: 78n }, files, entry).status).toBe('FAILED')
    expect(checkInclusion({ ...read, hashes: read.hashes.slice(1) }, files, entry).status).toBe('FAILED')
    expect(checkInclusion(read, { ...before }, entry).status).toBe('FAILED')

    const old = parseCheckpointText(parseNote(before.note).text)
    const growth = { oldSize: 300, hashes: await files.consistencyProof(300), checkpoint: files.note }
    expect(checkGrowth(files, old, growth).status).toBe('VERIFIED')
    expect(checkGrowth(files, old, undefined).status).toBe('NOT CHECKED')
    expect(checkGrowth(files, old, { ...growth, oldSize: 299 }).status).toBe('FAILED')
    expect(checkGrowth(files, old, { ...growth, hashes: [] }).status).toBe('FAILED')
    expect(checkGrowth(files, { ...old, root: Buffer.alloc(32) }, growth).status).toBe('FAILED')
    expect(checkGrowth(files, { ...old, origin: 'other' }, growth).status).toBe('FAILED')
    expect(checkGrowth(old, files, undefined).detail).toMatch('it was cut')
    expect(checkGrowth(old, old, undefined).status).toBe('VERIFIED')
    expect(checkGrowth(old, { ...old, root: Buffer.alloc(32) }, undefined).detail).toMatch(
      'the log was forked',
    )
  })
})
