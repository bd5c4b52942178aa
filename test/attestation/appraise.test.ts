import { hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  type Appraisal,
  appraise,
  captureReferenceValues,
  encodeReferenceValues,
  LogReplays,
  parseReferenceValues,
  type ReferenceDocument,
} from '../../attestation/index.ts'
import { codes, host, judge, NONE } from './judged.ts'
import { fixture, readPcrText, recordedHost } from './recorded-host.ts'
import { CLOCK, SoftwareKey } from './software-quote.ts'
import { ANY_KEYS, bootAggregate, EVENTS, type Parts, parts, userspaceRecord } from './synthetic-host.ts'
import { EV_IPL, event, secureBoot, separator } from './tcg-log.ts'

describe('the recorded host', () => {
  const capture = (name: 'debian13-uki' | 'debian13-uki-secureboot') => {
    const document = captureReferenceValues({
      ...recordedHost(name),
      name,
      created: '2026-11-21T02:00:00.000Z',
      components: 'any',
    })
    return parseReferenceValues(encodeReferenceValues(document))
  }
  const base = { previous: null, governedDigests: new Set<string>() }

  it.each([
    ['debian13-uki', 507, 509, false],
    ['debian13-uki-secureboot', 505, 506, true],
  ] as const)('%s verifies wholly by its own reference values', (name, attested, entries, secure) => {
    const result = appraise({ ...base, ...recordedHost(name), reference: capture(name) })
    expect(result.reasons).toEqual([])
    expect(result).toMatchObject({
      verdict: 'pass',
      imaAttestedEntries: attested,
      imaEntries: entries,
      secureBoot: secure,
    })
    const read = readPcrText(fixture(name, 'pcrread.txt').toString(), 'sha256')
    expect(Object.keys(result.pcrs)).toHaveLength(16)
    for (let pcr = 0; pcr < 16; pcr++) if (pcr !== 10) expect(result.pcrs[pcr]).toBe(read.get(pcr))
  })

  it('fails by the values of its other boot', () => {
    const result = appraise({
      ...base,
      ...recordedHost('debian13-uki-secureboot'),
      reference: capture('debian13-uki'),
    })
    expect(result.verdict).toBe('fail')
    const found = result.reasons.map(({ code, at }) => `${code} ${at}`)
    expect(found).toContain('SECURE_BOOT_KEY_UNKNOWN event 5')
    expect(found).toContain('SECURE_BOOT_MISMATCH PCR 7')
  })

  it('finds the later of its two boots after the earlier one, and not the other way round', () => {
    const [first, second] = (['debian13-uki', 'debian13-uki-secureboot'] as const).map(name => ({
      ...recordedHost(name),
      reference: capture(name),
    }))
    if (first === undefined || second === undefined) throw new Error('both boots are recorded')
    const one = appraise({ ...base, ...first })
    const two = appraise({ ...base, ...second, previous: one.history })
    expect(two).toMatchObject({ verdict: 'pass', clockStep: 'rebooted' })
    expect(two.reasons.map(({ code }) => code)).toEqual(['HOST_REBOOTED'])
    expect(appraise({ ...base, ...first, previous: two.history })).toMatchObject({
      verdict: 'fail',
      history: two.history,
    })
  })

  it.each(['eventLog', 'userspaceLog', 'imaLog'] as const)(
    'fails on any changed byte of a measured digest: %s',
    log => {
      const recorded = recordedHost('debian13-uki')
      const bytes = Buffer.from(recorded.evidence[log])
      // The last digest in each log, or for IMA the path of an attested entry.
      const needle = { eventLog: undefined, userspaceLog: 'b24d6d33', imaLog: '/usr/bin/kmod' }[log]
      const at = needle === undefined ? 65 + 12 + 2 + 20 + 2 + 5 : bytes.indexOf(needle)
      expect(at).toBeGreaterThan(0)
      bytes[at] = bytes[at] === 0x61 ? 0x62 : 0x61
      const result = appraise({
        ...base,
        ...recorded,
        evidence: { ...recorded.evidence, [log]: bytes },
        reference: capture('debian13-uki'),
      })
      expect(result).toMatchObject({ verdict: 'fail', pcrs: {}, imaAttestedEntries: 0, secureBoot: null })
      expect(result.reasons.map(({ code }) => code)).toContain('QUOTE_PCR_DIGEST_MISMATCH')
    },
  )
})

describe('the quote', () => {
  it('passes when all is as it was', () => {
    expect(judge(parts())).toMatchObject({ verdict: 'pass', reasons: [], imaAttestedEntries: 3 })
  })

  it('that does not verify fails, and attests nothing', () => {
    const previous = judge(parts()).history
    const quote = new SoftwareKey().quote(host.pcrs(parts()))
    const result = judge(parts(), { evidence: { ...host.evidence(parts()), quote }, previous })
    expect(result).toMatchObject({
      verdict: 'fail',
      clock: null,
      clockStep: null,
      firmwareVersion: null,
      pcrs: {},
    })
    expect(codes(result)).toEqual(['QUOTE_SIGNATURE_INVALID'])
    expect(result.history).toBe(previous)
  })

  it('over other extraData fails', () => {
    const expected = { ...host.expected, extraData: Buffer.alloc(32) }
    expect(codes(judge(parts(), { expected }))).toEqual(['QUOTE_EXTRA_DATA_MISMATCH'])
  })

  it.each([0, 3, 8, 12, 15])('fails when PCR %i was extended with what no log says', pcr => {
    const result = judge({ ...parts(), unlogged: [pcr] })
    expect(result.verdict).toBe('fail')
    expect(codes(result)).toEqual(['QUOTE_PCR_DIGEST_MISMATCH'])
  })

  it('names the PCR when the claimed values are the quoted ones, and only then', () => {
    const tampered = { ...parts(), unlogged: [8, 10] }
    const said = judge(tampered, { claimedPcrs: host.pcrs(tampered) }).reasons[0]?.message
    expect(said).toMatch(/: PCR 8, PCR 10 was extended/)
    const lie = judge(tampered, { claimedPcrs: host.pcrs({ ...parts(), unlogged: [3] }) }).reasons[0]?.message
    expect(lie).toBe('the logs do not replay to the quoted PCR values')
  })
})

describe('the clock', () => {
  const previous = judge(parts()).history
  const at = (over: Partial<typeof CLOCK>, firmwareVersion = 0x2019_1023_0016_3636n) =>
    judge(parts(), {
      evidence: host.evidence(parts(), { clock: { ...CLOCK, ...over }, firmwareVersion }),
      previous,
    })

  it.each([{ resetCount: 6 }, { clock: 999n }])('that goes back fails: %o', over => {
    const result = at(over)
    expect(result.verdict).toBe('fail')
    expect(codes(result)).toEqual(['CLOCK_ROLLED_BACK'])
    expect(result.history).toBe(previous)
  })

  it('whose restart count goes back fails', () => {
    const later = at({ restartCount: 1 })
    expect(later).toMatchObject({ verdict: 'pass', clockStep: 'restarted' })
    expect(codes(judge(parts(), { previous: later.history }))).toEqual(['CLOCK_ROLLED_BACK'])
  })

  it('may be behind after a reset', () => {
    expect(at({ resetCount: 8, clock: 1n })).toMatchObject({ verdict: 'pass', clockStep: 'rebooted' })
  })

  it('that is not safe degrades and does not destroy', () => {
    const result = at({ safe: false })
    expect(result.verdict).toBe('degraded')
    expect(codes(result)).toEqual(['CLOCK_NOT_SAFE'])
    expect(result.history).toMatchObject({ clock: CLOCK.clock })
  })

  it('goes on in the history', () => {
    expect(at({ clock: 5000n }).history).toEqual({
      clock: 5000n,
      resetCount: 7,
      restartCount: 0,
      firmwareVersion: 0x2019_1023_0016_3636n,
    })
  })

  it('a change of firmware is a reason, and fails unless it is listed', () => {
    const version = 0x2020_0000_0000_0001n
    expect(codes(at({}, version))).toEqual(['TPM_FIRMWARE_UNKNOWN', 'TPM_FIRMWARE_CHANGED'])
    const evidence = host.evidence(parts(), { firmwareVersion: version })
    const listed = host.reference(document => {
      document.firmwareVersions = ['2019102300163636', '2020000000000001']
    })
    const accepted = judge(parts(), { evidence, previous, reference: listed })
    expect(accepted).toMatchObject({ verdict: 'pass', firmwareVersion: '2020000000000001' })
    expect(codes(accepted)).toEqual(['TPM_FIRMWARE_CHANGED'])
    const any = host.reference(document => {
      document.firmwareVersions = 'any'
    })
    expect(judge(parts(), { evidence, previous, reference: any }).verdict).toBe('degraded')
    expect(codes(judge(parts(), { evidence, previous: accepted.history, reference: listed }))).toEqual([])
  })
})

describe('the PCRs', () => {
  it('fail where no rule judges one', () => {
    for (const pcr of [0, 10, 15]) {
      const without = host.reference(document => {
        document.pcrs = document.pcrs.filter(rule => rule.pcr !== pcr)
      })
      const result = judge(parts(), { reference: without })
      expect(result.verdict).toBe('fail')
      expect(result.reasons).toMatchObject([{ code: 'PCR_UNJUDGED', at: `PCR ${pcr}` }])
    }
  })

  it('fail at another value', () => {
    const events = [...EVENTS, event(4, EV_IPL, Buffer.from('another kernel'))]
    const other = { ...parts(), events, ima: [bootAggregate(events)] }
    expect(judge(other).reasons).toMatchObject([{ code: 'PCR_VALUE_UNKNOWN', at: 'PCR 4' }])
  })

  it('by events take any order and number of listed ones, and no other', () => {
    const byEvents = (document: ReferenceDocument): void => {
      const digests = document.events.filter(({ pcr }) => pcr === 11).flatMap(event => event.digests)
      document.events = []
      document.pcrs = document.pcrs.map(rule =>
        rule.pcr === 11 ? { pcr: 11, rule: 'events', digests } : rule,
      )
    }
    const listed = host.reference(byEvents, {
      ...parts(),
      userspace: ['sysinit', 'ready'].map(content => ({ pcr: 11, content })),
    })
    const with11 = (...contents: string[]): Appraisal =>
      judge({ ...parts(), userspace: contents.map(content => ({ pcr: 11, content })) }, { reference: listed })
    expect(with11('sysinit').verdict).toBe('pass')
    expect(with11('ready', 'sysinit').verdict).toBe('pass')
    expect(with11('sysinit', 'rescue').reasons).toMatchObject([{ code: 'PCR_EVENT_UNKNOWN', at: 'PCR 11' }])
    const firmware = [...EVENTS, event(11, EV_IPL, Buffer.from('stub'))]
    const result = judge({ ...parts(), events: firmware }, { reference: listed })
    expect(codes(result)).toEqual(['PCR_EVENT_UNKNOWN'])
  })

  it('by any still have to be explained by the logs', () => {
    const any = host.reference(document => {
      document.pcrs = document.pcrs.map(rule => (rule.pcr === 13 ? { pcr: 13, rule: 'any' } : rule))
    })
    expect(judge({ ...parts(), userspace: [{ pcr: 13, content: 'x' }] }, { reference: any }).verdict).toBe(
      'pass',
    )
    expect(judge({ ...parts(), unlogged: [13] }, { reference: any }).verdict).toBe('fail')
  })
})

describe('the event log', () => {
  it('that cannot be parsed fails', () => {
    const evidence = { ...host.evidence(parts()), eventLog: Buffer.alloc(0) }
    expect(codes(judge(parts(), { evidence }))).toEqual(['EVENT_LOG_SPEC_ID_MISSING'])
  })

  it('that says what no firmware says fails, though it replays', () => {
    const events = [...EVENTS, separator(7)]
    const twice = { ...parts(), events, ima: [bootAggregate(events)] }
    const any = host.reference(document => {
      document.secureBoot = { ...ANY_KEYS, enabled: true }
      document.events = document.events.filter(({ pcr }) => pcr !== 7)
      document.pcrs = document.pcrs.map(rule => (rule.pcr === 7 ? { pcr: 7, rule: 'any' } : rule))
    })
    expect(codes(judge(twice, { reference: any }))).toEqual(['EVENT_LOG_SEPARATOR'])
  })

  it('without Secure Boot fails where it is wanted', () => {
    const any7 = (wanted: boolean | 'any') =>
      host.reference(document => {
        document.secureBoot = { ...ANY_KEYS, enabled: wanted }
        document.pcrs = document.pcrs.map(rule => (rule.pcr === 7 ? { pcr: 7, rule: 'any' } : rule))
      })
    const boot = (...first: Buffer[]): Parts => {
      const events = [...first, ...EVENTS.filter(e => !e.equals(secureBoot(1)))]
      return { ...parts(), events, ima: [bootAggregate(events)] }
    }
    for (const events of [boot(secureBoot(0)), boot(), boot(secureBoot(1, '00'.repeat(16)))]) {
      expect(codes(judge(events, { reference: any7(true) }))).toEqual(['SECURE_BOOT_MISMATCH'])
      expect(judge(events, { reference: any7('any') }).verdict).toBe('pass')
    }
    expect(codes(judge(boot(), { reference: any7(false) }))).toEqual(['SECURE_BOOT_MISMATCH'])
  })

  it('without the end of boot services is reported and passes', () => {
    const events = EVENTS.slice(0, 4)
    const short = { ...parts(), events, ima: [bootAggregate(events)] }
    const result = judge(short, { reference: host.reference(() => {}, short) })
    expect(result.verdict).toBe('pass')
    expect(codes(result)).toEqual(['EXIT_BOOT_SERVICES_MISSING'])
  })
})

describe('the user-space log', () => {
  it('that cannot be parsed fails', () => {
    const evidence = { ...host.evidence(parts()), userspaceLog: Buffer.from('x') }
    expect(codes(judge(parts(), { evidence }))).toEqual(['USERSPACE_LOG_MALFORMED'])
  })

  it('that is left out does not match', () => {
    const evidence = { ...host.evidence(parts()), userspaceLog: null }
    expect(codes(judge(parts(), { evidence }))).toEqual(['QUOTE_PCR_DIGEST_MISMATCH'])
  })

  it('may have grown since the quote, by a little: what is newer is not looked at', () => {
    const { userspaceLog, ...rest } = host.evidence(parts())
    const grown = (...records: Buffer[]): Appraisal => {
      const log = Buffer.concat([userspaceLog ?? Buffer.alloc(0), ...records])
      return judge(parts(), { evidence: { ...rest, userspaceLog: log } })
    }
    const newer = (content: string): Buffer => userspaceRecord(11, content)
    const half = newer('ready').subarray(0, 20)
    for (const result of [grown(newer('ready')), grown(newer('ready'), newer('unknown')), grown(half)]) {
      expect([result.verdict, result.pcrs]).toEqual(['pass', judge(parts()).pcrs])
    }
    const many = Array.from({ length: 9 }, (_, i) => newer(`word-${i}`))
    expect(grown(...many.slice(1)).verdict).toBe('pass')
    expect(codes(grown(...many))).toEqual(['QUOTE_PCR_DIGEST_MISMATCH'])
  })

  it('that leaves out what is older than something quoted does not match', () => {
    const both = { ...parts(), userspace: ['sysinit', 'ready'].map(content => ({ pcr: 11, content })) }
    for (const log of [userspaceRecord(11, 'ready'), userspaceRecord(11, 'sysinit')]) {
      const evidence = { ...host.evidence(both), userspaceLog: log }
      expect(codes(judge(both, { evidence }))).toContain('QUOTE_PCR_DIGEST_MISMATCH')
    }
  })
})

describe('replays that are kept', () => {
  it('give what fresh ones give, as logs grow, shrink and change', () => {
    const replays = new LogReplays()
    const governed = new Set([hash('sha256', 'program')])
    const program = { path: 'memfd:writ-subject', digest: hash('sha256', 'program') }
    const evil = { path: '/bin/evil' }
    const base = parts()
    const sequence: [Parts, ReadonlySet<string>][] = [
      [{ ...base, quoted: 2 }, NONE],
      [base, NONE],
      [{ ...base, ima: [...base.ima, program] }, NONE],
      [{ ...base, ima: [...base.ima, program] }, governed],
      [{ ...base, ima: [...base.ima, program, evil] }, governed],
      [{ ...base, ima: [...base.ima, program, evil], quoted: 4 }, governed],
      [base, governed],
      [{ ...base, ima: [...base.ima].reverse() }, NONE],
      [{ ...base, extend: 'padded' }, NONE],
      [{ ...base, userspace: [] }, NONE],
      [{ ...base, unlogged: [8] }, NONE],
      [base, NONE],
    ]
    const verdicts = sequence.map(([of, governedDigests]) => {
      const evidence = host.evidence(of)
      const kept = judge(of, { evidence, governedDigests, replays })
      expect(kept).toEqual(judge(of, { evidence, governedDigests }))
      return kept.verdict
    })
    expect(verdicts.join(' ')).toBe('pass pass fail pass fail pass pass fail pass pass fail pass')
  })

  it('judge anew by other reference values', () => {
    const replays = new LogReplays()
    expect(judge(parts(), { replays }).verdict).toBe('pass')
    const without = host.reference(document => {
      document.ima.files = document.ima.files.filter(({ path }) => path !== '/bin/ls')
    })
    expect(codes(judge(parts(), { replays, reference: without }))).toEqual(['IMA_ENTRY_UNKNOWN'])
  })
})
