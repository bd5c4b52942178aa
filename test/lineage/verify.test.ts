import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  exportLog,
  type Lineage,
  LineageError,
  type LogTrust,
  type PropertyResult,
  parseCheckpoint,
  verifyLog,
  verifyLogSignature,
  verifyTpmSignature,
} from '../../lineage/index.ts'
import { generateKey } from '../../signing/key.ts'
import { memoryDirectory } from '../support/memory.ts'
import {
  CONFIG,
  daemonStart,
  fill,
  numbered,
  ORIGIN,
  openLog,
  type TestSigner,
  temporaryDirectory,
  testSigner,
} from './support/log.ts'
import { SoftwareAk } from './support/software-ak.ts'

const common = { v: 1, time: '2026-11-21T02:00:00.000Z', bootNs: '1' } as const

/** A log of `size` entries with a start, a policy blob and numbered events. */
async function makeLog(directory: string, signer: TestSigner, size: number): Promise<Lineage> {
  const log = await openLog(directory, { signer })
  await log.putBlob(CONFIG)
  await log.putBlob(CONFIG)
  await log.append(daemonStart(signer.logKey, Buffer.from(signer.ak.name).toString('hex')))
  const blob = await log.putBlob(Buffer.from('permit (principal, action, resource);'))
  await log.append({ ...common, type: 'policy', digest: blob, version: 1, blob })
  await fill(log, 2, size)
  return log
}

async function exported(size: number): Promise<{ directory: string; trust: LogTrust; signer: TestSigner }> {
  const signer = testSigner()
  const log = await makeLog(temporaryDirectory(), signer, size)
  await log.checkpoint()
  await log.close()
  const directory = join(temporaryDirectory(), 'export')
  await exportLog(log.directory, directory)
  return { directory, signer, trust: { ak: signer.ak, origin: ORIGIN } }
}

function failures(results: readonly PropertyResult[]): PropertyResult[] {
  return results.filter(({ status }) => status === 'FAILED')
}

function statusOf(results: readonly PropertyResult[], property: string): string | undefined {
  return results.find(result => result.property === property)?.status
}

function filesOf(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort()
}

describe('an export without a readable checkpoint', () => {
  it('fails in every property, the origin and earlier checkpoints that were asked for included', async () => {
    const { directory, trust } = await exported(3)
    const earlier = [readFileSync(join(directory, 'checkpoint'))]
    const names = async (more: LogTrust) =>
      (await verifyLog(directory, { ...trust, ...more })).results.map(({ property }) => property).sort()
    const whole = await names({ earlier })
    writeFileSync(join(directory, 'checkpoint'), 'x')
    expect(await names({ earlier })).toEqual(whole)
    const asked = (await verifyLog(directory, { ...trust, earlier })).results
    expect(asked.filter(({ status }) => status !== 'FAILED')).toEqual([])
    const { results } = await verifyLog(directory, trust)
    expect(results.filter(({ status }) => status !== 'FAILED').map(({ property }) => property)).toEqual([
      'consistency with earlier checkpoints',
    ])
  })
})

describe('an export', () => {
  it.each([2, 255, 256, 257, 700])('of %i entries holds in every property', async size => {
    const { directory, trust } = await exported(size)
    const seen: string[] = []
    const { results, checkpoint } = await verifyLog(directory, trust, event => seen.push(event.type))
    expect(failures(results)).toEqual([])
    expect(results.filter(({ status }) => status !== 'VERIFIED').map(({ property }) => property)).toEqual([
      'consistency with earlier checkpoints',
    ])
    expect(checkpoint?.size).toBe(size)
    expect(seen.slice(0, 3)).toEqual(['daemon-start', 'policy', ...(size > 2 ? ['kill-sent'] : [])])
    expect(seen.length).toBe(size)
  })

  it('is made beside a running writer, whose partial tiles may be full by then', async () => {
    const signer = testSigner()
    const log = await makeLog(temporaryDirectory(), signer, 200)
    await log.checkpoint()
    await fill(log, 200, 600)
    const target = join(temporaryDirectory(), 'export')
    const exporting = exportLog(log.directory, target)
    await fill(log, 600, 900)
    expect((await exporting).size).toBe(200)
    const { results } = await verifyLog(target, { ak: signer.ak })
    expect(failures(results)).toEqual([])
    await log.close()
    await (await openLog(log.directory)).close()
    const later = join(temporaryDirectory(), 'later')
    await exportLog(log.directory, later)
    expect(failures((await verifyLog(later, { ak: signer.ak })).results)).toEqual([])
    await expect(exportLog(log.directory, later)).rejects.toMatchObject({ code: 'RANGE_INVALID' })
  })

  it('fails with any byte changed, and the file is named', async () => {
    const { directory, trust } = await exported(5)
    const files = filesOf(directory)
    expect(files.map(name => name.replace(/[0-9a-f]{62}/, '…'))).toEqual([
      'checkpoint',
      expect.stringMatching(/^evidence\/sha256\/[0-9a-f]{2}\/…$/),
      expect.stringMatching(/^evidence\/sha256\/[0-9a-f]{2}\/…$/),
      'tile/0/000.p/5',
      'tile/entries/000.p/5',
    ])
    for (const name of files) {
      const path = join(directory, name)
      const good = readFileSync(path)
      for (let at = 0; at < good.length; at++) {
        const bad = Buffer.from(good)
        bad.writeUInt8(bad.readUInt8(at) ^ (1 << (at % 8)), at)
        writeFileSync(path, bad)
        const named = failures((await verifyLog(directory, trust)).results).map(({ file }) => file)
        if (!named.includes(name)) expect.fail(`byte ${at} of ${name}: ${JSON.stringify(named)}`)
      }
      writeFileSync(path, good)
    }
    expect(failures((await verifyLog(directory, trust)).results)).toEqual([])
  }, 120_000)

  it('fails with any bit of the checkpoint changed', async () => {
    const { directory, signer } = await exported(2)
    const good = readFileSync(join(directory, 'checkpoint'))
    const verify = (note: Buffer) => {
      const checkpoint = parseCheckpoint(note)
      verifyLogSignature(checkpoint, signer.logKey.public)
      verifyTpmSignature(checkpoint, signer.ak)
    }
    verify(good)
    for (let bit = 0; bit < good.length * 8; bit++) {
      const bad = Buffer.from(good)
      bad.writeUInt8(bad.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      expect(() => verify(bad), `bit ${bit}`).toThrow(LineageError)
    }
  }, 60_000)

  it('names the higher tile or the later bundle that was changed', async () => {
    const { directory, trust } = await exported(700)
    for (const name of ['tile/1/000.p/2', 'tile/0/001', 'tile/entries/001', 'tile/entries/002.p/188']) {
      const path = join(directory, name)
      const good = readFileSync(path)
      const bad = Buffer.from(good)
      bad.writeUInt8(bad.readUInt8(100 % bad.length) ^ 1, 100 % bad.length)
      writeFileSync(path, bad)
      const failed = failures((await verifyLog(directory, trust)).results)
      expect(new Set(failed.map(({ file }) => file))).toEqual(new Set([name]))
      writeFileSync(path, good)
    }
  })
})

describe('an export that was tampered with', () => {
  let pristine = ''
  let trust: LogTrust = {}
  let home = ''
  let signer: TestSigner

  beforeAll(async () => {
    home = mkdtempSync(join(memoryDirectory(), 'writ-export-'))
    signer = testSigner()
    const log = await makeLog(join(home, 'log'), signer, 300)
    await log.checkpoint()
    await log.close()
    pristine = join(home, 'export')
    await exportLog(join(home, 'log'), pristine)
    trust = { ak: signer.ak }
  })
  afterAll(() => rmSync(home, { recursive: true }))

  function copy(): string {
    const directory = join(temporaryDirectory(), 'copy')
    cpSync(pristine, directory, { recursive: true })
    return directory
  }

  it.each<[string, (directory: string) => void, string]>([
    [
      'an empty directory',
      directory => rmSync(directory, { recursive: true }) ?? mkdirSync(directory),
      'checkpoint',
    ],
    ['no directory', directory => rmSync(directory, { recursive: true }), 'checkpoint'],
    ['an empty checkpoint', directory => truncateSync(join(directory, 'checkpoint')), 'checkpoint'],
    ['a bundle missing', directory => rmSync(join(directory, 'tile/entries/000')), 'tile/entries/000'],
    ['a tile missing', directory => rmSync(join(directory, 'tile/0/000')), 'tile/0/000'],
    [
      'a cut bundle',
      directory => truncateSync(join(directory, 'tile/entries/000'), 5000),
      'tile/entries/000',
    ],
    [
      'bytes after a bundle',
      directory => appendFileSync(join(directory, 'tile/entries/000'), 'x'),
      'tile/entries/000',
    ],
    ['bytes after a tile', directory => appendFileSync(join(directory, 'tile/0/000'), 'x'), 'tile/0/000'],
    [
      'bytes after the checkpoint',
      directory => appendFileSync(join(directory, 'checkpoint'), '\n'),
      'checkpoint',
    ],
    ['a file more', directory => writeFileSync(join(directory, 'tile/0/readme'), ''), 'tile/0/readme'],
    ['a hidden file more', directory => writeFileSync(join(directory, '.x'), ''), '.x'],
    ['an empty directory more', directory => mkdirSync(join(directory, 'tile/7')), 'tile/7'],
    ['a blob more', directory => writeFileSync(join(directory, 'evidence/x'), ''), 'evidence/x'],
    [
      'an endless bundle',
      directory => truncateSync(join(directory, 'tile/entries/000'), 2 ** 36),
      'tile/entries/000',
    ],
    [
      'a link in place of a file',
      directory => {
        rmSync(join(directory, 'tile/0/000'))
        symlinkSync(join(pristine, 'tile/0/000'), join(directory, 'tile/0/000'))
      },
      'tile/0/000',
    ],
  ])('fails with %s', async (_, tamper, file) => {
    const directory = copy()
    tamper(directory)
    const failed = failures((await verifyLog(directory, trust)).results)
    expect(failed.map(result => result.file)).toContain(file)
  })

  it('fails with a blob missing', async () => {
    const directory = copy()
    rmSync(join(directory, 'evidence'), { recursive: true })
    const { results } = await verifyLog(directory, trust)
    expect([statusOf(results, 'evidence'), statusOf(results, 'files')]).toEqual(['FAILED', 'FAILED'])
  })

  it('fails with no entries', async () => {
    const log = await openLog(join(temporaryDirectory(), 'log'), { signer })
    await log.checkpoint()
    await log.close()
    const directory = join(temporaryDirectory(), 'export')
    await exportLog(log.directory, directory)
    const { results } = await verifyLog(directory, trust)
    const asked = results.filter(({ property }) => property !== 'consistency with earlier checkpoints')
    expect(new Set(asked.map(({ status }) => status))).toEqual(new Set(['FAILED']))
    expect(results[0]).toMatchObject({ property: 'checkpoint form', file: 'checkpoint' })
  })

  it('fails when it is signed with a key that it brings along', async () => {
    const attacker = testSigner()
    const log = await makeLog(join(temporaryDirectory(), 'forged'), attacker, 10)
    await log.checkpoint()
    await log.close()
    const directory = join(temporaryDirectory(), 'export')
    await exportLog(log.directory, directory)
    const { results } = await verifyLog(directory, trust)
    expect(statusOf(results, 'TPM signature of the checkpoint')).toBe('FAILED')
    expect(statusOf(results, 'host identity')).toBe('FAILED')
    expect(statusOf(results, 'Ed25519 signature of the checkpoint')).toBe('NOT CHECKED')
  })

  it('says NOT CHECKED for what nobody gave a key for', async () => {
    const { results } = await verifyLog(pristine)
    expect(failures(results)).toEqual([])
    for (const property of ['TPM signature', 'Ed25519 signature'].map(name => `${name} of the checkpoint`)) {
      expect(statusOf(results, property)).toBe('NOT CHECKED')
    }
    const known = await verifyLog(pristine, { logKey: signer.logKey.public })
    expect(statusOf(known.results, 'Ed25519 signature of the checkpoint')).toBe('VERIFIED')
    const other = await verifyLog(pristine, { ...trust, logKey: generateKey('ed25519').public })
    expect(statusOf(other.results, 'Ed25519 signature of the checkpoint')).toBe('FAILED')
    const renamed = await verifyLog(pristine, { ...trust, origin: 'another' })
    expect(statusOf(renamed.results, 'origin')).toBe('FAILED')
    const stranger = await verifyLog(pristine, { ak: new SoftwareAk().ak })
    expect(statusOf(stranger.results, 'TPM signature of the checkpoint')).toBe('FAILED')
  })

  it('fails when it is not what an earlier checkpoint goes on to', async () => {
    const earlierOf = async (entries: number[]) => {
      const log = await makeLog(join(temporaryDirectory(), 'log'), signer, 2)
      for (const n of entries) await log.append(numbered(n))
      const { note } = await log.checkpoint()
      await log.close()
      return note
    }
    const property = 'consistency with earlier checkpoints'
    const check = async (note: Uint8Array) =>
      (await verifyLog(pristine, { ...trust, earlier: [note] })).results.find(
        result => result.property === property,
      )
    expect(await check(await earlierOf([2, 3, 4]))).toMatchObject({ status: 'VERIFIED' })
    expect(await check(await earlierOf([2, 9, 4]))).toMatchObject({
      status: 'FAILED',
      detail: expect.stringContaining('forked'),
    })
    const long = Array.from({ length: 400 }, (_, i) => i + 2)
    expect(await check(await earlierOf(long))).toMatchObject({
      status: 'FAILED',
      detail: expect.stringContaining('cut'),
    })
    expect(await check(Buffer.from('nonsense'))).toMatchObject({ status: 'FAILED' })
  })

  it('fails the events when the visitor throws', async () => {
    const { results } = await verifyLog(pristine, trust, (_, index) => {
      if (index === 7) throw new Error('not to my taste')
    })
    expect(results.find(({ property }) => property === 'events')).toMatchObject({
      status: 'FAILED',
      detail: 'entry 7: not to my taste',
      file: 'tile/entries/000',
    })
  })
})

it('a log whose entries are no events fails, though its tree holds', async () => {
  const signer = testSigner()
  const { Journal } = await import('../../lineage/writer/journal.ts')
  const append = Journal.prototype.append
  const log = await makeLog(temporaryDirectory(), signer, 5)
  Journal.prototype.append = function (entry, reserved) {
    return append.call(this, Buffer.from(entry.toString().replace('REVOKED', 'revoked')), reserved)
  }
  try {
    await log.append(numbered(5))
  } finally {
    Journal.prototype.append = append
  }
  await log.checkpoint()
  await log.close()
  const directory = join(temporaryDirectory(), 'copy')
  // The exporter would not copy it, so the files are put together by hand.
  for (const name of ['checkpoint', 'tile', 'evidence'])
    cpSync(join(log.directory, name), join(directory, name), { recursive: true })
  const { results } = await verifyLog(directory, { ak: signer.ak })
  expect(failures(results)).toEqual([
    expect.objectContaining({
      property: 'events',
      // With the field that it is about.
      detail: expect.stringMatching(/^entry 5: [\w.]+: /),
      file: 'tile/entries/000.p/6',
    }),
  ])
})
