import { describe, expect, it, test } from 'vitest'
import { type Appraisal, LogReplays, type ReferenceDocument } from '../../attestation/index.ts'
import { host, judge } from './judged.ts'
import {
  action,
  authority,
  type Boot,
  blob,
  bootedWith,
  bootVariable,
  CALLING,
  CLASSIC,
  certificates,
  database,
  forbidden,
  grubLine,
  image,
  initrd,
  insertedAfter,
  judgeBoot,
  loadOptions,
  section,
  sha256,
  tagged,
  UKI,
  valuesOf,
  without,
} from './made-up-boot.ts'
import { EV_IPL, EV_SEPARATOR, event, secureBoot, separator } from './tcg-log.ts'

const classic = valuesOf(CLASSIC)
const uki = valuesOf(UKI)
const found = ({ reasons }: Appraisal): string[] => [...new Set(reasons.map(({ code }) => code))]
const failures = (result: Appraisal): string[] => [
  ...new Set(result.reasons.filter(({ severity }) => severity === 'fail').map(({ code }) => code)),
]
const opened = (fields: Partial<ReferenceDocument>) =>
  valuesOf(CLASSIC, document => {
    Object.assign(document, fields)
  })

describe('a boot that was captured', () => {
  test.each([
    ['of shim, GRUB and a kernel', CLASSIC, classic],
    ['of a unified kernel image', UKI, uki],
  ] as const)('%s is wholly judged by statements, and passes', (_, boot, values) => {
    const rules = new Set(values.document.pcrs.filter(({ pcr }) => pcr !== 10).map(({ rule }) => rule))
    expect([...rules]).toEqual(['described'])
    const result = judgeBoot(boot, values)
    expect(result).toMatchObject({ verdict: 'pass', reasons: [] })
    expect(result.claims).toMatchObject({ configuration: 2, executables: 2, 'file-system': 2 })
  })

  it('is said in words', () => {
    const { document } = classic
    expect(document.bootImages).toMatchObject(['shim', 'grub', 'kernel'].map(c => ({ digests: [sha256(c)] })))
    expect(document.commandLines).toEqual([{ text: 'root=/dev/sda quiet' }])
    expect(document.bootFiles).toEqual([{ name: 'Linux initrd', digests: [sha256('initrd')] }])
    expect(document.secureBoot).toMatchObject({
      enabled: true,
      dbx: { atLeast: [sha256('revoked')] },
    })
    expect(uki.document.ukis).toMatchObject([
      { image: sha256('uki'), events: [{}, { digest: sha256('kernel') }, {}, {}] },
    ])
  })
})

describe('each statement', () => {
  const changed: [what: string, boot: Boot, codes: string[]][] = [
    ['another firmware blob', { ...CLASSIC, blob2: blob('evil') }, ['FIRMWARE_UNKNOWN']],
    [
      'a firmware blob too many',
      insertedAfter(CLASSIC, 'blob2', { more: blob('evil') }),
      ['FIRMWARE_UNKNOWN'],
    ],
    ['a blob twice', insertedAfter(CLASSIC, 'blob2', { more: blob('two') }), ['FIRMWARE_UNKNOWN']],
    ['a firmware blob too few', without(CLASSIC, 'blob2'), ['FIRMWARE_UNKNOWN']],
    ['blobs in another order', { ...CLASSIC, blob1: blob('two'), blob2: blob('one') }, ['FIRMWARE_UNKNOWN']],
    ['Secure Boot off', { ...CLASSIC, secureBoot: secureBoot(0) }, ['SECURE_BOOT_MISMATCH']],
    ['another PK', { ...CLASSIC, PK: database('PK', certificates('mallory')) }, ['SECURE_BOOT_KEY_UNKNOWN']],
    ['no PK', { ...CLASSIC, PK: database('PK', Buffer.alloc(0)) }, ['SECURE_BOOT_KEY_MISSING']],
    ['another KEK', { ...CLASSIC, KEK: database('KEK', certificates('evil')) }, ['SECURE_BOOT_KEY_UNKNOWN']],
    [
      'one more certificate in db',
      { ...CLASSIC, db: database('db', Buffer.concat([certificates('vendor'), certificates('mallory')])) },
      ['SECURE_BOOT_KEY_UNKNOWN'],
    ],
    ['db not measured', without(CLASSIC, 'db'), ['SECURE_BOOT_KEY_MISSING']],
    [
      'db measured twice',
      insertedAfter(CLASSIC, 'db', { more: database('db', certificates('vendor')) }),
      ['PCR_EVENT_UNACCOUNTED'],
    ],
    [
      'db only after the separator',
      insertedAfter(without(CLASSIC, 'db'), 'separator7', { db: database('db', certificates('vendor')) }),
      ['SECURE_BOOT_KEY_MISSING', 'PCR_EVENT_UNACCOUNTED'],
    ],
    [
      'a dbx without an entry',
      { ...CLASSIC, dbx: database('dbx', forbidden('x')) },
      ['SECURE_BOOT_KEY_MISSING'],
    ],
    ['another authority', { ...CLASSIC, authority: authority('mallory') }, ['SECURE_BOOT_AUTHORITY_UNKNOWN']],
    ['no authority', without(CLASSIC, 'authority'), ['SECURE_BOOT_KEY_MISSING']],
    [
      'debug mode',
      insertedAfter(CLASSIC, 'secureBoot', { debug: action(7, 'UEFI Debug Mode') }),
      ['PCR_EVENT_UNACCOUNTED'],
    ],
    ['another image', { ...CLASSIC, grub: image('evil') }, ['BOOT_IMAGE_UNKNOWN', 'BOOT_IMAGE_MISSING']],
    ['an image too many', insertedAfter(CLASSIC, 'shim', { more: image('evil') }), ['BOOT_IMAGE_UNKNOWN']],
    [
      'an image after the kernel',
      insertedAfter(CLASSIC, 'kernel', { more: image('evil') }),
      ['BOOT_IMAGE_UNKNOWN'],
    ],
    ['an image too few', without(CLASSIC, 'kernel'), ['BOOT_IMAGE_MISSING']],
    ['an image twice', insertedAfter(CLASSIC, 'shim', { more: image('shim') }), ['BOOT_IMAGE_UNKNOWN']],
    [
      'images in another order',
      { ...CLASSIC, shim: image('grub'), grub: image('shim') },
      ['BOOT_IMAGE_MISSING', 'BOOT_IMAGE_UNKNOWN'],
    ],
    ['an image under another type', { ...CLASSIC, more: image('evil', EV_IPL) }, ['BOOT_IMAGE_UNKNOWN']],
    [
      'an image of an earlier attempt',
      insertedAfter(CLASSIC, 'authority', { first: image('evil'), again: action(4, CALLING) }),
      ['BOOT_IMAGE_UNKNOWN'],
    ],
    [
      'another command line',
      { ...CLASSIC, line: grubLine('init=/bin/sh') },
      ['COMMAND_LINE_MISSING', 'PCR_EVENT_UNACCOUNTED'],
    ],
    [
      'one more command line',
      insertedAfter(CLASSIC, 'line', { more: grubLine('x') }),
      ['PCR_EVENT_UNACCOUNTED'],
    ],
    ['no command line', without(CLASSIC, 'line'), ['COMMAND_LINE_MISSING']],
    [
      'another initial RAM disk',
      { ...CLASSIC, initrd: initrd('evil') },
      ['PCR_EVENT_MISSING', 'PCR_EVENT_UNACCOUNTED'],
    ],
    ['one more', insertedAfter(CLASSIC, 'initrd', { more: initrd('evil') }), ['PCR_EVENT_UNACCOUNTED']],
    ['none', without(CLASSIC, 'initrd'), ['PCR_EVENT_MISSING']],
    [
      'another boot order',
      { ...CLASSIC, bootOrder: bootVariable('BootOrder', 'b') },
      ['PCR_EVENT_MISSING', 'PCR_EVENT_UNACCOUNTED'],
    ],
    [
      'no separator of a PCR',
      { ...CLASSIC, separators: [0, 1, 2, 3, 4, 5].map(pcr => separator(pcr)) },
      ['PCR_EVENT_MISSING'],
    ],
    [
      'what belongs to nothing',
      insertedAfter(CLASSIC, 'line', { x: event(14, EV_IPL, Buffer.from('x')) }),
      ['PCR_EVENT_UNACCOUNTED'],
    ],
  ]
  it.each(changed)('refuses %s', (_, boot, codes) => {
    const result = judgeBoot(boot, classic)
    expect(result.verdict).toBe('fail')
    expect(failures(result).sort()).toEqual([...codes].sort())
    // Each says where, and what would have been right.
    for (const reason of result.reasons) {
      expect(reason.at).toMatch(/^(event|record|PCR) \d+/)
      expect(reason.expected).toEqual(expect.any(String))
    }
    const tiers = Object.values(result.claims).map(value => value >= 96)
    expect(tiers).toContain(true)
  })

  const unchanged: [what: string, boot: Boot][] = [
    ['fewer keys', { ...CLASSIC, db: database('db', Buffer.alloc(0)) }],
    ['more that is forbidden', { ...CLASSIC, dbx: database('dbx', forbidden('revoked', 'more')) }],
    [
      'an attempt that came back',
      insertedAfter(CLASSIC, 'calling', {
        back: action(4, 'Returning from EFI Application from Boot Option'),
        again: action(4, CALLING),
      }),
    ],
    [
      'a separator of systemd',
      insertedAfter(CLASSIC, 'exit', { os: event(4, EV_IPL, Buffer.from('os-separator')) }),
    ],
  ]
  it.each(unchanged)('takes %s', (_, boot) => {
    expect(judgeBoot(boot, classic)).toMatchObject({ verdict: 'pass', reasons: [] })
  })

  const ukis: [what: string, boot: Boot, codes: string[]][] = [
    [
      'another image with the same sections',
      { ...UKI, uki: image('evil') },
      ['BOOT_IMAGE_UNKNOWN', 'BOOT_IMAGE_MISSING'],
    ],
    ['another kernel in it', { ...UKI, linux: section('.linux', 'evil') }, ['UKI_UNKNOWN']],
    ['a section too many', insertedAfter(UKI, 'cmdline', { more: section('.dtb', 'x') }), ['UKI_UNKNOWN']],
    ['a section too few', without(UKI, 'cmdline'), ['UKI_UNKNOWN']],
    ['another order', { ...UKI, linux: UKI.cmdline ?? [], cmdline: UKI.linux ?? [] }, ['UKI_UNKNOWN']],
    ['no image at all', without(UKI, 'uki'), ['BOOT_IMAGE_MISSING']],
    ['an image after it', insertedAfter(UKI, 'uki', { more: image('evil') }), ['BOOT_IMAGE_UNKNOWN']],
    [
      'other load options',
      { ...UKI, options: loadOptions('init=/bin/sh') },
      ['COMMAND_LINE_MISSING', 'PCR_EVENT_UNACCOUNTED'],
    ],
  ]
  it.each(ukis)('refuses a unified kernel image with %s', (_, boot, codes) => {
    expect(failures(judgeBoot(boot, uki)).sort()).toEqual([...codes].sort())
  })

  it('takes the phases of a boot in their order, up to any of them', () => {
    const phases = (...contents: string[]) => contents.map(content => ({ pcr: 11, content }))
    const values = valuesOf(UKI, () => {}, phases('sysinit', 'ready'))
    const verdict = (...contents: string[]) => judgeBoot(UKI, values, phases(...contents)).verdict
    for (const good of [[], ['sysinit'], ['sysinit', 'ready'], ['sysinit', 'ready', 'shutdown', 'final']]) {
      expect(verdict(...good)).toBe('pass')
    }
    for (const bad of [['ready'], ['ready', 'sysinit'], ['sysinit', 'sysinit'], ['sysinit', 'ready', 'x']]) {
      expect(verdict(...bad)).toBe('fail')
    }
  })
})

describe('what no digest binds', () => {
  it('accounts for nothing, however it is called', () => {
    const evil = Buffer.from('evil')
    const lies: [Boot, string][] = [
      // The listed command line in the data, another one in the digest.
      [
        insertedAfter(CLASSIC, 'line', {
          lie: event(8, EV_IPL, Buffer.from('kernel_cmdline: root=/dev/sda quiet\0'), { digestOf: evil }),
        }),
        'PCR_EVENT_UNACCOUNTED',
      ],
      [
        insertedAfter(CLASSIC, 'initrd', { lie: tagged(0x8f3b22ed, 'LOADED_IMAGE::LoadOptions\0', 'evil') }),
        'PCR_EVENT_UNACCOUNTED',
      ],
      // An image that is called a separator.
      [
        insertedAfter(CLASSIC, 'shim', { lie: event(4, EV_SEPARATOR, Buffer.alloc(4), { digestOf: evil }) }),
        'BOOT_IMAGE_UNKNOWN',
      ],
      [
        { ...CLASSIC, db: event(7, 0x80000001, Buffer.alloc(64), { digestOf: evil }) },
        'SECURE_BOOT_KEY_MISSING',
      ],
    ]
    for (const [boot, code] of lies) expect(found(judgeBoot(boot, classic))).toContain(code)
  })
})

describe('any', () => {
  it.each([
    ['firmware', { ...CLASSIC, blob2: blob('other') }, { firmware: 'any' }],
    ['bootImages', { ...CLASSIC, grub: image('other') }, { bootImages: 'any' }],
    ['commandLines', { ...CLASSIC, line: grubLine('x') }, { commandLines: 'any' }],
    ['bootFiles', { ...CLASSIC, initrd: initrd('x') }, { bootFiles: 'any' }],
    [
      'db',
      { ...CLASSIC, db: database('db', certificates('x')) },
      { secureBoot: { ...classic.document.secureBoot, db: 'any' } },
    ],
    [
      'dbx',
      { ...CLASSIC, dbx: database('dbx', forbidden('x')) },
      { secureBoot: { ...classic.document.secureBoot, dbx: 'any' } },
    ],
    [
      'authorities',
      { ...CLASSIC, authority: authority('x') },
      { secureBoot: { ...classic.document.secureBoot, authorities: 'any' } },
    ],
  ] as [string, Boot, Partial<ReferenceDocument>][])('of %s opens that and no more', (_, boot, fields) => {
    const values = opened(fields)
    expect(judgeBoot(boot, values).verdict).toBe('pass')
    expect(judgeBoot(boot, classic).verdict).toBe('fail')
    expect(judgeBoot({ ...boot, bootOrder: bootVariable('BootOrder', 'b') }, values).verdict).toBe('fail')
  })

  it('is never claimed to be approved', () => {
    const { claims } = judgeBoot(CLASSIC, opened({ bootImages: 'any' }))
    expect(claims).toMatchObject({ executables: 0, configuration: 2 })
  })

  it('of command lines takes one unlisted event among the boot files, not two', () => {
    const values = valuesOf(UKI, document => {
      document.commandLines = 'any'
    })
    const other = { ...UKI, options: loadOptions('other') }
    expect(judgeBoot(other, values).verdict).toBe('pass')
    expect(failures(judgeBoot({ ...other, more: initrd('evil') }, values))).toEqual(['PCR_EVENT_UNACCOUNTED'])
  })
})

describe('the judgement of a boot', () => {
  it('is the same with what is kept, and for other values', () => {
    const replays = new LogReplays()
    const evidence = host.evidence(bootedWith(CLASSIC))
    const of = (reference: typeof classic) => judge(bootedWith(CLASSIC), { evidence, reference, replays })
    const stricter = opened({ commandLines: [{ text: 'other' }] })
    for (const reference of [classic, classic, stricter, classic, stricter]) {
      expect(of(reference)).toEqual(judge(bootedWith(CLASSIC), { evidence, reference }))
    }
    expect(of(stricter).verdict).toBe('fail')
  })
})
