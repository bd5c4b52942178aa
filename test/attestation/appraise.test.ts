import { hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  type Appraisal,
  type AppraisalInput,
  appraise,
  captureReferenceValues,
  encodeReferenceValues,
  LogReplays,
  parseReferenceValues,
} from '../../attestation/index.ts'
import { fixture, readPcrText, recordedHost } from './recorded-host.ts'
import { CLOCK, SoftwareKey } from './software-quote.ts'
import { bootAggregate, EVENTS, type Parts, parts, SyntheticHost } from './synthetic-host.ts'
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
    expect(found).toContain('PCR_VALUE_UNKNOWN PCR 7')
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

const host = new SyntheticHost()
const reference = host.reference()
const NONE: ReadonlySet<string> = new Set()

function judge(of: Parts, over: Partial<AppraisalInput> = {}): Appraisal {
  return appraise({
    evidence: host.evidence(of),
    expected: host.expected,
    reference,
    previous: null,
    governedDigests: NONE,
    ...over,
  })
}
const codes = (result: Appraisal): string[] => result.reasons.map(({ code }) => code)

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
    const listed = host.reference(() => {}, {
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
      document.pcrs = document.pcrs.map(rule => (rule.pcr === 12 ? { pcr: 12, rule: 'any' } : rule))
    })
    expect(judge({ ...parts(), userspace: [{ pcr: 12, content: 'x' }] }, { reference: any }).verdict).toBe(
      'pass',
    )
    expect(judge({ ...parts(), unlogged: [12] }, { reference: any }).verdict).toBe('fail')
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
      document.pcrs = document.pcrs.map(rule => (rule.pcr === 7 ? { pcr: 7, rule: 'any' } : rule))
    })
    expect(codes(judge(twice, { reference: any }))).toEqual(['EVENT_LOG_SEPARATOR'])
  })

  it('without Secure Boot fails where it is wanted', () => {
    const any7 = (wanted: boolean | 'any') =>
      host.reference(document => {
        document.secureBoot = wanted
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
})

describe('IMA', () => {
  const more = (...ima: Parts['ima']): Parts => ({ ...parts(), ima: [...parts().ima, ...ima] })
  const evil = { path: '/bin/evil' }
  const digestOf = (path: string): string => hash('sha256', path)

  it('entries beyond the quote are not attested, and not judged', () => {
    const result = judge({ ...more(evil), quoted: 3 })
    expect(result).toMatchObject({ verdict: 'pass', imaAttestedEntries: 3, imaEntries: 4 })
  })

  it('an entry that is not listed fails, as does a listed file with another digest', () => {
    expect(judge(more(evil)).reasons).toMatchObject([{ code: 'IMA_ENTRY_UNKNOWN', at: 'entry 3' }])
    expect(codes(judge(more({ path: '/bin/sh', digest: 'ab'.repeat(32) })))).toEqual(['IMA_ENTRY_UNKNOWN'])
    expect(codes(judge(more({ path: '/bin/sh2', digest: digestOf('/bin/sh') })))).toEqual([
      'IMA_ENTRY_UNKNOWN',
    ])
  })

  it("an entry with the digest of a governed program passes from the launcher's memfd and at an absolute path", () => {
    const digest = digestOf('program')
    const governedDigests = new Set([digest])
    for (const path of ['memfd:writ-subject', '/opt/program']) {
      expect(judge(more({ path, digest }), { governedDigests }).verdict).toBe('pass')
      expect(judge(more({ path, digest })).verdict).toBe('fail')
      expect(judge(more({ path, digest: digestOf('other') }), { governedDigests }).verdict).toBe('fail')
    }
    for (const path of ['memfd:program', 'memfd:writ-subject2', 'memfd:', 'program', '']) {
      expect(codes(judge(more({ path, digest }), { governedDigests }))).toEqual(['IMA_ENTRY_UNKNOWN'])
    }
    const sha1 = more({
      path: 'memfd:writ-subject',
      algorithm: 'sha1',
      digest: digestOf('program').slice(0, 40),
    })
    expect(judge(sha1, { governedDigests: new Set([digestOf('program').slice(0, 40)]) }).verdict).toBe('fail')
  })

  it('a violation fails, unless the path is one that may be changed', () => {
    const violation = { path: '/var/log/wtmp', violation: true }
    expect(codes(judge(more(violation)))).toEqual(['IMA_VIOLATION'])
    const tolerant = host.reference(document => {
      document.ima.violations = ['/var/log/wtmp']
    })
    expect(judge(more(violation), { reference: tolerant }).verdict).toBe('pass')
    expect(codes(judge(more({ path: '/bin/sh', violation: true }), { reference: tolerant }))).toEqual([
      'IMA_VIOLATION',
    ])
    // A zero digest that is not a violation is a digest like any other.
    expect(
      codes(judge(more({ path: '/var/log/wtmp', digest: '00'.repeat(32) }), { reference: tolerant })),
    ).toEqual(['IMA_ENTRY_UNKNOWN'])
  })

  it('a lie in the template hash column fails, though PCR 10 matches', () => {
    expect(codes(judge(more({ path: '/bin/ls', column: Buffer.alloc(20, 7) })))).toEqual([
      'IMA_TEMPLATE_HASH_MISMATCH',
    ])
  })

  it('an entry that cannot be decoded fails', () => {
    expect(codes(judge(more({ path: '/bin/ls', template: 'ima-modsig' })))).toEqual([
      'IMA_TEMPLATE_UNSUPPORTED',
    ])
    expect(codes(judge(more({ path: '/bin/ls', algorithm: 'nope' })))).toEqual(['IMA_LOG_MALFORMED'])
  })

  it('the command line of a kernel for kexec is judged as a file is', () => {
    const crash = { template: 'ima-buf', path: 'kexec-cmdline', signature: Buffer.from('root=/dev/vda2') }
    const listed = host.reference(() => {}, more(crash))
    expect(judge(more(crash), { reference: listed }).verdict).toBe('pass')
    expect(codes(judge(more(crash)))).toEqual(['IMA_ENTRY_UNKNOWN'])
    const other = { ...crash, digest: digestOf('root=/dev/vda3') }
    expect(codes(judge(more(other), { reference: listed }))).toEqual(['IMA_ENTRY_UNKNOWN'])
  })

  it('an entry of another PCR is not attested by PCR 10, and not judged', () => {
    expect(judge(more({ ...evil, pcr: 12 })).verdict).toBe('pass')
  })

  it('begins with the boot_aggregate of this boot', () => {
    const rest = parts().ima.slice(1)
    expect(codes(judge({ ...parts(), ima: rest }))).toContain('IMA_BOOT_AGGREGATE_MISMATCH')
    const other = { path: 'boot_aggregate', digest: 'cd'.repeat(32) }
    expect(codes(judge({ ...parts(), ima: [other, ...rest] }))).toEqual(['IMA_BOOT_AGGREGATE_MISMATCH'])
    expect(codes(judge(more(other)))).toEqual(['IMA_BOOT_AGGREGATE_MISMATCH'])
    expect(codes(judge(more(bootAggregate(EVENTS))))).toEqual([])
    expect(codes(judge({ ...parts(), quoted: 0 }))).toEqual(['IMA_BOOT_AGGREGATE_MISMATCH'])
    expect(codes(judge({ ...parts(), ima: [{ ...evil, pcr: 12 }, ...parts().ima] }))).toEqual([])
  })

  it('is found as kernels before 5.8 extend the SHA-256 bank', () => {
    expect(judge({ ...parts(), extend: 'padded' })).toMatchObject({ verdict: 'pass', imaAttestedEntries: 3 })
  })

  it('fails without a log where a rule asks for it', () => {
    const evidence = { ...host.evidence({ ...parts(), quoted: 0 }), imaLog: null }
    expect(codes(judge(parts(), { evidence }))).toEqual(['IMA_LOG_MISSING'])
    expect(codes(judge(parts(), { evidence: { ...host.evidence(parts()), imaLog: null } }))).toEqual([
      'QUOTE_PCR_DIGEST_MISMATCH',
    ])
  })

  it('fails when the log is cut', () => {
    const evidence = host.evidence(parts())
    const imaLog = (evidence.imaLog ?? Buffer.alloc(0)).subarray(0, -1)
    expect(codes(judge(parts(), { evidence: { ...evidence, imaLog } }))).toEqual(['IMA_LOG_TRUNCATED'])
  })

  it('counts what is too much to list', () => {
    const many = more(
      ...Array.from({ length: 40 }, (_, i) => ({ path: `/bin/evil${i}/${'x'.repeat(3000)}` })),
    )
    const { reasons } = judge(many)
    expect(reasons).toHaveLength(17)
    expect(reasons.at(-1)?.message).toBe('and 24 more like it')
    expect(JSON.stringify(reasons).length).toBeLessThan(10_000)
  })
})

describe("the daemon's own parts", () => {
  const path = '/usr/lib/writ/writd'
  const good = hash('sha256', 'writd 1.0')
  const changed = hash('sha256', 'writd 1.0, changed')
  const upgraded = hash('sha256', 'writd 1.1')
  const running = (...ima: Parts['ima']): Parts => ({ ...parts(), ima: [...parts().ima, ...ima] })
  const named = (...digests: string[]) =>
    host.reference(document => {
      document.components = [{ name: 'writd', path, digests: digests.map(digest => `sha256:${digest}`) }]
    })
  const judgeWritd = (of: Parts, over: Partial<AppraisalInput> = {}) =>
    codes(judge(of, { reference: named(good), ...over }))

  it('pass when they were measured as they are listed', () => {
    expect(judgeWritd(running({ path, digest: good }))).toEqual([])
    expect(judgeWritd(running({ path, digest: good }, { path: '/bin/ls' }))).toEqual([])
  })

  it('fail when IMA never saw them: code that an interpreter read, or that ran where IMA does not look', () => {
    const { reasons, verdict } = judge(running(), { reference: named(good) })
    expect(verdict).toBe('fail')
    expect(reasons).toMatchObject([{ code: 'COMPONENT_NOT_MEASURED', at: path }])
    // Each part that is named has to be there.
    const two = host.reference(document => {
      document.components = [
        { name: 'writd', path, digests: [`sha256:${good}`] },
        { name: 'addon', path: `${path}.node`, digests: [`sha256:${good}`] },
      ]
    })
    expect(judgeWritd(running({ path, digest: good }), { reference: two })).toEqual([
      'COMPONENT_NOT_MEASURED',
    ])
  })

  it('fail when they were measured with another digest, by a reason of its own', () => {
    const result = judge(running({ path, digest: changed }), { reference: named(good) })
    expect(result.reasons.find(({ code }) => code === 'COMPONENT_CHANGED')).toMatchObject({ at: 'entry 3' })
    expect(codes(result)).not.toContain('IMA_ENTRY_UNKNOWN')
    // The good one was run as well, before or after: the changed one is in the log too.
    for (const order of [
      [good, changed],
      [changed, good],
    ]) {
      expect(judgeWritd(running(...order.map(digest => ({ path, digest }))))).toEqual(['COMPONENT_CHANGED'])
    }
  })

  it('pass with two digests in one boot, as an upgrade makes them, only when both are listed', () => {
    const both = running({ path, digest: good }, { path, digest: upgraded })
    expect(judgeWritd(both, { reference: named(good, upgraded) })).toEqual([])
    expect(judgeWritd(both)).toEqual(['COMPONENT_CHANGED'])
  })

  it('do not count under another path, from a memfd or in what the quote does not cover', () => {
    const elsewhere = (other: string) => judgeWritd(running({ path: other, digest: good }))
    expect(elsewhere('/tmp/writd')).toEqual(['COMPONENT_NOT_MEASURED', 'IMA_ENTRY_UNKNOWN'])
    expect(elsewhere('memfd:writd')).toEqual(['COMPONENT_NOT_MEASURED', 'IMA_ENTRY_UNKNOWN'])
    expect(judgeWritd({ ...running({ path, digest: good }), quoted: 3 })).toEqual(['COMPONENT_NOT_MEASURED'])
    expect(judgeWritd(running({ path, digest: good, pcr: 12 }))).toEqual(['COMPONENT_NOT_MEASURED'])
    expect(judgeWritd(running({ path, algorithm: 'sha1', digest: good.slice(0, 40) }))).toContain(
      'COMPONENT_CHANGED',
    )
  })

  it('are not excused by a START, and do not change while they run', () => {
    const governedDigests = new Set([changed])
    const run = running({ path, digest: good }, { path, digest: changed })
    expect(judgeWritd(run, { governedDigests })).toEqual(['COMPONENT_CHANGED'])
    expect(judgeWritd(running({ path, digest: good }, { path, violation: true }))).toEqual(['IMA_VIOLATION'])
  })

  it('are looked for as far as each quote covers, with replays that are kept', () => {
    const replays = new LogReplays()
    const log = running({ path, digest: good }, { path, digest: changed })
    const values = named(good)
    const at = (quoted: number) =>
      judgeWritd(
        { ...log, quoted },
        { replays, reference: values, evidence: host.evidence({ ...log, quoted }) },
      )
    expect(at(5)).toEqual(['COMPONENT_CHANGED'])
    expect(at(4)).toEqual([])
    expect(at(3)).toEqual(['COMPONENT_NOT_MEASURED'])
    expect(at(5)).toEqual(['COMPONENT_CHANGED'])
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
