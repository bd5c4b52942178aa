import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { ukiImage } from '../../support/pe-image.ts'
import { CHECKOUT } from '../../support/programs.ts'

const LARGE = 100 << 20
/** A tenth of the image. */
const SLACK_KB = 10 << 10

/** Reads one image after the other in a process of its own, and says how much memory that had at most after each. */
const READER = `
  import { readUki, sectionDigests } from './attestation/uki/index.ts'
  import { withImage } from './cli/image-file.ts'
  const results = process.argv.slice(1).map(path => withImage(path, 'an image', image => {
    const uki = readUki(image)
    const [initrd] = uki.sections.filter(({ name }) => name === '.initrd')
    const sha256 = sectionDigests(uki, initrd, ['sha256']).get('sha256').toString('hex')
    return { sha256, size: initrd.size, kilobytes: process.resourceUsage().maxRSS }
  }))
  console.log(JSON.stringify(results))
`

describe('a large image', () => {
  const directory = mkdtempSync(join(tmpdir(), 'writ-uki-'))
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  /** An image whose last part is that long and has holes, so that the disk has little of it. */
  function sparse(name: string, length: number): string {
    const small = ukiImage([
      ['.linux', 'kernel'],
      ['.initrd', Buffer.alloc(512, 1)],
    ])
    const entry = small.indexOf('.initrd')
    const offset = small.readUInt32LE(entry + 20)
    small.writeUInt32LE(length, entry + 8)
    small.writeUInt32LE(length, entry + 16)
    const path = join(directory, name)
    const file = openSync(path, 'wx')
    writeSync(file, small)
    ftruncateSync(file, offset + length)
    closeSync(file)
    return path
  }

  function read(...paths: string[]): { sha256: string; size: number; kilobytes: number }[] {
    const args = ['--input-type=module', '--eval', READER, ...paths]
    const options = { cwd: CHECKOUT, encoding: 'utf8', timeout: 60_000 } as const
    const { stdout, stderr, status } = spawnSync(process.execPath, args, options)
    if (status !== 0) throw new Error(stderr)
    return JSON.parse(stdout)
  }

  it('is hashed in pieces: 100 MB take no more memory than 512 bytes', { timeout: 120_000 }, () => {
    const [small, large] = read(sparse('small.efi', 512), sparse('large.efi', LARGE))
    expect([small?.size, large?.size]).toEqual([512, LARGE])
    const expected = createHash('sha256').update(Buffer.alloc(512, 1))
    for (let left = LARGE - 512; left > 0; left -= 1 << 20)
      expected.update(Buffer.alloc(Math.min(left, 1 << 20)))
    expect(large?.sha256).toBe(expected.digest('hex'))
    expect((large?.kilobytes ?? 0) - (small?.kilobytes ?? 0)).toBeLessThan(SLACK_KB)
  })
})
