import { hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { type AppraisalInput, LogReplays } from '../../attestation/index.ts'
import { codes, host, judge } from './judged.ts'
import { bootAggregate, EVENTS, type Parts, parts } from './synthetic-host.ts'

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
    expect(codes(judge(more({ path: '/bin/ls', template: 'ima-other' })))).toEqual([
      'IMA_TEMPLATE_UNSUPPORTED',
    ])
    expect(codes(judge(more({ path: '/bin/ls', algorithm: 'nope' })))).toEqual(['IMA_DIGEST_UNSUPPORTED'])
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
