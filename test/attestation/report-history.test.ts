import { describe, expect, it } from 'vitest'
import {
  encodeReport,
  encodeReportHistory,
  imaEntryOffset,
  parseReport,
  parseReportHistory,
  type Report,
  ReportError,
  type ReportHistory,
  type ReportTrust,
  type ReportVerification,
  verifyReport,
} from '../../attestation/index.ts'
import { lineageJudge } from '../../cli/report/lineage.ts'
import { sha256, sha256Hex } from '../../encoding/digest.ts'
import { CompactRange, leafHash } from '../../lineage/tree/merkle.ts'
import { consistencyPath } from '../../lineage/tree/proof.ts'
import type { ImaFields } from './ima-log.ts'
import { NONCE, ReportingHost, type Unusual } from './made-up-report.ts'
import { CLOCK } from './software-quote.ts'
import { parts } from './synthetic-host.ts'

const made = await ReportingHost.make()
const more: ImaFields[] = [{ path: '/bin/ls' }, { path: '/bin/sh' }]
const entries = parts().ima.length

/** A report of the same boot, a while later: `later` IMA entries more. */
function reportAt(tick: number, later = 0, unusual: Unusual = {}): Report {
  return made.report({
    ...unusual,
    parts: { ...parts(), ima: [...parts().ima, ...more.slice(0, later)] },
    binding: { nonce: nonceAt(tick), ...unusual.binding },
    quote: { clock: { ...CLOCK, clock: BigInt(1000 + tick) }, ...unusual.quote },
  })
}
const nonceAt = (tick: number) => Buffer.alloc(32, 100 + tick)

/** The same report with the IMA log from an entry on. */
function from(report: Report, count: number): Report {
  const { imaLog } = report.evidence
  const offset = imaEntryOffset(imaLog as Buffer, count)
  const part = {
    ...report,
    imaFrom: count,
    evidence: { ...report.evidence, imaLog: imaLog?.subarray(offset ?? 0) ?? null },
  }
  return parseReport(encodeReport(part))
}

function verify(report: Report, history: ReportHistory | null, over: Partial<ReportTrust> = {}) {
  const found = verifyReport(report, made.trust({ nonce: report.binding.nonce, history, ...over }))
  const status = (name: string) => found.properties.find(property => property.name === name)
  return { ...found, of: (name: string) => status(name)?.status, why: (name: string) => status(name)?.detail }
}

/** What is remembered after it; through a file. */
function remembered({ history }: ReportVerification): ReportHistory {
  if (history === null) return expect.fail('nothing is remembered')
  return parseReportHistory(encodeReportHistory(history))
}
const first = remembered(verify(reportAt(0), null))

describe('what is remembered of a host', () => {
  it('is its clock, its nonces, its lineage, and how far its IMA log was verified', () => {
    expect(first).toEqual({
      hostId: made.hostId,
      clock: { clock: 1000n, resetCount: 7, restartCount: 0, firmwareVersion: expect.any(BigInt) },
      nonces: [sha256Hex(nonceAt(0))],
      tree: { size: 5n, root: sha256(Buffer.from('root')) },
      ima: {
        entries,
        pcr10: made.host.pcrs(parts()).get(10),
        resetCount: 7,
        reference: made.reference.digest,
        governed: [],
      },
    })
  })

  it('is read strictly', () => {
    const text = encodeReportHistory(first).toString()
    for (const bad of [
      '',
      '{}',
      text.slice(1),
      text.replace('"nonces"', '"more":1,"nonces"'),
      text.replace('v1', 'v2'),
    ]) {
      expect(() => parseReportHistory(Buffer.from(bad))).toThrow(ReportError)
    }
  })

  it('is nothing for a host that nobody vouches for', () => {
    const nobody = { hostId: null, operatorKey: null, reference: null }
    expect(verify(reportAt(0), null, nobody).history).toBeNull()
    expect(verify(reportAt(1), first, nobody).history).toEqual(first)
    expect(verify(reportAt(1), null, { ...nobody, hostId: made.hostId }).history).not.toBeNull()
  })

  it('does not change by a report that goes back', () => {
    const old = verify(reportAt(1, 0, { quote: { clock: { ...CLOCK, clock: 1n } } }), first)
    expect(old.of('clock')).toBe('FAILED')
    expect(old.of('reference values')).toBe('FAILED')
    expect(old.history).toBe(first)
  })
})

describe('a nonce', () => {
  it('that was answered before fails, in the same report and in another', () => {
    expect(verify(reportAt(0), first).of('freshness')).toBe('FAILED')
    const again = verify(reportAt(3, 0, { binding: { nonce: nonceAt(0) } }), first)
    expect(again.of('quote')).toBe('VERIFIED')
    expect(again.why('freshness')).toContain('answered before')
    expect(verify(reportAt(1), first).of('freshness')).toBe('VERIFIED')
  })

  it('is remembered only of a report that answered it', () => {
    const other = verify(reportAt(1), first, { nonce: NONCE })
    expect(other.of('freshness')).toBe('FAILED')
    expect(remembered(other).nonces).toEqual(first.nonces)
  })
})

describe('a clock', () => {
  it.each([
    ['the reset count', { resetCount: 6 }],
    ['the restart count', { restartCount: -1 }],
    ['the clock', { clock: 999n }],
  ])('fails when %s goes back', (_, over) => {
    const was = { ...first, clock: { ...first.clock, restartCount: 1 } }
    const clock = { ...CLOCK, clock: 2000n, restartCount: 1, ...over }
    if (clock.restartCount < 0) clock.restartCount = 0
    expect(verify(reportAt(1, 0, { quote: { clock } }), was).of('clock')).toBe('FAILED')
  })

  it('goes on, and over a reboot', () => {
    expect(verify(reportAt(1), first).of('clock')).toBe('VERIFIED')
    const rebooted = { ...CLOCK, resetCount: 8, clock: 5n }
    expect(verify(reportAt(1, 0, { quote: { clock: rebooted } }), first).why('clock')).toContain('rebooted')
  })
})

describe('a report with the part of the IMA log that is new', () => {
  it('verifies like the whole, one after another', () => {
    const whole = verify(reportAt(1, 1), first)
    const part = verify(from(reportAt(1, 1), entries), first)
    expect(part.of('logs')).toBe('VERIFIED')
    expect(part.appraisal).toEqual(whole.appraisal)
    expect(part.history).toEqual(whole.history)
    const next = verify(from(reportAt(2, 2), entries + 1), remembered(part))
    expect(next.appraisal?.verdict).toBe('pass')
    expect(next.why('logs')).toContain(
      `${entries + 2} of ${entries + 2} IMA entries are covered, the first ${entries + 1}`,
    )
    const nothing = verify(from(reportAt(3, 2), entries + 2), remembered(next))
    expect(nothing.appraisal?.verdict).toBe('pass')
    expect(nothing.history?.ima?.entries).toBe(entries + 2)
  })

  it.each<[string, Partial<ReportHistory> | null, Partial<ReportTrust>, string]>([
    ['nothing is remembered', null, {}, 'nothing of the log before is known'],
    ['nothing of the log is remembered', { ima: null }, {}, 'nothing of the log before is known'],
    [
      'another length is remembered',
      { ima: first.ima && { ...first.ima, entries: 1 } },
      {},
      '1 entries are known',
    ],
    ['another boot is remembered', { ima: first.ima && { ...first.ima, resetCount: 6 } }, {}, 'another boot'],
    [
      'it was judged by other reference values',
      { ima: first.ima && { ...first.ima, reference: '00'.repeat(32) } },
      {},
      'other reference values',
    ],
    [
      'it was not judged',
      { ima: first.ima && { ...first.ima, reference: null } },
      {},
      'other reference values',
    ],
    [
      'it passed by a program that is no longer named',
      { ima: first.ima && { ...first.ima, governed: ['ab'.repeat(32)] } },
      {},
      'other governed programs',
    ],
  ])('fails, and says what to do, when %s', (_, over, trust, why) => {
    const history = over === null ? null : { ...first, ...over }
    const found = verify(from(reportAt(1, 1), entries), history, trust)
    for (const name of ['logs', 'reference values']) {
      expect(found.of(name)).toBe('FAILED')
      expect(found.why(name)).toContain(why)
      expect(found.why(name)).toContain('ask for the whole log')
    }
    // The whole log can be had, whatever is remembered.
    expect(verify(reportAt(1, 1), history, trust).of('logs')).toBe('VERIFIED')
  })

  it('fails when PCR 10 is remembered otherwise: the entries before were others', () => {
    const history = { ...first, ima: first.ima && { ...first.ima, pcr10: Buffer.alloc(32, 1) } }
    expect(verify(from(reportAt(1, 1), entries), history).of('logs')).toBe('FAILED')
  })

  it('fails when an entry of it was left out, changed or put in', () => {
    const good = from(reportAt(2, 2), entries)
    const log = good.evidence.imaLog as Buffer
    const rest = log.subarray(imaEntryOffset(log, 1) ?? 0)
    const changed = Buffer.from(log)
    changed[log.length - 2] = 0x41
    for (const imaLog of [rest, changed, Buffer.concat([log.subarray(0, log.length - rest.length), log])]) {
      expect(verify({ ...good, evidence: { ...good.evidence, imaLog } }, first).of('logs')).toBe('FAILED')
    }
  })

  it('does not move on by entries that do not pass', () => {
    const bad = {
      ...parts(),
      ima: [...parts().ima, { path: '/bin/evil', digest: sha256Hex(Buffer.from('evil')) }],
    }
    const report = made.report({
      parts: bad,
      binding: { nonce: nonceAt(1) },
      quote: { clock: { ...CLOCK, clock: 2000n } },
    })
    const found = verify(report, first)
    expect(found.why('reference values')).toContain('IMA_ENTRY_UNKNOWN')
    expect(found.history?.ima).toEqual(first.ima)
    // Nor does the next report hide it.
    expect(verify(from(report, entries + 1), remembered(found)).of('logs')).toBe('FAILED')
  })

  it('is asked for anew after a reboot, whatever the host sends', () => {
    const quote = { clock: { ...CLOCK, resetCount: 8 } }
    const found = verify(from(reportAt(1, 1, { quote }), entries), first)
    expect(found.why('logs')).toContain('another boot')
    expect(found.history?.ima).toBeNull()
    expect(verify(reportAt(1, 1, { quote }), first).history?.ima?.resetCount).toBe(8)
  })
})

describe('the lineage', () => {
  const leaves = Array.from({ length: 9 }, (_, i) => leafHash(Buffer.from([i])))
  const rootOf = (hashes: readonly Buffer[]): Buffer => {
    const range = new CompactRange()
    for (const hash of hashes) range.append(hash)
    return range.root()
  }
  const proofOf = (from: number, to: number, of = leaves): Promise<Buffer[]> =>
    consistencyPath(
      async (level, index) => rootOf(of.slice(index * 2 ** level, (index + 1) * 2 ** level)),
      from,
      to,
    )
  const grown = (to: number, growth: Report['growth'], of = leaves) =>
    verify(
      reportAt(1, 0, {
        binding: { nonce: nonceAt(1), treeSize: BigInt(to), lineageRoot: rootOf(of.slice(0, to)) },
        report: { growth },
      }),
      { ...first, tree: { size: 5n, root: rootOf(leaves.slice(0, 5)) } },
      { lineage: lineageJudge },
    )

  it('goes on from what the report before was bound to, with a proof', async () => {
    const found = grown(9, { from: 5n, proof: await proofOf(5, 9) })
    expect(found.of('lineage growth')).toBe('VERIFIED')
    expect(found.history?.tree.size).toBe(9n)
    expect(grown(5, null).of('lineage growth')).toBe('VERIFIED')
  })

  it('is not known to go on without one', async () => {
    expect(grown(9, null).of('lineage growth')).toBe('NOT CHECKED')
    expect(grown(9, { from: 4n, proof: await proofOf(4, 9) }).of('lineage growth')).toBe('NOT CHECKED')
  })

  it('fails when it went back, was forked or rewritten, and that is not forgotten', async () => {
    const other = leaves.with(2, leafHash(Buffer.from('other')))
    for (const found of [
      grown(4, null),
      grown(5, null, other),
      grown(9, { from: 5n, proof: await proofOf(5, 9, other) }, other),
      grown(9, { from: 5n, proof: [] }),
    ]) {
      expect(found.of('lineage growth')).toBe('FAILED')
      expect(found.history?.tree.size).toBe(5n)
    }
  })
})
