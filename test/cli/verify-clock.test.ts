import { describe, expect, test } from 'vitest'
import { ST_ATTEST_QUOTE, TPM_GENERATED } from '../../attestation/tpm2/structures/index.ts'
import { LogState } from '../../cli/verify/log-state.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import type { LineageEvent } from '../../lineage/index.ts'
import { encodeAttest } from '../attestation/software-quote.ts'

const HOUR = 3_600_000
const START = Date.parse('2026-11-21T02:00:00.000Z')

/** A log in the making: `wall`, `boot` and `tpm` are the clocks, in ms. */
function log() {
  const blobs = new Map<string, Buffer>()
  const state = new LogState([], async asked => blobs.get(asked) ?? expect.fail(`no blob ${asked}`), null)
  const time = { wall: START, boot: 60_000, tpm: 700_000, resetCount: 3 }
  let index = 0
  const put = (body: object) => {
    const common = { v: 1, time: new Date(time.wall).toISOString(), bootNs: String(time.boot * 1_000_000) }
    return state.apply({ index: index++, event: { ...common, ...body } as LineageEvent })
  }
  const quote = (verdict: 'pass' | 'fail' = 'pass') => {
    const { tpm, resetCount } = time
    const bytes = encodeAttest({
      ...{
        magic: TPM_GENERATED,
        type: ST_ATTEST_QUOTE,
        qualifiedSigner: Buffer.alloc(34),
        extraData: Buffer.alloc(32),
      },
      clock: { clock: BigInt(tpm), resetCount, restartCount: 0, safe: true },
      ...{ firmwareVersion: 1n, pcrSelection: [], pcrDigest: Buffer.alloc(32) },
    })
    const attest = sha256Hex(bytes)
    blobs.set(attest, bytes)
    // What the entry says of the TPM's clock is nothing that is gone by.
    const clock = { clock: '1', resetCount: 3, restartCount: 0, safe: true }
    return put({ type: 'appraisal', verdict, evidence: { attest }, binding: {}, clock, reasons: [] })
  }
  const pass = (ms: number) => {
    time.wall += ms
    time.boot += ms
    time.tpm += ms
  }
  const lose = () => put({ type: 'clock-untrusted', why: 'it was set' })
  const regain = (by: 'return' | 'tpm') => put({ type: 'clock-trusted', by, digest: null, blob: null })
  return { time, quote, pass, lose, regain }
}

/** A good quote, and ten seconds later the clock is found wrong. */
async function inDoubt() {
  const it = log()
  await it.quote()
  it.pass(10_000)
  await it.lose()
  return it
}

describe('a wall clock that the log says is relied on again', () => {
  test('by return: borne out by a quote where it is where it was expected', async () => {
    const it = await inDoubt()
    it.pass(HOUR)
    await it.quote()
    expect(await it.regain('return')).toBeNull()
  })

  test('by the TPM: borne out where the boot clock stood still', async () => {
    const it = await inDoubt()
    it.time.tpm += HOUR
    it.time.wall += HOUR
    await it.quote()
    expect(await it.regain('tpm')).toBeNull()
    // From there on it is expected where it now is.
    it.pass(10_000)
    await it.lose()
    await it.quote()
    expect(await it.regain('return')).toBeNull()
  })

  type It = Awaited<ReturnType<typeof inDoubt>>
  const quoteAfter = (it: It, step: Partial<It['time']>) => {
    for (const [clock, by] of Object.entries(step)) it.time[clock as keyof It['time']] += by
    return it.quote()
  }
  test.each<[string, (it: It) => unknown, 'return' | 'tpm', RegExp]>([
    ['without a quote since', () => undefined, 'return', /without a quote/],
    ['with a quote of a host that failed', it => it.quote('fail'), 'tpm', /without a quote/],
    ['by return, an hour ahead', it => quoteAfter(it, { wall: HOUR }), 'return', /set forward by/],
    ['by return, an hour behind', it => quoteAfter(it, { wall: -HOUR }), 'return', /behind/],
    [
      'by return, with a boot clock that was slowed with it',
      it => quoteAfter(it, { tpm: HOUR }),
      'return',
      /while the TPM's went on by 3610/,
    ],
    [
      'by the TPM, an hour ahead of it',
      it => quoteAfter(it, { wall: HOUR }),
      'tpm',
      /went on by 3610.* while the TPM's went on by 10/,
    ],
    [
      'by the TPM, an hour behind it',
      it => quoteAfter(it, { tpm: HOUR }),
      'tpm',
      /while the TPM's went on by 3610/,
    ],
    [
      'by a TPM that was reset meanwhile',
      it => quoteAfter(it, { wall: HOUR, resetCount: 1 }),
      'tpm',
      /reset or restarted/,
    ],
  ])('%s, is found out', async (_, change, by, why) => {
    const it = await inDoubt()
    await change(it)
    expect(await it.regain(by)).toMatch(why)
  })

  test('by a TPM of which there was no quote before, or that was never in doubt, is found out', async () => {
    const it = log()
    await it.lose()
    await it.quote()
    expect(await it.regain('tpm')).toMatch(/no quote came before/)
    expect(await it.regain('return')).toMatch(/relied on already/)
  })
})
