import { hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  binaryImaLog,
  compareWithQuoted,
  type HashAlgorithm,
  ImaLogError,
  ImaLogReader,
  imaLogForm,
  loggedPath,
  readImaLog,
} from '../../attestation/index.ts'
import { digestField, type EntryOptions, kernelEntry, number, text } from './ima-entries.ts'

const SHA256 = 'ab'.repeat(32)
const evm = {
  evmsig: Buffer.of(5, 2, 4, 1, 2, 3, 4, 0, 1, 9),
  xattrnames: text('security.selinux|security.ima'),
  xattrlengths: Buffer.concat([number(2), number(3)]),
  xattrvalues: Buffer.from('aabbccddee', 'hex'),
  iuid: number(1000),
  igid: number(100),
  imode: number(0o100755, false, 2),
}
const templates: [string, EntryOptions, object][] = [
  ['ima', {}, { digest: `sha1:${'d1'.repeat(20)}`, path: '/bin/old', fields: {} }],
  ['ima-ng', {}, { digest: `sha256:${SHA256}`, path: '/bin/new', digestType: null }],
  ['ima-ngv2', {}, { digest: `sha256:${SHA256}`, digestType: 'ima' }],
  ['ima-sig', { fields: { sig: Buffer.of(3, 2) } }, { fields: { sig: Buffer.of(3, 2) } }],
  ['ima-sig', {}, { fields: {} }],
  [
    'ima-sigv2',
    { fields: { 'd-ngv2': digestField('verity:sha512', Buffer.alloc(64, 1)), sig: Buffer.of(6, 3) } },
    { digestType: 'verity', digest: `sha512:${'01'.repeat(64)}` },
  ],
  ['ima-buf', { fields: { buf: Buffer.from('quiet') } }, { fields: { buf: Buffer.from('quiet') } }],
  [
    'ima-modsig',
    { fields: { 'd-modsig': digestField('sha1', Buffer.alloc(20, 7)), modsig: Buffer.of(0x30, 0) } },
    { fields: { 'd-modsig': `sha1:${'07'.repeat(20)}`, modsig: Buffer.of(0x30, 0) } },
  ],
  ['ima-modsig', {}, { fields: {} }],
  [
    'evm-sig',
    { fields: evm },
    {
      fields: {
        evmsig: evm.evmsig,
        xattrnames: 'security.selinux|security.ima',
        xattrlengths: [2, 3],
        xattrvalues: evm.xattrvalues,
        iuid: 1000,
        igid: 100,
        imode: 0o100755,
      },
    },
  ],
  ['d-ng|n-ng|iuid', { fields: { iuid: number(0) } }, { fields: { iuid: 0 } }],
  ['n-ng|d-ngv2|sig', {}, { path: '/bin/new', digestType: 'ima' }],
  ['d|n', {}, { digest: `sha1:${'d1'.repeat(20)}`, path: '/bin/old' }],
  ['n-ng', {}, { digest: '', path: '/bin/new' }],
]

describe('every template', () => {
  it.each(templates)('%s is read in both forms, and replayed', (template, options, expected) => {
    const { binary, ascii, data } = kernelEntry({ ...options, template })
    const replay = readImaLog(binary)
    expect(replay.entry(0)).toMatchObject({ template, columnMatches: true, violation: false, ...expected })
    expect(replay.pcr10After(1)).toEqual(pcr('sha256', [data]))
    expect(Buffer.from(binaryImaLog(ascii))).toEqual(binary)
  })

  it.each(templates)('%s is read from a big-endian host', (template, options) => {
    const swapped = Object.fromEntries(
      Object.entries(options.fields ?? {}).map(([name, value]) => [
        name,
        ['iuid', 'igid', 'imode', 'xattrlengths'].includes(name)
          ? swap(value, name === 'imode' ? 2 : 4)
          : value,
      ]),
    )
    const entry = kernelEntry({ ...options, fields: swapped, template, bigEndian: true })
    const little = readImaLog(kernelEntry({ ...options, template }).binary).entry(0)
    expect(readImaLog(entry.binary).entry(0)).toEqual(little)
    expect(readImaLog(entry.binary).pcr10After(1)).toEqual(pcr('sha256', [entry.data]))
    // The oldest template has no number under its hash: its text does not tell the byte order.
    if (template !== 'ima') expect(Buffer.from(binaryImaLog(entry.ascii))).toEqual(entry.binary)
  })

  it.each([
    'md5',
    'sha1',
    'sha224',
    'sha384',
    'sha512',
    'sm3',
    'sm3-256',
    'sha3-256',
    'sha3-512',
    'streebog512',
    'wp512',
  ])('a digest by %s is read', name => {
    const size = { md5: 16, sha1: 20, sha224: 28, sha384: 48 }[name] ?? (name.includes('512') ? 64 : 32)
    const fields = { 'd-ng': digestField(name, Buffer.alloc(size, 1)) }
    const { binary, ascii } = kernelEntry({ fields })
    expect(readImaLog(binary).entry(0).digest).toBe(`${name}:${'01'.repeat(size)}`)
    expect(Buffer.from(binaryImaLog(ascii))).toEqual(binary)
  })
})

function swap(value: Buffer, size: 2 | 4): Buffer {
  return size === 2 ? Buffer.from(value).swap16() : Buffer.from(value).swap32()
}

/** PCR 10 after entries with this template data; null stands for a violation. */
function pcr(bank: HashAlgorithm, entries: readonly (Buffer | null)[], padded = false): Buffer {
  const size = hash(bank, '', 'buffer').length
  return entries.reduce<Buffer>((value, data) => {
    const sha1 = data && Buffer.concat([hash('sha1', data, 'buffer'), Buffer.alloc(size - 20)])
    const extend =
      data === null ? Buffer.alloc(size, 0xff) : padded ? (sha1 ?? data) : hash(bank, data, 'buffer')
    return hash(bank, Buffer.concat([value, extend]), 'buffer')
  }, Buffer.alloc(size))
}

describe('a violation', () => {
  it.each([20, 32])('with %i zeros as its digest is read in both forms', zeros => {
    const fields = { 'd-ng': digestField('sha256', Buffer.alloc(zeros)) }
    const { binary, ascii } = kernelEntry({ fields, violation: true })
    expect(readImaLog(binary).entry(0)).toMatchObject({ violation: true })
    expect(Buffer.from(binaryImaLog(ascii))).toEqual(binary)
  })

  it('is none when only the digest of the file is zero', () => {
    const { binary } = kernelEntry({ fields: { 'd-ng': digestField('sha256', Buffer.alloc(32)) } })
    expect(readImaLog(binary).entry(0)).toMatchObject({ violation: false, columnMatches: true })
    const short = kernelEntry({ fields: { 'd-ng': digestField('sha256', Buffer.alloc(20)) } }).binary
    expect(() => readImaLog(short).entry(0)).toThrow(ImaLogError)
  })
})

describe('every bank', () => {
  const entries = [kernelEntry(), kernelEntry({ violation: true }), kernelEntry({ template: 'ima' })]
  const log = Buffer.concat(entries.map(({ binary }) => binary))
  const hashed = entries.map(({ data }, i) => (i === 1 ? null : data))

  it.each(['sha1', 'sha256', 'sha384', 'sha512'] as const)(
    '%s, as new and as old kernels extend it',
    bank => {
      expect(readImaLog(log, { bank }).pcr10After(3)).toEqual(pcr(bank, hashed))
      expect(readImaLog(log, { bank, extend: 'padded' }).pcr10After(3)).toEqual(pcr(bank, hashed, true))
      for (const padded of [false, true]) {
        const result = compareWithQuoted(log, new Map([[bank, pcr(bank, hashed, padded)]]))
        expect(result).toMatchObject({ faults: [], attested: { [bank]: 3 } })
        expect(result.extend).toBe(bank === 'sha1' ? null : padded ? 'padded' : 'native')
      }
    },
  )

  it.each(['sha256', 'sha384', 'sha512'] as const)('has a list of its own with %s in the column', column => {
    const own = [kernelEntry({ column }), kernelEntry({ column, violation: true })]
    for (const form of ['binary', 'ascii'] as const) {
      const replay = readImaLog(Buffer.concat(own.map(entry => entry[form])))
      expect([0, 1].map(i => replay.entry(i))).toMatchObject([
        { violation: false, columnMatches: true },
        { violation: true, columnMatches: true },
      ])
    }
  })

  it('all have to cover the same part', () => {
    const quoted = (sha1: number, sha256: number) =>
      new Map<HashAlgorithm, Buffer>([
        ['sha1', pcr('sha1', hashed.slice(0, sha1))],
        ['sha256', pcr('sha256', hashed.slice(0, sha256))],
      ])
    expect(compareWithQuoted(log, quoted(2, 2))).toMatchObject({
      faults: [],
      attested: { sha1: 2, sha256: 2 },
    })
    expect(compareWithQuoted(log, quoted(2, 3)).faults).toMatchObject([{ code: 'IMA_BANKS_DISAGREE' }])
    expect(compareWithQuoted(log, quoted(0, 0)).faults).toMatchObject([
      { code: 'IMA_PCR_MISMATCH', bank: 'sha1' },
      { code: 'IMA_PCR_MISMATCH', bank: 'sha256' },
    ])
  })

  it('or none: entries are looked at all the same', () => {
    const lying = kernelEntry().binary
    lying.writeUInt8(lying.readUInt8(5) ^ 1, 5)
    expect(compareWithQuoted(log, new Map()).faults).toEqual([])
    expect(compareWithQuoted(Buffer.concat([log, lying]), new Map()).faults).toMatchObject([
      { code: 'IMA_TEMPLATE_HASH_MISMATCH', entry: 3 },
    ])
  })

  it('have 24 PCRs', () => {
    const entry = (number: number): Buffer => {
      const { binary } = kernelEntry()
      binary.writeUInt32LE(number)
      return binary
    }
    expect(readImaLog(Buffer.concat([log, entry(23)])).length).toBe(4)
    expect(() => readImaLog(Buffer.concat([log, entry(24)]))).toThrow('there is no PCR 24')
  })
})

describe('the text form', () => {
  const ascii = (options: EntryOptions = {}): string => kernelEntry(options).ascii.toString('latin1')
  const read = (log: string) => readImaLog(Buffer.from(log, 'latin1'), { form: 'ascii' })
  const code = (log: string): string => {
    try {
      read(log)
    } catch (error) {
      if (error instanceof ImaLogError) return error.code
      throw error
    }
    return 'OK'
  }

  it.each([' a b', 'a  b', ' ', 'x\ny', 'x\n', '\n', `x\n${kernelEntry().ascii}`, 'a\xffb', '€'])(
    'has the path %j, whatever it looks like',
    name => {
      for (const template of ['ima-ng', 'ima-sig', 'ima', 'ima-buf']) {
        const path = Buffer.from(`${name}\0`)
        const { binary } = kernelEntry({ template, fields: { n: path, 'n-ng': path } })
        const log = [
          kernelEntry(),
          kernelEntry({ template, fields: { n: path, 'n-ng': path } }),
          kernelEntry(),
        ]
        const form = (of: 'binary' | 'ascii') => Buffer.concat(log.map(entry => entry[of]))
        expect(Buffer.from(binaryImaLog(form('ascii'), 'ascii')), template).toEqual(form('binary'))
        expect(readImaLog(binary).entry(0).columnMatches).toBe(true)
      }
    },
  )

  it('needs no line feed at the end, no space in front, and no space for an empty field', () => {
    const line = ascii({ template: 'ima-sig', pcr: 9 })
    for (const log of [line, line.trim(), line.trimStart(), `\n\n${line}\n`])
      expect(read(log).entry(0)).toMatchObject({ pcr: 9, columnMatches: true })
  })

  it('tells a line that was cut or altered by its template hash', () => {
    const line = ascii().trimEnd()
    expect(read(line.slice(0, -1)).entry(0).columnMatches).toBe(false)
    // The kernel ends lines with a line feed alone.
    expect(read(`${line}\r\n`).entry(0).columnMatches).toBe(false)
    const both = read(`${line.slice(0, -1)}\n${ascii({ template: 'ima-sig' })}`)
    expect([both.entry(0).columnMatches, both.entry(1).columnMatches]).toEqual([false, true])
  })

  it.each([
    ['no PCR', 'x 00 ima-ng', 'IMA_LOG_MALFORMED'],
    ['no column', ascii().replace(/ [0-9a-f]{40} /, ' zz '), 'IMA_LOG_MALFORMED'],
    ['half a byte in the column', ascii().replace(/ ([0-9a-f]{39})[0-9a-f] /, ' $1 '), 'IMA_LOG_MALFORMED'],
    ['another template', ascii().replace('ima-ng', 'not-ima'), 'IMA_TEMPLATE_UNSUPPORTED'],
    ['another hash', ascii().replace('sha256:', 'sha257:'), 'IMA_DIGEST_UNSUPPORTED'],
    ['a short digest', ascii().replace('abab', ''), 'IMA_LOG_MALFORMED'],
    ['letters in a digest', ascii().replace('abab', 'Ibab'), 'IMA_LOG_MALFORMED'],
    ['letters in a signature', ascii({ template: 'ima-sig' }).replace(/ \n/, ' xyz\n'), 'IMA_LOG_MALFORMED'],
    ['columns of two kinds', ascii() + ascii({ column: 'sha256' }), 'IMA_LOG_MALFORMED'],
    [
      'two numbers',
      ascii({ template: 'd-ng|iuid', fields: { iuid: number(1) } }).replace(' 1\n', ' 1 1\n'),
      'IMA_LOG_MALFORMED',
    ],
    [
      'a big number',
      ascii({ template: 'd-ng|imode', fields: { imode: number(1, false, 2) } }).replace(' 1\n', ' 65536\n'),
      'IMA_LOG_MALFORMED',
    ],
    ['a line that has no end', '1'.repeat(9 << 20), 'IMA_LOG_MALFORMED'],
    ['nothing', '', 'OK'],
  ])('%s', (_, log, expected) => {
    expect(code(log)).toBe(expected)
  })

  it('is told from the binary form', () => {
    expect(imaLogForm(Buffer.from(ascii()))).toBe('ascii')
    expect(imaLogForm(Buffer.from(ascii({ pcr: 9 })))).toBe('ascii')
    for (const bigEndian of [false, true])
      expect(imaLogForm(kernelEntry({ bigEndian }).binary)).toBe('binary')
  })
})

describe('paths', () => {
  it('that differ stay different, also when one looks like another that was escaped', () => {
    const path = (bytes: Buffer) =>
      readImaLog(kernelEntry({ fields: { 'n-ng': bytes } }).binary).entry(0).path
    const odd = path(Buffer.from([0x2f, 0xff, 0]))
    expect(odd).toBe('/\\xff')
    expect(path(text('/\\xff'))).not.toBe(odd)
    expect(path(text('/a\\b'))).toBe('/a\\b')
  })

  it('of the file system are named as IMA logs them', () => {
    expect(loggedPath('/a b/c')).toBe('/a_b/c')
    expect(loggedPath(Buffer.of(0x2f, 0x20, 0xff))).toBe('/_\\xff')
  })
})

describe('ImaLogReader', () => {
  const log = Buffer.concat([
    kernelEntry({ fields: { 'n-ng': text('boot_aggregate') } }).binary,
    kernelEntry({ violation: true, template: 'ima-sig' }).binary,
    kernelEntry({ pcr: 11 }).binary,
  ])

  it('comes to what the replay comes to, whichever pieces a log comes in', () => {
    for (const size of [1, 7, 100, log.length]) {
      const entries: object[] = []
      const reader = new ImaLogReader({ onEntry: entry => entries.push(entry) })
      for (let at = 0; at < log.length; at += size) reader.push(log.subarray(at, at + size))
      const replay = readImaLog(log)
      expect(reader.end()).toMatchObject({
        form: 'binary',
        entries: 3,
        violations: 1,
        templates: { 'ima-ng': 2, 'ima-sig': 1 },
        pcrs: [10, 11],
        pcr10: { sha256: replay.pcr10After(3).toString('hex') },
        aggregate: `sha256:${SHA256}`,
        badEntries: 0,
        firstBadEntry: null,
      })
      expect(entries).toEqual([0, 1, 2].map(i => replay.entry(i)))
    }
  })

  it('names the first entry with a wrong template hash, and where a log is cut', () => {
    const lie = Buffer.from(log)
    lie[5] = (lie[5] ?? 0) ^ 1
    const reader = new ImaLogReader()
    reader.push(lie)
    expect(reader.end()).toMatchObject({ badEntries: 1, firstBadEntry: 0 })
    const cut = new ImaLogReader()
    cut.push(log.subarray(0, -1))
    expect(() => cut.end()).toThrow(expect.objectContaining({ code: 'IMA_LOG_TRUNCATED', at: 'entry 2' }))
  })
})
