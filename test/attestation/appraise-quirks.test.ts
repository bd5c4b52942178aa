import { describe, expect, it } from 'vitest'
import { LogReplays, type QuirkName, verifyReport } from '../../attestation/index.ts'
import { codes, host, judge } from './judged.ts'
import { ReportingHost } from './made-up-report.ts'
import { bootAggregate, EVENTS, type Parts, parts } from './synthetic-host.ts'
import { EV_EFI_ACTION, event, specId } from './tcg-log.ts'

/** What the firmware extends when boot services end, and what this host's log leaves out. */
const EXIT = ['Exit Boot Services Invocation', 'Exit Boot Services Returned with Success'].map(text =>
  event(5, EV_EFI_ACTION, Buffer.from(text)),
)
const logged = EVENTS.slice(0, -1)
const events = [...logged, ...EXIT]
const real: Parts = { ...parts(), events, ima: [bootAggregate(events), { path: '/bin/sh' }] }
const evidence = { ...host.evidence(real), eventLog: Buffer.concat([specId(), ...logged]) }

/** What the host is to be, and which defects are put up with. */
function reference(...quirks: readonly string[]) {
  return host.reference(document => {
    document.quirks = [...quirks]
  }, real)
}

describe('a host whose firmware logs less than it measures', () => {
  it('fails where nobody said that it does', () => {
    expect(codes(judge(real, { evidence, reference: reference() }))).toEqual(['QUOTE_PCR_DIGEST_MISMATCH'])
  })

  it('passes where the reference values name the defect, and the result says so', () => {
    const result = judge(real, { evidence, reference: reference('exit-boot-services-unlogged') })
    expect([result.verdict, codes(result)]).toEqual(['pass', ['EVENT_LOG_QUIRK']])
    expect(result.imaAttestedEntries).toBe(2)
  })

  it('is verified by its report in the same way', async () => {
    const sender = await ReportingHost.make()
    for (const [quirks, status] of [
      [[], 'FAILED'],
      [['exit-boot-services-unlogged'], 'VERIFIED'],
    ] as const) {
      const values = reference(...quirks)
      const report = sender.report({
        parts: real,
        binding: { referenceValuesDigest: Buffer.from(values.digest, 'hex') },
      })
      const eventLog = Buffer.concat([specId(), ...logged])
      const found = verifyReport(
        { ...report, evidence: { ...report.evidence, eventLog } },
        sender.trust({ reference: values }),
      )
      const logs = found.properties.find(({ name }) => name === 'logs')
      expect(logs?.status).toBe(status)
    }
  })

  it('is judged by what it then measured: other reference values fail', () => {
    const strict = host.reference(document => {
      document.quirks = ['exit-boot-services-unlogged']
    })
    expect(judge(real, { evidence, reference: strict }).verdict).toBe('fail')
  })

  it.each<[string, readonly string[]]>([
    ['another defect', ['startup-locality-unlogged'] satisfies QuirkName[]],
  ])('fails with %s', (_, names) => {
    expect(codes(judge(real, { evidence, reference: reference(...names) }))).toEqual([
      'QUOTE_PCR_DIGEST_MISMATCH',
    ])
  })

  it('is not judged with a defect that this version does not know', () => {
    expect(() => reference('from-the-future')).toThrow('not a name of a quirk')
  })

  it('is the same with what is kept between cycles, whichever reference values came before', () => {
    const replays = new LogReplays()
    const all = [
      reference(),
      reference('exit-boot-services-unlogged'),
      reference('startup-locality-unlogged'),
    ]
    for (const one of [...all, ...all.toReversed(), ...all]) {
      expect(judge(real, { evidence, reference: one, replays })).toEqual(
        judge(real, { evidence, reference: one }),
      )
    }
  })

  it('needs no quirk where the log is whole', () => {
    const whole = host.evidence(real)
    const result = judge(real, { evidence: whole, reference: reference('exit-boot-services-unlogged') })
    expect([result.verdict, codes(result)]).toEqual(['pass', []])
  })
})

describe('an event log without the quoted bank', () => {
  it('fails by that', () => {
    const sha1 = { ...host.evidence(real), eventLog: specId(['sha1']) }
    expect(codes(judge(real, { evidence: sha1, reference: reference() }))).toEqual(['EVENT_LOG_BANK_MISSING'])
  })
})
