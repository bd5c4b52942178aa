import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkpointExtraData } from '../../attestation/index.ts'
import { parseNote, verifyNote } from '../../lineage/c2sp/note.ts'
import { parseNoteKey } from '../../lineage/c2sp/note-key.ts'
import { formatCheckpointText } from '../../lineage/checkpoint.ts'
import {
  formatNoteKey,
  parseCheckpoint,
  verifyLogSignature,
  verifyTpmSignature,
} from '../../lineage/index.ts'
import { generateKey } from '../../signing/key.ts'
import { faultyIo } from './support/faulty-io.ts'
import { fill, ORIGIN, openLog, temporaryDirectory, testSigner } from './support/log.ts'
import { SoftwareAk } from './support/software-ak.ts'

describe('checkpoint', () => {
  it('is a note that any client of signed notes reads, with a line by the TPM', async () => {
    const directory = temporaryDirectory()
    const signer = testSigner()
    const log = await openLog(directory, { signer })
    await fill(log, 0, 300)
    const signed = await log.checkpoint()
    expect(log.latestCheckpoint()).toBe(signed)
    expect(readFileSync(join(directory, 'checkpoint'))).toEqual(signed.note)
    const vkey = parseNoteKey(formatNoteKey(ORIGIN, signer.logKey.public))
    expect(verifyNote(parseNote(signed.note), [vkey])).toEqual([ORIGIN])
    const checkpoint = parseCheckpoint(signed.note)
    expect([checkpoint.size, checkpoint.root]).toEqual([300, log.rootHash()])
    verifyLogSignature(checkpoint, signer.logKey.public)
    expect(verifyTpmSignature(checkpoint, signer.ak).clock.resetCount).toBe(2)
    const invalid = expect.objectContaining({ code: 'SIGNATURE_INVALID' })
    expect(() => verifyLogSignature(checkpoint, generateKey('ed25519').public)).toThrow(invalid)
    expect(() => verifyTpmSignature(checkpoint, new SoftwareAk().ak)).toThrow(invalid)
    await log.close()
  })

  it('is not signed twice for one tree, and is there after a start', async () => {
    const directory = temporaryDirectory()
    const signer = testSigner()
    const log = await openLog(directory, { signer })
    await fill(log, 0, 3)
    const signed = await log.checkpoint()
    expect(await log.checkpoint()).toBe(signed)
    expect(signer.software.signed.length).toBe(1)
    await log.close()
    const reopened = await openLog(directory, { signer })
    expect(reopened.latestCheckpoint()).toEqual(signed)
    await reopened.checkpoint()
    expect(signer.software.signed.length).toBe(1)
    await reopened.close()
  })

  it('is given out only if its signatures hold', async () => {
    const directory = temporaryDirectory()
    const signer = testSigner()
    const other = new SoftwareAk()
    const log = await openLog(directory, { signer: { ...signer, quote: async data => other.quote(data) } })
    await fill(log, 0, 3)
    await expect(log.checkpoint()).rejects.toMatchObject({ code: 'SIGNATURE_INVALID' })
    expect(existsSync(join(directory, 'checkpoint'))).toBe(false)
    await log.close()
  })

  it('is refused by its reader with a line more, a line less, or an extension', async () => {
    const signer = testSigner()
    const log = await openLog(temporaryDirectory(), { signer })
    await fill(log, 0, 3)
    const { note } = await log.checkpoint()
    const lines = note.toString().split('\n')
    const malformed = expect.objectContaining({ code: 'CHECKPOINT_MALFORMED' })
    for (const changed of [
      [...lines.slice(0, -1), lines[4], ''],
      [...lines.slice(0, 5), ''],
      [...lines.slice(0, 3), 'extension', ...lines.slice(3)],
      lines.map(line => line.replace(`\u2014 ${ORIGIN}`, '\u2014 other')),
    ]) {
      expect(() => parseCheckpoint(Buffer.from(changed.join('\n')))).toThrow(malformed)
    }
    const swapped = [...lines.slice(0, 4), lines[5], lines[4], ''].join('\n')
    expect(() => verifyLogSignature(parseCheckpoint(Buffer.from(swapped)), signer.logKey.public)).toThrow(
      expect.objectContaining({ code: 'SIGNATURE_INVALID' }),
    )
    await log.close()
  })
})

/** What the TPM is asked to sign for a tree. */
function asked(size: number, root: Buffer): string {
  return checkpointExtraData(formatCheckpointText({ origin: ORIGIN, size, root })).toString('hex')
}

describe('a tree that the TPM was about to sign', () => {
  it.each([
    ['the TPM did not sign', false],
    ['the TPM signed and its answer was lost', true],
  ])('is the next to be signed, and nothing else of its size: %s', async (_, answered) => {
    const directory = temporaryDirectory()
    const signer = testSigner()
    const log = await openLog(directory, {
      signer: {
        ...signer,
        async quote(data) {
          if (answered) signer.software.quote(data)
          throw new Error('the TPM is gone')
        },
      },
    })
    await fill(log, 0, 5)
    const root5 = log.rootHash()
    await expect(log.checkpoint()).rejects.toThrow('the TPM is gone')
    await fill(log, 5, 9)
    const root9 = log.rootHash()
    // The lineage itself is well: a TPM that is away stops signing, not writing.
    await log.close()
    const reopened = await openLog(directory, { signer })
    const last = await reopened.checkpoint()
    expect(last.size).toBe(9)
    const signed = signer.software.signed.map(data => data.toString('hex'))
    expect(signed).toEqual([...(answered ? [asked(5, root5)] : []), asked(5, root5), asked(9, root9)])
    expect(existsSync(join(directory, 'state/pending'))).toBe(false)
    await reopened.close()
  })

  it.each(['did not persist', 'did persist'] as const)(
    'is signed again when publishing it failed and %s',
    async effect => {
      const directory = temporaryDirectory()
      const signer = testSigner()
      const io = faultyIo()
      const armed = {
        ...signer,
        quote(data: Buffer) {
          io.fail('rename', 1, effect)
          return signer.quote(data)
        },
      }
      const log = await openLog(directory, { signer: armed, io })
      await fill(log, 0, 5)
      const root = log.rootHash()
      await expect(log.checkpoint()).rejects.toMatchObject({ code: 'LINEAGE_UNAVAILABLE' })
      await log.close()
      const reopened = await openLog(directory, { signer })
      await reopened.checkpoint()
      const signed = signer.software.signed.map(data => data.toString('hex'))
      expect(signed).toEqual(Array.from({ length: effect === 'did persist' ? 1 : 2 }, () => asked(5, root)))
      await reopened.close()
    },
  )

  it('is on disk before the TPM is asked', async () => {
    const directory = temporaryDirectory()
    const signer = testSigner()
    let seen = ''
    const log = await openLog(directory, {
      signer: {
        ...signer,
        quote(data) {
          seen = readFileSync(join(directory, 'state/pending'), 'utf8')
          return signer.quote(data)
        },
      },
    })
    await fill(log, 0, 5)
    await log.checkpoint()
    expect(JSON.parse(seen)).toMatchObject({ size: 5, root: log.rootHash().toString('hex') })
    await log.close()
  })

  it.each([
    ['another tree of its size', 5, 'LINEAGE_BROKEN'],
    ['more entries than there are', 500, 'LINEAGE_ROLLED_BACK'],
  ])('keeps the lineage from opening when it is %s', async (_, size, code) => {
    const directory = temporaryDirectory()
    const log = await openLog(directory)
    await fill(log, 0, 9)
    await log.close()
    const record = { counter: null, done: false, published: null, root: '11'.repeat(32), size, v: 1 }
    writeFileSync(join(directory, 'state/pending'), JSON.stringify(record))
    await expect(openLog(directory)).rejects.toMatchObject({ code, at: 'state/pending' })
  })
})
