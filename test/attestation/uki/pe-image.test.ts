import { hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  authenticodeDigests,
  imageInMemory,
  readPeImage,
  readUki,
  UkiError,
} from '../../../attestation/uki/index.ts'
import { FILE_ALIGNMENT, peImage, ukiImage } from '../../support/pe-image.ts'

const SECTIONS = [
  { name: '.text', data: Buffer.alloc(700, 0xcc) },
  { name: '.data', data: Buffer.from('initialised') },
  { name: '.bss', data: Buffer.alloc(0), virtualSize: 4096 },
]
const PE = 0x80
const OPTIONAL = PE + 24
const TABLE = OPTIONAL + 112 + 16 * 8

const read = (bytes: Buffer) => readPeImage(imageInMemory(bytes))
const digestOf = (bytes: Buffer, bank: 'sha1' | 'sha256' | 'sha384' = 'sha256'): string =>
  authenticodeDigests(read(bytes), [bank]).get(bank)?.toString('hex') ?? ''

function errorOf(run: () => unknown): UkiError | null {
  try {
    run()
  } catch (error) {
    if (error instanceof UkiError) return error
    throw error
  }
  return null
}

/** A copy with one 32-bit (or 16-bit) field changed. */
function patched(bytes: Buffer, offset: number, value: number, width: 2 | 4 = 4): Buffer {
  const copy = Buffer.from(bytes)
  copy.writeUIntLE(value, offset, width)
  return copy
}

describe('readPeImage', () => {
  it('reads the headers', () => {
    const image = read(peImage(SECTIONS))
    expect(image.machine).toBe(0x8664)
    expect(image.certificates).toBeNull()
    expect(image.sections.map(({ name, virtualSize, raw }) => [name, virtualSize, raw.length])).toEqual([
      ['.text', 700, 1024],
      ['.data', 11, 512],
      ['.bss', 4096, 0],
    ])
  })

  it('refuses an image that is cut anywhere before its end', () => {
    const whole = peImage(SECTIONS)
    for (let end = 0; end < whole.length; end += end < 700 ? 1 : 97)
      expect(errorOf(() => read(whole.subarray(0, end)))?.code).toMatch(/^PE_/)
    expect(errorOf(() => read(whole))).toBeNull()
  })

  const image = peImage(SECTIONS)
  it.each<[string, string, Buffer]>([
    ['no MZ', 'PE_NOT_AN_IMAGE', patched(image, 0, 0x4d4d, 2)],
    ['a PE header in the DOS header', 'PE_NOT_AN_IMAGE', patched(image, 0x3c, 16)],
    ['a PE header beyond the file', 'PE_TRUNCATED', patched(image, 0x3c, 0xffff_fff0)],
    ['no PE signature', 'PE_NOT_AN_IMAGE', patched(image, PE, 0x5a4d)],
    ['no sections', 'PE_HEADER_MALFORMED', patched(image, PE + 6, 0, 2)],
    ['too many sections', 'PE_HEADER_MALFORMED', patched(image, PE + 6, 0xffff, 2)],
    ['more sections than headers', 'PE_HEADER_MALFORMED', patched(image, PE + 6, 1000, 2)],
    ['an unknown magic', 'PE_NOT_AN_IMAGE', patched(image, OPTIONAL, 0x107, 2)],
    ['an optional header of no size', 'PE_NOT_AN_IMAGE', patched(image, PE + 20, 0, 2)],
    [
      'an optional header that is larger than it says',
      'PE_HEADER_MALFORMED',
      patched(image, PE + 20, 248, 2),
    ],
    ['17 data directories', 'PE_HEADER_MALFORMED', patched(image, OPTIONAL + 108, 17)],
    [
      'headers that end in the section table',
      'PE_HEADER_MALFORMED',
      patched(image, OPTIONAL + 60, TABLE + 80),
    ],
    ['headers longer than the file', 'PE_HEADER_MALFORMED', patched(image, OPTIONAL + 60, 0x7fff_ffff)],
    ['a section in the headers', 'PE_SECTION_MALFORMED', patched(image, TABLE + 20, 0)],
    ['a section in another', 'PE_SECTION_MALFORMED', patched(image, TABLE + 40 + 20, FILE_ALIGNMENT + 512)],
    ['a section beyond the file', 'PE_SECTION_MALFORMED', patched(image, TABLE + 40 + 16, 0xffff_ffff)],
    ['certificates in the middle', 'PE_CERTIFICATES_MALFORMED', patched(image, OPTIONAL + 112 + 36, 8)],
  ])('refuses %s', (_, code, bytes) => {
    const error = errorOf(() => read(bytes))
    expect(error?.code).toBe(code)
    expect(error?.offset).toBeTypeOf('number')
  })

  it('refuses a file that is too large before it reads anything', () => {
    const source = { size: 2 ** 40, read: () => expect.unreachable() }
    expect(errorOf(() => readPeImage(source))?.code).toBe('PE_TOO_LARGE')
  })
})

describe('authenticodeDigests', () => {
  const certificates = Buffer.alloc(64, 0xab)

  it.each([
    // Worked out by osslsigncode 2.9 ("Calculated message digest").
    ['PE32+', peImage(SECTIONS), '697335b6afa5d63b3f4346325125479da769dd0b9793264bf2d14987db495939'],
    [
      'PE32',
      peImage(SECTIONS, { magic: 0x10b }),
      'df452b2fd3a53becef2b5a0678e4cac4cb2a1a026bbd6a03416827c2169663e8',
    ],
    [
      'with something behind the sections',
      peImage(SECTIONS, { trailer: Buffer.alloc(24, 1) }),
      'de07f3f69ffaea7b4e2060136edacd21a7ed40654048efcd4e25ae729a935bda',
    ],
  ])('is what osslsigncode calculates: %s', (_, image, expected) => {
    expect(digestOf(image)).toBe(expected)
  })

  it('leaves out checksum and certificates, and nothing else', () => {
    const image = peImage(SECTIONS)
    const digest = digestOf(image)
    expect(digestOf(patched(image, OPTIONAL + 64, 0))).toBe(digest)
    expect(digestOf(peImage(SECTIONS, { certificates }))).toBe(digest)
    for (const offset of [
      2,
      PE + 8,
      OPTIONAL + 60 + 8,
      OPTIONAL + 112,
      TABLE + 36,
      600,
      1024,
      image.length - 1,
    ]) {
      const changed = Buffer.from(image)
      changed[offset] = (changed[offset] ?? 0) ^ 1
      expect([offset, digestOf(changed) === digest]).toEqual([offset, false])
    }
  })

  it('is the hash of the parts, in sha1 and sha384 too', () => {
    const image = peImage(SECTIONS)
    const directory = OPTIONAL + 112 + 4 * 8
    const parts = [
      image.subarray(0, OPTIONAL + 64),
      image.subarray(OPTIONAL + 68, directory),
      image.subarray(directory + 8),
    ]
    for (const bank of ['sha1', 'sha256', 'sha384'] as const)
      expect(digestOf(image, bank)).toBe(hash(bank, Buffer.concat(parts)))
  })

  it('hashes an image whose directory has no entry for certificates', () => {
    const image = peImage(SECTIONS, { directories: 3 })
    const parts = [image.subarray(0, OPTIONAL + 64), image.subarray(OPTIONAL + 68)]
    expect(digestOf(image)).toBe(hash('sha256', Buffer.concat(parts)))
  })

  it('takes sections in the order of the file, and counts what lies between them as firmware does', () => {
    const image = peImage([
      { name: '.a', data: Buffer.alloc(512, 1) },
      { name: '.b', data: Buffer.alloc(512, 2), gap: 512 },
    ])
    const swapped = Buffer.from(image)
    image.copy(swapped, TABLE + 40, TABLE, TABLE + 40)
    image.copy(swapped, TABLE, TABLE + 40, TABLE + 80)
    const directory = OPTIONAL + 112 + 4 * 8
    const expected = (bytes: Buffer): string => {
      const headers = [
        bytes.subarray(0, OPTIONAL + 64),
        bytes.subarray(OPTIONAL + 68, directory),
        bytes.subarray(directory + 8, 512),
      ]
      const sections = [bytes.subarray(512, 1024), bytes.subarray(1536, 2048)]
      // 512 bytes of headers and 1,024 of sections have been hashed: the rest begins at 1,536, whatever is there.
      return hash('sha256', Buffer.concat([...headers, ...sections, bytes.subarray(1536)]))
    }
    expect(digestOf(image)).toBe(expected(image))
    expect(digestOf(swapped)).toBe(expected(swapped))
  })
})

describe('readUki', () => {
  const codeOf = (bytes: Buffer): string => errorOf(() => readUki(bytes))?.code ?? 'READ'

  it('says which stub starts it', () => {
    const stub = (version: string | null) => readUki(ukiImage([['.linux', 'k']], { stub: version })).stub
    expect(stub('257.13-1~deb13u1')).toEqual({ text: 'systemd-stub 257.13-1~deb13u1', version: 257 })
    expect(stub('v258-rc1')).toEqual({ text: 'systemd-stub v258-rc1', version: null })
    expect(stub(null)).toBeNull()
  })

  it('refuses what leaves open what is measured', () => {
    expect(codeOf(ukiImage([['.osrel', 'x']]))).toBe('UKI_SECTION_MISSING')
    expect(codeOf(ukiImage([['.linux', '']]))).toBe('UKI_SECTION_MISSING')
    const twice = ukiImage([
      ['.linux', 'k'],
      ['.cmdline', 'a'],
      ['.cmdline', 'b'],
    ])
    expect(codeOf(twice)).toBe('UKI_SECTION_REPEATED')
    const inflated = ukiImage([['.linux', 'k']])
    inflated.writeUInt32LE(0xffff_0000, inflated.indexOf('.linux') + 8)
    expect(codeOf(inflated)).toBe('UKI_SECTION_MALFORMED')
    const shared = ukiImage([
      ['.linux', 'k'],
      ['.initrd', 'i'],
    ])
    const [linux, initrd] = ['.linux', '.initrd'].map(name => shared.indexOf(name) + 12)
    shared.copy(shared, initrd ?? 0, linux ?? 0, (linux ?? 0) + 4)
    expect(codeOf(shared)).toBe('UKI_SECTION_MALFORMED')
  })
})
