import { describe, expect, it } from 'vitest'
import { appraise, judgeEventLog, parseEventLog, type QuotedPcrs } from '../../../attestation/index.ts'
import { EXTRA_DATA, parts, SyntheticHost } from '../synthetic-host.ts'
import { separator, specId } from '../tcg-log.ts'

/**
 * A PCR that is not at its reset value and has no event: google/go-attestation pull request 112 compared a replay with the quoted value only `if hadEvents`. Who deletes
 * all events of a PCR then has its value accepted.
 */
describe('a PCR with a value and no events (go-attestation 112)', () => {
  const quoted = (pcr: number, value: Buffer): QuotedPcrs => new Map([['sha256', new Map([[pcr, value]])]])
  const log = parseEventLog(Buffer.concat([specId(), separator(7)]))

  it.each([0, 2, 4, 9])('is refused by the log alone: PCR %i', pcr => {
    const judged = judgeEventLog(log, quoted(pcr, Buffer.alloc(32, 0xab)))
    expect(judged.verdict).toBe('reject')
    expect(judged.reasons).toEqual(expect.arrayContaining([expect.objectContaining({ at: `PCR ${pcr}` })]))
    expect(judgeEventLog(log, quoted(pcr, Buffer.alloc(32))).verdict).toBe('accept')
  })

  it.each([2, 8, 9, 14])(
    'is refused by the appraisal, whatever the reference values leave open: PCR %i',
    pcr => {
      const host = new SyntheticHost()
      const unlogged = { ...parts(), unlogged: [pcr] }
      const appraisal = appraise({
        evidence: host.evidence(unlogged, { extraData: EXTRA_DATA }),
        reference: host.reference(),
        expected: host.expected,
        previous: null,
        governedDigests: new Set(),
      })
      expect(appraisal.verdict).toBe('fail')
      expect(appraisal.pcrs).toEqual({})
    },
  )
})
