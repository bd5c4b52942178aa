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
import { ukiImage } from '../../support/pe-image.ts'
import { type Parts, SyntheticHost } from '../synthetic-host.ts'
import { boot, uki } from './made-up-boot.ts'

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
