import { describe, expect, it } from 'vitest'
import {
  type Appraisal,
  appraise,
  LogReplays,
  MAX_IMA_LOG_BYTES,
  replayImaLog,
} from '../../attestation/index.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { type ImaFields, imaEntry } from './ima-log.ts'
import { type Parts, parts, SyntheticHost } from './synthetic-host.ts'

const host = new SyntheticHost()
const writd = { path: '/usr/lib/writ/writd', digest: sha256Hex(Buffer.from('writd')) }
const program = { path: 'memfd:writ-subject', digest: sha256Hex(Buffer.from('program')) }
const listed: Parts = { ...parts(), ima: [...parts().ima, writd] }
const reference = host.reference(document => {
  document.components = [{ name: 'writd', path: writd.path, digests: [`sha256:${writd.digest}`] }]
  document.ima.files = document.ima.files.filter(({ path }) => path !== writd.path)
}, listed)

/** The same boot with more entries, and the appraisal of its whole log, or of what follows the first `split` entries. */
function judged(ima: ImaFields[], split: number | null, replays = new LogReplays()): Appraisal {
  const evidence = host.evidence({ ...listed, ima: [...listed.ima, ...ima] })
  const input = {
    reference,
    expected: host.expected,
    previous: null,
    governedDigests: new Set([program.digest]),
    replays,
  }
  if (split === null) return appraise({ ...input, evidence })
  const whole = replayImaLog(evidence.imaLog ?? Buffer.alloc(0))
  const imaBefore = { entries: split, pcr10: Buffer.from(whole.pcr10After(split)) }
  const bytes = [...listed.ima, ...ima]
    .slice(0, split)
    .reduce((sum, fields) => sum + imaEntry(fields).length, 0)
  const rest = evidence.imaLog?.subarray(bytes) ?? null
  return appraise({ ...input, evidence: { ...evidence, imaLog: rest }, imaBefore })
}

describe('an appraisal that goes on from a position in the IMA log', () => {
  const good = [{ path: '/bin/ls' }, program, { path: '/bin/sh' }]

  it('comes to what that of the whole log comes to, wherever it goes on', () => {
    const whole = judged(good, null)
    expect(whole.verdict).toBe('pass')
    // What lies before has passed by itself: at least boot_aggregate and the components.
    for (let split = listed.ima.length; split <= listed.ima.length + good.length; split++) {
      expect(judged(good, split), `from entry ${split}`).toEqual(whole)
    }
  })

  it.each<[string, ImaFields]>([
    ['an unknown file', { path: '/bin/evil', digest: sha256Hex(Buffer.from('evil')) }],
    ['a violation', { path: '/bin/ls', violation: true }],
    ['a second boot_aggregate that is wrong', { path: 'boot_aggregate', digest: '00'.repeat(32) }],
    ['another writd', { path: writd.path, digest: sha256Hex(Buffer.from('other')) }],
  ])('fails for %s like that of the whole log', (_, bad) => {
    const whole = judged([...good, bad], null)
    expect(whole.verdict).toBe('fail')
    for (let split = listed.ima.length; split <= listed.ima.length + good.length; split++) {
      expect(judged([...good, bad], split).reasons).toEqual(whole.reasons)
    }
  })

  it('fails where the entries before were others', () => {
    const evidence = host.evidence(listed)
    const appraisal = appraise({
      ...{ evidence: { ...evidence, imaLog: Buffer.alloc(0) }, reference, expected: host.expected },
      ...{ previous: null, governedDigests: new Set<string>() },
      imaBefore: { entries: listed.ima.length, pcr10: Buffer.alloc(32, 1) },
    })
    expect(appraisal.reasons.map(({ code }) => code)).toEqual(['QUOTE_PCR_DIGEST_MISMATCH'])
  })

  it('is not confused by replays that are kept', () => {
    const replays = new LogReplays()
    const whole = judged(good, null, replays)
    for (const split of [5, 4, null, 6, 5]) expect(judged(good, split, replays)).toEqual(whole)
  })

  it('is not refused for a log before it that was too large', () => {
    const log = host.evidence(listed).imaLog ?? Buffer.alloc(0)
    const replays = new LogReplays()
    expect(replays.imaLog(log, 'native').length).toBe(listed.ima.length)
    const large = Buffer.alloc(MAX_IMA_LOG_BYTES + 1)
    large.set(log)
    expect(() => replays.imaLog(large, 'native')).toThrow(
      expect.objectContaining({ code: 'IMA_LOG_TOO_LARGE' }),
    )
    expect(replays.imaLog(log, 'native').length).toBe(listed.ima.length)
  })
})
