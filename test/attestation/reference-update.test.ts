import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  appraise,
  captureReferenceValues,
  checkReferenceRevision,
  checkReferenceSuccessor,
  diffReferenceValues,
  encodeReferenceValues,
  mergeReferenceValues,
  parseReferenceValues,
  type ReferenceDocument,
  type WrittenReferenceValues,
  withRevision,
} from '../../attestation/index.ts'
import { host } from './judged.ts'
import {
  type Boot,
  blob,
  bootedWith,
  bootVariable,
  CLASSIC,
  certificates,
  database,
  forbidden,
  grubLine,
  image,
  initrd,
  insertedAfter,
  judgeBoot,
  section,
  UKI,
  valuesOf,
  without,
} from './made-up-boot.ts'
import { recordedHost } from './recorded-host.ts'

const LATER = '2026-11-22T02:00:00.000Z'
const values = (document: ReferenceDocument): WrittenReferenceValues =>
  parseReferenceValues(encodeReferenceValues(document))
const documentOf = (boot: Boot): ReferenceDocument => valuesOf(boot).document
const words = (before: ReferenceDocument, after: ReferenceDocument, of: 'documents' | 'host' = 'documents') =>
  diffReferenceValues(before, after, { of }).map(({ text }) => text.replaceAll(/[0-9a-f]{64}/g, '…'))

/** A new kernel, by a package: its image, its initial RAM disk, its command line. */
const UPDATED: Boot = {
  ...CLASSIC,
  kernel: image('kernel 2'),
  line: grubLine('root=/dev/sda quiet splash'),
  initrd: initrd('initrd 2'),
}

describe('an update of the kernel', () => {
  const before = documentOf(CLASSIC)
  const after = documentOf(UPDATED)

  it('is said in words', () => {
    expect(words(before, after)).toEqual([
      'image an image from memory (3) changed from … to …',
      'command line changed: + splash',
      'boot file Linux initrd changed from … to …',
    ])
    expect(words(before, before)).toEqual([])
  })

  it('is accepted besides, and neither a mixture nor anything else is', () => {
    const both = mergeReferenceValues(before, after, LATER)
    expect(both).toMatchObject({ name: before.name, revision: before.revision + 1, created: LATER })
    const reference = values(both)
    for (const boot of [CLASSIC, UPDATED]) expect(judgeBoot(boot, reference).verdict).toBe('pass')
    for (const boot of [
      { ...UPDATED, kernel: image('evil') },
      { ...UPDATED, grub: image('evil') },
      { ...UPDATED, line: grubLine('init=/bin/sh') },
      { ...UPDATED, initrd: initrd('evil') },
      without(UPDATED, 'kernel'),
      { ...UPDATED, db: database('db', certificates('mallory')) },
    ]) {
      expect(judgeBoot(boot, reference).verdict).toBe('fail')
    }
    // What is accepted is no difference any more, of either host.
    for (const one of [before, after]) expect(words(both, one, 'host')).toEqual([])
    expect(words(both, documentOf({ ...UPDATED, grub: image('evil') }), 'host')).toEqual([
      'image an image from memory (2) changed from … to …',
    ])
  })

  it('of a unified kernel image names its parts', () => {
    const next: Boot = { ...UKI, uki: image('uki 2'), linux: section('.linux', 'kernel 2') }
    const [old, now] = [documentOf(UKI), documentOf(next)]
    expect(words(old, now)).toEqual([
      'the kernel image an image from memory changed from … to …',
      'its part .linux changed from … to …',
    ])
    const reference = values(mergeReferenceValues(old, now, LATER))
    for (const boot of [UKI, next]) expect(judgeBoot(boot, reference).verdict).toBe('pass')
    // The new image with the old kernel is none of the two.
    expect(judgeBoot({ ...next, linux: UKI.linux ?? [] }, reference).verdict).toBe('fail')
  })
})

describe('what changed', () => {
  const before = documentOf(CLASSIC)
  it.each<[string, Boot, readonly string[]]>([
    ['firmware', { ...CLASSIC, blob2: blob('three') }, ['firmware: firmware blob (2) changed from … to …']],
    [
      'keys',
      { ...CLASSIC, db: database('db', Buffer.concat([certificates('vendor'), certificates('new')])) },
      [expect.stringMatching(/^db gained certificate /)],
    ],
    ['dbx', { ...CLASSIC, dbx: database('dbx', forbidden('revoked', 'a')) }, ['dbx gained one entry']],
    [
      'an image more',
      insertedAfter(CLASSIC, 'shim', { more: image('loader') }),
      [expect.stringContaining('is another: …')],
    ],
    ['an image less', without(CLASSIC, 'grub'), [expect.stringContaining('is gone')]],
    [
      'another variable',
      { ...CLASSIC, bootOrder: bootVariable('BootOrder', 'b') },
      ['PCR 1: variable BootOrder changed from … to …'],
    ],
  ])('is said of %s', (_, boot, expected) => {
    expect(words(before, documentOf(boot))).toEqual(expected)
  })

  it('is never silent between two documents that differ', () => {
    const changes: Partial<ReferenceDocument>[] = [
      { firmware: 'any' },
      { bootImages: 'any' },
      { commandLines: [] },
      { bootFiles: 'any' },
      { quirks: ['separator-data-padded'] },
      { firmwareVersions: 'any' },
      { components: [{ name: 'writd', path: '/x', digests: [`sha256:${'00'.repeat(32)}`] }] },
      { secureBoot: { ...before.secureBoot, enabled: false } },
      { secureBoot: { ...before.secureBoot, dbx: 'any' } },
      { events: before.events.map(event => ({ ...event, optional: true as const })) },
      { ima: { ...before.ima, exclude: ['/srv/data/*'] } },
      { ima: { ...before.ima, violations: ['/var/log/x'] } },
      { ima: { ...before.ima, files: [] } },
      { pcrs: before.pcrs.map(rule => (rule.pcr === 13 ? { pcr: 13, rule: 'any' } : rule)) },
    ]
    for (const change of changes) {
      const after = { ...before, ...change }
      for (const [a, b] of [
        [before, after],
        [after, before],
      ] as const) {
        expect(words(a, b), JSON.stringify(change)).not.toEqual([])
      }
    }
  })
})

describe('the recorded host, before and after Secure Boot was switched on', () => {
  const commandLine = readFileSync(
    new URL('../fixtures/hosts/debian13-uki/cmdline.txt', import.meta.url),
    'utf8',
  ).trimEnd()
  const capture = (name: 'debian13-uki' | 'debian13-uki-secureboot'): ReferenceDocument =>
    captureReferenceValues({
      ...recordedHost(name),
      name: 'one',
      created: LATER,
      components: 'any',
      commandLine,
    })
  const [off, on] = [capture('debian13-uki'), capture('debian13-uki-secureboot')]

  it('is described wholly, its command line as text', () => {
    for (const { pcrs, commandLines } of [off, on]) {
      expect(pcrs.filter(({ rule }) => rule !== 'described')).toEqual([{ pcr: 10, rule: 'ima' }])
      expect(commandLines).toEqual([{ text: commandLine }])
    }
  })

  it('says what changed', () => {
    const changes = words(off, on)
    expect(changes).toContain('Secure Boot changed from off to on')
    expect(changes).toContainEqual(expect.stringMatching(/^PK gained certificate .*SnakeOil/))
    expect(changes).toContainEqual(expect.stringMatching(/^an image is let in by certificate .*SnakeOil/))
    expect(changes).toContain('IMA: 3 files new, 5 gone')
    expect(changes.filter(text => /command line|kernel image/.test(text))).toEqual([])
  })

  it('passes on both sides of the update by the values with both', () => {
    const reference = values(mergeReferenceValues(off, on, LATER))
    for (const name of ['debian13-uki', 'debian13-uki-secureboot'] as const) {
      const input = { ...recordedHost(name), reference, previous: null, governedDigests: new Set<string>() }
      expect(appraise(input)).toMatchObject({ verdict: 'pass', reasons: [] })
    }
    // Where one state was asked for, either is accepted now, and that is to be seen.
    expect(reference.document.secureBoot.enabled).toBe('any')
  })
})

describe('merging', () => {
  const base = documentOf(CLASSIC)

  it('keeps what is asked for where both ask for it', () => {
    const more = documentOf({ ...CLASSIC, dbx: database('dbx', forbidden('other', 'revoked')) })
    expect(mergeReferenceValues(base, more, LATER).secureBoot.dbx).toEqual(base.secureBoot.dbx)
  })

  it('refuses a PCR that the two judge differently', () => {
    const pcrs = base.pcrs.map(rule =>
      rule.pcr === 13 ? { pcr: 13, rule: 'value' as const, values: ['00'.repeat(32)] } : rule,
    )
    expect(() => mergeReferenceValues(base, { pcrs }, LATER)).toThrow(/PCR 13/)
    // A host is captured in the way in which it is to be judged.
    const { document } = valuesOf(CLASSIC)
    const like = captureReferenceValues({
      evidence: host.evidence(bootedWith(CLASSIC)),
      expected: host.expected,
      name: 'x',
      created: LATER,
      components: 'any',
      rules: pcrs,
    })
    expect(mergeReferenceValues({ ...document, pcrs }, like, LATER).pcrs).toEqual(pcrs)
  })

  it('moves what was measured of a component to the component', () => {
    const digest = (byte: string): string => `sha256:${byte.repeat(32)}`
    const part = { name: 'writd', path: '/usr/lib/writ/writd', digests: [digest('aa')] }
    const ima = { files: [{ path: part.path, digests: [digest('bb')] }], violations: [] }
    const merged = mergeReferenceValues({ ...base, components: [part] }, { ima }, LATER)
    expect(merged.components).toEqual([{ ...part, digests: [digest('aa'), digest('bb')] }])
    expect(values(merged).ima.files.has(part.path)).toBe(false)
  })
})

describe('a revision', () => {
  const at = (revision: number, change: Partial<ReferenceDocument> = {}) =>
    values({ ...documentOf(CLASSIC), revision, ...change })
  const code = (step: () => void): string => {
    try {
      step()
      return 'OK'
    } catch (error) {
      return (error as { code: string }).code
    }
  }

  it('never goes back, for each name by itself', () => {
    const known = [at(3), at(1, { name: 'other' }), at(2)].reduce(withRevision, new Map())
    const check = (next: WrittenReferenceValues) => code(() => checkReferenceSuccessor(known, next))
    expect(check(at(2))).toBe('REFERENCE_ROLLED_BACK')
    expect(check(at(3))).toBe('OK')
    expect(check(at(3, { quirks: ['separator-data-padded'] }))).toBe('REFERENCE_REVISION_REUSED')
    expect(check(at(4))).toBe('OK')
    expect(check(at(1, { name: 'third' }))).toBe('OK')
  })

  it('can be asked for by a verifier that remembers a number', () => {
    expect(code(() => checkReferenceRevision(at(3), 3))).toBe('OK')
    expect(code(() => checkReferenceRevision(at(3), 4))).toBe('REFERENCE_ROLLED_BACK')
  })
})
