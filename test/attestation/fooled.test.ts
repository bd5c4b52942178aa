import { describe, expect, it } from 'vitest'
import { codes, host, judge } from './judged.ts'
import { CLASSIC, insertedAfter, judgeBoot, valuesOf } from './made-up-boot.ts'
import { parts } from './synthetic-host.ts'
import { EV_EFI_VARIABLE_AUTHORITY, event, variable } from './tcg-log.ts'

/** Ways in which reference values could be met by a host that is not what they say. */

const SHIM_LOCK = '50ab5d6046e00043abb63dd810dd8b23'
/** What shim measures of a switch of its own. */
const shimSwitch = (name: string): Buffer =>
  event(7, EV_EFI_VARIABLE_AUTHORITY, variable(name, Buffer.of(1), SHIM_LOCK))

describe("shim's switches", () => {
  const good = insertedAfter(CLASSIC, 'authority', { trusted: shimSwitch('MokListTrusted') })
  const unchecked = insertedAfter(good, 'trusted', { off: shimSwitch('MokSBState') })

  it('are told apart though they have the same value', () => {
    const values = valuesOf(good)
    expect(values.document.secureBoot.authorities).toHaveLength(1)
    expect(judgeBoot(good, values)).toMatchObject({ verdict: 'pass', reasons: [] })
    expect(codes(judgeBoot(unchecked, values))).toEqual(['PCR_EVENT_UNACCOUNTED'])
  })

  it('are none of the keys that `any` lets in', () => {
    const values = valuesOf(good, document => {
      document.secureBoot.authorities = 'any'
    })
    expect(judgeBoot(good, values).verdict).toBe('pass')
    expect(codes(judgeBoot(unchecked, values))).toEqual(['PCR_EVENT_UNACCOUNTED'])
  })
})

describe('rules that would judge nothing are refused:', () => {
  it.each<{ rule: 'events'; digests: string[] } | { rule: 'described' }>([
    { rule: 'events', digests: [] },
    { rule: 'described' },
  ])('$rule for PCR 10, whose entries are no events', rule => {
    const make = () =>
      host.reference(document => {
        document.pcrs = document.pcrs.map(other => (other.pcr === 10 ? { pcr: 10, ...rule } : other))
      })
    expect(make).toThrow(/PCR 10 is IMA's/)
  })

  it.each([8, 12])('command lines, with `any` for PCR %i, where another one may be', pcr => {
    const make = () =>
      valuesOf(CLASSIC, document => {
        document.pcrs = document.pcrs.map(other => (other.pcr === pcr ? { pcr, rule: 'any' } : other))
      })
    expect(make).toThrow(/commandLines: the rule of PCR \d+ may not be "any"/)
  })
})

describe("IMA's template, whose name nothing binds,", () => {
  /** `security.ima` of a signature is what the owner of the file writes there. */
  const signature = Buffer.concat([Buffer.of(3), Buffer.alloc(19, 7)])
  const reference = host.reference(document => {
    document.ima.files.push({ path: '/bin/x', digests: [`sha1:${signature.toString('hex')}`] })
  })
  const replaced = { template: 'ima-sig', path: '/bin/x', signature }
  const of = { ...parts(), ima: [...parts().ima, replaced] }

  it('cannot make a digest of what is none', () => {
    expect(codes(judge(of, { reference }))).toEqual(['IMA_ENTRY_UNKNOWN'])
    const evidence = host.evidence(of)
    const log = Buffer.from(evidence.imaLog ?? '').toString('latin1')
    const name = (template: string) => `${String.fromCharCode(template.length)}\0\0\0${template}`
    for (const template of ['sig|n-ng|d', 'd-ng|n-ng|d', 'd-ng|n-ng|n', 'n-ng|d-ng|sig', 'd-ng|sig|n-ng']) {
      const imaLog = Buffer.from(log.replace(name('ima-sig'), name(template)), 'latin1')
      const result = judge(of, { reference, evidence: { ...evidence, imaLog } })
      expect(result.verdict, template).toBe('fail')
    }
    const imaLog = Buffer.from(log.replace(name('ima-sig'), name('sig|n-ng|d')), 'latin1')
    expect(codes(judge(of, { reference, evidence: { ...evidence, imaLog } }))).toEqual([
      'IMA_TEMPLATE_UNSUPPORTED',
    ])
  })
})
