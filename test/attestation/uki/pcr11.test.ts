import { hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { parseEventLog, replayEventLog } from '../../../attestation/index.ts'
import {
  machineChoices,
  predictPcr11,
  readUki,
  UkiError,
  ukiReference,
  usedSections,
} from '../../../attestation/uki/index.ts'
import { ukiImage } from '../../support/pe-image.ts'
import { fixture, readPcrText } from '../recorded-host.ts'

const PARTS = [
  ['.osrel', 'PRETTY_NAME="Test OS 1"\n'],
  ['.cmdline', 'root=/dev/vda2 rw\0'],
  ['.uname', '6.12.0'],
  ['.pcrpkey', 'a public key'],
  ['.pcrsig', '{}'],
  ['.splash', 'BM'],
  ['.ucode', 'microcode'],
  ['.sbat', 'sbat,1\n'],
  ['.linux', Buffer.alloc(5000, 7)],
  ['.initrd', Buffer.alloc(9000, 9)],
] as const

/** The arithmetic of the stub, written once more: names and data, in the order given. */
function chained(
  bank: string,
  parts: readonly (readonly [string, string | Buffer])[],
  phases: string[],
): string {
  const measured = [
    ...parts.flatMap(([name, data]) => [Buffer.from(`${name}\0`), Buffer.from(data)]),
    ...phases,
  ]
  const start = Buffer.alloc(hash(bank, '', 'buffer').length)
  return measured
    .reduce<Buffer>(
      (value, data) => hash(bank, Buffer.concat([value, hash(bank, data, 'buffer')]), 'buffer'),
      start,
    )
    .toString('hex')
}

const ordered = (...names: string[]): (readonly [string, string | Buffer])[] =>
  names.flatMap(name => PARTS.filter(part => part[0] === name))

const pcr11Of = (
  image: Buffer,
  bank: 'sha1' | 'sha256' | 'sha384' = 'sha256',
  phase = 'sysinit:ready',
): string => predictPcr11(readUki(image), { bank, phases: [phase] }).values[0]?.value.toString('hex') ?? ''

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof UkiError) return error.code
    throw error
  }
  return 'NONE'
}

describe('predictPcr11', () => {
  const order = [
    '.linux',
    '.osrel',
    '.cmdline',
    '.initrd',
    '.ucode',
    '.splash',
    '.uname',
    '.sbat',
    '.pcrpkey',
  ]

  it.each(['sha1', 'sha256', 'sha384'] as const)(
    'measures the parts in the stub’s order in %s, not .pcrsig',
    bank => {
      const path = 'enter-initrd:leave-initrd:sysinit:ready'
      const expected = chained(bank, ordered(...order), path.split(':'))
      expect(pcr11Of(ukiImage(PARTS), bank, path)).toBe(expected)
      expect(pcr11Of(ukiImage(PARTS.toReversed()), bank, path)).toBe(expected)
    },
  )

  it('measures what a stub of that version knows', () => {
    const known = (...without: string[]): string =>
      chained('sha256', ordered(...order.filter(name => !without.includes(name))), ['sysinit', 'ready'])
    expect(pcr11Of(ukiImage(PARTS, { stub: '252.39-1~deb12u2' }))).toBe(known('.ucode', '.uname', '.sbat'))
    expect(pcr11Of(ukiImage(PARTS, { stub: '255.4' }))).toBe(known('.ucode'))
    expect(pcr11Of(ukiImage(PARTS, { stub: '256~rc1' }))).toBe(known())
    expect(pcr11Of(ukiImage(PARTS, { stub: null }))).toBe(known())
  })

  it('takes the register after the stub for no phase, and leaves empty words out', () => {
    const uki = readUki(ukiImage(PARTS))
    const { values } = predictPcr11(uki, {
      bank: 'sha256',
      phases: ['', ':', ':sysinit::ready:', 'sysinit:ready'],
    })
    expect(values.map(({ phase }) => phase)).toEqual(['', '', 'sysinit:ready', 'sysinit:ready'])
    expect(values[0]?.value.toString('hex')).toBe(chained('sha256', ordered(...order), []))
    expect(values[2]?.value).toEqual(values[3]?.value)
    expect(codeOf(() => predictPcr11(uki, { bank: 'sha256', phases: ['sysinit ready'] }))).toBe(
      'UKI_PHASE_MALFORMED',
    )
  })

  it('measures a part as it is in memory: cut at its virtual size, zeros behind its bytes', () => {
    const image = ukiImage([['.linux', Buffer.alloc(100, 7)]])
    const at = image.indexOf('.linux')
    image.writeUInt32LE(40, at + 8)
    expect(pcr11Of(image)).toBe(chained('sha256', [['.linux', Buffer.alloc(40, 7)]], ['sysinit', 'ready']))
    image.writeUInt32LE(600, at + 8)
    const padded = Buffer.concat([Buffer.alloc(100, 7), Buffer.alloc(500)])
    expect(pcr11Of(image)).toBe(chained('sha256', [['.linux', padded]], ['sysinit', 'ready']))
  })

  it('does not measure a part without bytes', () => {
    const parts = [...PARTS, ['.dtb', ''] as const]
    expect(pcr11Of(ukiImage(parts))).toBe(chained('sha256', ordered(...order), ['sysinit', 'ready']))
  })
})

describe('profiles', () => {
  const image = ukiImage([
    ['.linux', 'kernel'],
    ['.cmdline', 'quiet'],
    ['.profile', 'ID=main\nTITLE=Main\n'],
    ['.profile', 'ID=debug\n'],
    ['.cmdline', 'debug'],
    ['.osrel', 'PRETTY_NAME=Debug OS'],
  ])
  const uki = readUki(image)
  const ready = (parts: (readonly [string, string])[]): string => chained('sha256', parts, ['ready'])

  it('replaces what all profiles have by what a profile has of its own', () => {
    const of = (profile: number): string =>
      predictPcr11(uki, { bank: 'sha256', phases: ['ready'], profile }).values[0]?.value.toString('hex') ?? ''
    const linux = ['.linux', 'kernel'] as const
    expect(of(0)).toBe(ready([linux, ['.cmdline', 'quiet'], ['.profile', 'ID=main\nTITLE=Main\n']]))
    expect(of(1)).toBe(
      ready([linux, ['.osrel', 'PRETTY_NAME=Debug OS'], ['.cmdline', 'debug'], ['.profile', 'ID=debug\n']]),
    )
    expect(codeOf(() => usedSections(uki, { profile: 2 }))).toBe('UKI_PROFILE_UNKNOWN')
    expect(codeOf(() => usedSections(uki, { profile: -1 }))).toBe('UKI_PROFILE_UNKNOWN')
  })

  it('describes each profile', () => {
    const { profiles, osRelease } = ukiReference(uki, { banks: ['sha256'], phases: ['ready'] })
    expect(osRelease).toBeNull()
    expect(profiles.map(({ name, cmdline }) => [name, cmdline])).toEqual([
      ['main', 'quiet'],
      ['debug', 'debug'],
    ])
    const [only] = ukiReference(uki, { banks: ['sha256'], phases: ['ready'], profiles: [1] }).profiles
    expect(only).toEqual(profiles[1])
  })
})

describe('parts that the machine chooses', () => {
  const parts = [
    ['.linux', 'kernel'],
    ['.dtbauto', 'tree 1'],
    ['.dtbauto', 'tree 2'],
    ['.hwids', 'ids'],
    ['.efifw', 'firmware'],
  ] as const
  const uki = readUki(ukiImage(parts, { stub: '258' }))

  it('gives a value for each choice', () => {
    expect(machineChoices(uki)).toEqual([[], [6], [3], [3, 6], [4], [4, 6]])
    const [profile] = ukiReference(uki, { banks: ['sha256'], phases: ['ready'] }).profiles
    const values = profile?.pcr11.map(({ values: { sha256 } }) => sha256)
    const [linux, tree1, tree2, ids, firmware] = parts
    const ready = (...chosen: (readonly [string, string])[]): string => chained('sha256', chosen, ['ready'])
    expect(values).toEqual([
      ready(linux, ids),
      ready(linux, ids, firmware),
      ready(linux, tree1, ids),
      ready(linux, tree1, ids, firmware),
      ready(linux, tree2, ids),
      ready(linux, tree2, ids, firmware),
    ])
    expect(profile?.sections.map(({ name }) => name)).toEqual([
      '.linux',
      '.hwids',
      '.efifw',
      '.dtbauto',
      '.dtbauto',
    ])
  })

  it('refuses more choices than can be worked out', () => {
    const many = Array.from({ length: 300 }, (_, i) => ['.dtbauto', `tree ${i}`] as const)
    const image = ukiImage([['.linux', 'kernel'], ...many], { stub: '258' })
    expect(codeOf(() => machineChoices(readUki(image)))).toBe('UKI_SECTION_REPEATED')
  })
})

describe('the recorded hosts', () => {
  const COMMAND_LINE = Buffer.from(fixture('debian13-uki', 'cmdline.txt').toString().trimEnd())

  it.each(['debian13-uki', 'debian13-uki-secureboot'] as const)(
    '%s: the stub’s events are what the prediction measures',
    host => {
      const log = parseEventLog(fixture(host, 'eventlog.bin'))
      for (const bank of ['sha1', 'sha256'] as const) {
        const events = log.events
          .filter(({ pcr }) => pcr === 11)
          .map(({ digests }) => digests.get(bank)?.toString('hex'))
        // Debian's stub 257 found these parts, in this order.
        const names = ['.linux', '.osrel', '.cmdline', '.initrd', '.uname', '.sbat']
        expect(events.filter((_, i) => i % 2 === 0)).toEqual(names.map(name => hash(bank, `${name}\0`)))
        expect(events[5]).toBe(hash(bank, COMMAND_LINE))
        const uname = /\d\S+-amd64/.exec(fixture(host, 'uname.txt').toString())?.[0] ?? ''
        expect(events[9]).toBe(hash(bank, uname))
        const stubEnd = replayEventLog(log, bank).pcrs.get(11)
        const ready = ['sysinit', 'ready'].reduce<Buffer>(
          (value, word) => hash(bank, Buffer.concat([value, hash(bank, word, 'buffer')]), 'buffer'),
          stubEnd ?? Buffer.alloc(0),
        )
        expect(ready.toString('hex')).toBe(readPcrText(fixture(host, 'pcrread.txt').toString(), bank).get(11))
      }
    },
  )
})
