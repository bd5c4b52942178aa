import { describe, expect, it } from 'vitest'
import {
  appraise,
  authenticodeDigests,
  encodeReferenceValues,
  type PcrRule,
  parseReferenceValues,
  predictPcr11,
  type ReferenceDocument,
  readUki,
  UkiError,
  ukiAddition,
} from '../../../attestation/index.ts'
import { peImage, ukiImage } from '../../support/pe-image.ts'
import { bootAggregate, type Parts, parts, SyntheticHost } from '../synthetic-host.ts'
import { EV_EFI_ACTION, EV_IPL, event, secureBoot, separator, u32le } from '../tcg-log.ts'

const EV_EFI_BOOT_SERVICES_APPLICATION = 0x80000003
const EV_EVENT_TAG = 6
const COMMAND_LINE = 'root=/dev/vda2 quiet'
/** LINUX_EFI_INITRD_MEDIA and LOADED_IMAGE tags (kernel: include/linux/efi.h). */
const TAGS = { 'Linux initrd': 0x8f3b22ec, 'LOADED_IMAGE::LoadOptions': 0x8f3b22ed } as const

const kernel = peImage([{ name: '.text', data: Buffer.alloc(600, 5) }])
const uki = (initrd: string, cmdline = COMMAND_LINE): Buffer =>
  ukiImage(
    [
      ['.linux', kernel],
      ['.osrel', 'PRETTY_NAME="Test OS 1"\n'],
      ['.cmdline', cmdline],
      ['.initrd', initrd],
    ],
    { stub: '256' },
  )

/** What firmware, stub and kernel log of an image: the same bytes, hashed here and not by the prediction. */
function boot(
  image: Buffer,
  { initrd, cmdline = COMMAND_LINE }: { initrd: string; cmdline?: string },
): Parts {
  const range = (bytes: Buffer): Buffer => {
    // Everything but checksum and certificate entry, which are at fixed places in these images.
    const optional = 0x80 + 24
    return Buffer.concat([
      bytes.subarray(0, optional + 64),
      bytes.subarray(optional + 68, optional + 144),
      bytes.subarray(optional + 152),
    ])
  }
  const started = (bytes: Buffer): Buffer =>
    event(4, EV_EFI_BOOT_SERVICES_APPLICATION, Buffer.alloc(32), { digestOf: range(bytes) })
  const part = (name: string, data: Buffer | string): Buffer[] => [
    event(11, EV_IPL, Buffer.from(`${name}\0`, 'utf16le'), { digestOf: Buffer.from(`${name}\0`) }),
    event(11, EV_IPL, Buffer.from(`${name}\0`, 'utf16le'), { digestOf: Buffer.from(data) }),
  ]
  const tagged = (name: keyof typeof TAGS, data: Buffer): Buffer =>
    event(9, EV_EVENT_TAG, Buffer.concat([u32le(TAGS[name], name.length + 1), Buffer.from(`${name}\0`)]), {
      digestOf: data,
    })
  const events = [
    ...[0, 1, 2, 3, 4, 5, 6].map(pcr => separator(pcr)),
    secureBoot(1),
    separator(7),
    started(image),
    ...part('.linux', kernel),
    ...part('.osrel', 'PRETTY_NAME="Test OS 1"\n'),
    ...part('.cmdline', cmdline),
    ...part('.initrd', initrd),
    started(kernel),
    tagged('LOADED_IMAGE::LoadOptions', Buffer.from(`${cmdline}\0`, 'utf16le')),
    tagged('Linux initrd', Buffer.from(initrd)),
    event(5, EV_EFI_ACTION, Buffer.from('Exit Boot Services Returned with Success')),
  ]
  return { ...parts(), events, ima: [bootAggregate(events)] }
}

describe('ukiAddition', () => {
  const host = new SyntheticHost()
  const before = boot(uki('initrd 1'), { initrd: 'initrd 1' })
  const after = boot(uki('initrd 2'), { initrd: 'initrd 2' })
  const base = host.document(before)
  const phases = ['sysinit:ready']

  const accepting = (image: Buffer, from = base): ReferenceDocument => {
    const addition = ukiAddition(from, readUki(image), { phases })
    const ruled = new Map([...from.pcrs, ...addition.pcrs].map(rule => [rule.pcr, rule]))
    return { ...from, ...addition, ukis: [...from.ukis, ...addition.ukis], pcrs: [...ruled.values()] }
  }
  const codes = (document: ReferenceDocument, of: Parts): string[] =>
    appraise({
      evidence: host.evidence(of),
      reference: parseReferenceValues(encodeReferenceValues(document)),
      expected: host.expected,
      previous: null,
      governedDigests: new Set(),
    })
      .reasons.filter(({ severity }) => severity === 'fail')
      .map(({ code }) => code)

  it('accepts a boot of an image that only its file was read of, and the one from before', () => {
    expect(codes(base, before)).toEqual([])
    expect(codes(base, after)).toContain('BOOT_IMAGE_UNKNOWN')
    const document = accepting(uki('initrd 2'))
    expect(codes(document, after)).toEqual([])
    expect(codes(document, before)).toEqual([])
    expect(codes(document, boot(uki('initrd 3'), { initrd: 'initrd 3' }))).toContain('UKI_UNKNOWN')
  })

  it('accepts its command line, and no other', () => {
    const single = accepting(uki('initrd 2', 'single'))
    expect(codes(single, boot(uki('initrd 2', 'single'), { initrd: 'initrd 2', cmdline: 'single' }))).toEqual(
      [],
    )
    const other = boot(uki('initrd 2', 'single'), { initrd: 'initrd 2', cmdline: 'init=/bin/sh' })
    expect(codes(single, other)).toContain('UKI_UNKNOWN')
  })

  it('states what a capture of the same boot states', () => {
    const [captured] = host.document(after).ukis
    const [stated] = ukiAddition(base, readUki(uki('initrd 2')), { phases }).ukis
    expect({ ...stated, name: '' }).toEqual({ ...captured, name: '', phases: stated?.phases })
    expect(stated?.name).toBe('Test OS 1')
    expect(stated?.phases).toEqual(['sysinit', 'ready', 'shutdown', 'final'])
  })

  it('has one statement for each course of phases, profile and choice of the machine', () => {
    const image = ukiImage(
      [
        ['.linux', 'kernel'],
        ['.dtbauto', 'tree'],
        ['.profile', 'ID=main'],
        ['.profile', 'ID=debug'],
        ['.cmdline', 'debug'],
      ],
      { stub: '258' },
    )
    const paths = ['sysinit', 'sysinit:ready', 'enter-initrd:leave-initrd:sysinit:ready']
    const { ukis } = ukiAddition(base, readUki(image), { phases: paths, name: 'test' })
    expect(ukis.length).toBe(2 * 2 * 2)
    expect(new Set(ukis.map(({ name }) => name))).toEqual(
      new Set(['test, profile main', 'test, profile debug']),
    )
    expect(new Set(ukis.map(one => one.phases.join(':')))).toEqual(
      new Set(['sysinit:ready:shutdown:final', 'enter-initrd:leave-initrd:sysinit:ready:shutdown:final']),
    )
    const [only] = ukiAddition(base, readUki(image), { phases: ['ready'], profiles: [1] }).ukis
    const predicted = predictPcr11(readUki(image), { bank: 'sha256', phases: [], profile: 1 })
    expect(only?.events.length).toBe(2 * predicted.measurements.length)
    expect(only?.image).toBe(
      authenticodeDigests(readUki(image).image, ['sha256']).get('sha256')?.toString('hex'),
    )
    expect(() => ukiAddition(base, readUki(image), { phases: ['a b'] })).toThrow(UkiError)
    expect(() => ukiAddition(base, readUki(image), { phases, profiles: [2] })).toThrow(UkiError)
  })

  it('adds values or events to a PCR 11 that is judged by them', () => {
    const value: ReferenceDocument = {
      ...base,
      ukis: [],
      bootImages: 'any',
      events: base.events.filter(({ pcr }) => pcr !== 11),
      pcrs: base.pcrs.map(rule =>
        rule.pcr === 11 ? { pcr: 11, rule: 'value', values: ['00'.repeat(32)] } : rule,
      ),
    }
    const image = uki('initrd 2')
    const ready = ['sysinit', 'ready'].map(content => ({ pcr: 11, content }))
    expect(codes(accepting(image, value), { ...after, userspace: ready })).toEqual([])
    expect(codes(accepting(image, value), after)).toContain('PCR_VALUE_UNKNOWN')
    const ruled = (rule: PcrRule): PcrRule[] => value.pcrs.map(one => (one.pcr === 11 ? rule : one))
    const rules = ruled({ pcr: 11, rule: 'events', digests: [] })
    const events = accepting(image, { ...value, pcrs: rules })
    expect(codes(events, { ...after, userspace: ready })).toEqual([])
    expect(codes(events, before)).not.toEqual([])
    const open = ruled({ pcr: 11, rule: 'any' })
    expect(ukiAddition({ ...value, pcrs: open }, readUki(image), { phases })).toMatchObject({
      ukis: [],
      pcrs: [],
    })
  })

  it('leaves open what is open', () => {
    const open = { ...base, bootFiles: 'any', commandLines: 'any' } as const
    expect(ukiAddition(open, readUki(uki('x')), { phases })).toMatchObject({
      bootFiles: 'any',
      commandLines: 'any',
    })
    const none = ukiAddition({ ...base, bootFiles: [] }, readUki(uki('x')), { phases })
    expect(none.bootFiles).toEqual([{ name: 'Linux initrd', digests: [expect.any(String)], optional: true }])
  })
})
