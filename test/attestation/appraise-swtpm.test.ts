import { hash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type Appraisal,
  appraise,
  type ClockHistory,
  captureReferenceValues,
  encodeReferenceValues,
  LogReplays,
  parseReferenceValues,
  type WrittenReferenceValues,
} from '../../attestation/index.ts'
import type { Tpm } from '../../attestation/tpm2/index.ts'
import { QUOTED_SELECTION } from '../../attestation/tpm2/structures/index.ts'
import { replayMeasuredBoot } from '../../attestation/tpm2/swtpm/index.ts'
import { imaEntry } from './ima-log.ts'
import { recordedHost } from './recorded-host.ts'
import { quoteFor, type SimulatedHost, startSimulatedHost } from './tpm2/simulated-host.ts'

const { eventLog, userspaceLog, imaLog } = recordedHost('debian13-uki').evidence

let host: SimulatedHost
let tpm: Tpm
let reference: WrittenReferenceValues
let previous: ClockHistory | null = null
const replays = new LogReplays()

beforeAll(async () => {
  host = await startSimulatedHost()
  await replayMeasuredBoot(host.simulated, { eventLog, userspaceLog, imaLog })
  tpm = host.simulated.connect()
})
afterAll(async () => {
  await tpm?.close()
  await host?.end()
})

const ak = () => ({ publicArea: host.identity.akPublicArea, name: host.identity.akName })

async function cycle(nonce: number, ima: Uint8Array = imaLog): Promise<Appraisal> {
  const extraData = Buffer.alloc(32, nonce)
  const quote = await quoteFor(tpm, host.ak, extraData)
  const result = appraise({
    evidence: { quote, eventLog, userspaceLog, imaLog: ima },
    reference,
    expected: { ak: ak(), extraData },
    previous,
    governedDigests: new Set(),
    replays,
  })
  previous = result.history
  return result
}

// The steps follow each other on one TPM, as they would on one host.
describe('a recorded boot in a simulated TPM', () => {
  it('gives reference values, and passes by them cycle after cycle', async () => {
    const extraData = Buffer.alloc(32, 1)
    const quote = await quoteFor(tpm, host.ak, extraData)
    const document = captureReferenceValues({
      evidence: { quote, eventLog, userspaceLog, imaLog },
      expected: { ak: ak(), extraData },
      name: 'simulated',
      created: '2026-11-21T02:00:00.000Z',
      components: 'any',
    })
    reference = parseReferenceValues(encodeReferenceValues(document))
    for (const nonce of [2, 3, 4]) {
      expect(await cycle(nonce)).toMatchObject({
        verdict: 'pass',
        reasons: [],
        imaAttestedEntries: 509,
        imaEntries: 509,
      })
    }
  })

  it('passes while the IMA log runs ahead, since that is not attested yet', async () => {
    const ahead = Buffer.concat([imaLog, imaEntry({ path: '/bin/later' })])
    expect(await cycle(5, ahead)).toMatchObject({ verdict: 'pass', imaAttestedEntries: 509, imaEntries: 510 })
  })

  it('fails once a PCR is extended with what no log says, and names it if told the values', async () => {
    await tpm.pcrExtend(14, [{ bank: 'sha256', digest: Buffer.alloc(32, 0xbb) }])
    const failed = await cycle(6)
    expect(failed.verdict).toBe('fail')
    expect(failed.reasons.map(({ code }) => code)).toEqual(['QUOTE_PCR_DIGEST_MISMATCH'])

    const extraData = Buffer.alloc(32, 7)
    const quote = await quoteFor(tpm, host.ak, extraData)
    const claimedPcrs = (await tpm.readPcrs(QUOTED_SELECTION)).get('sha256')
    if (claimedPcrs === undefined) throw new Error('the TPM has a SHA-256 bank')
    const { reasons } = appraise({
      evidence: { quote, eventLog, userspaceLog, imaLog },
      reference,
      expected: { ak: ak(), extraData },
      previous,
      governedDigests: new Set(),
      claimedPcrs,
    })
    expect(reasons[0]?.message).toContain('PCR 14')
  })

  it('passes again after a boot, and says that there was one', async () => {
    await tpm.close()
    await replayMeasuredBoot(host.simulated, { eventLog, userspaceLog, imaLog })
    tpm = host.simulated.connect()
    const result = await cycle(8)
    expect(result).toMatchObject({ verdict: 'pass', clockStep: 'rebooted' })
    expect(result.reasons.map(({ code }) => code)).toEqual(['HOST_REBOOTED'])
  })

  it('fails without a replay of the boot', async () => {
    await tpm.close()
    await host.simulated.reset()
    tpm = host.simulated.connect()
    expect((await cycle(9)).reasons.map(({ code }) => code)).toContain('QUOTE_PCR_DIGEST_MISMATCH')
  })
})

describe('a recorded boot on which the daemon was measured', () => {
  const path = '/usr/lib/writ/writd'
  const [good, changed] = ['writd', 'writd, changed'].map(text => hash('sha256', text))
  const measured = (digest = good, at = path) =>
    imaEntry({ template: 'ima-sig', path: at, digest: digest ?? '' })
  /** Boots anew with these entries after those that were recorded, and appraises by values that name the daemon. */
  const appraiseWith = async (...entries: Buffer[]): Promise<string[]> => {
    const log = Buffer.concat([imaLog, ...entries])
    await tpm.close()
    await replayMeasuredBoot(host.simulated, { eventLog, userspaceLog, imaLog: log })
    tpm = host.simulated.connect()
    const { document } = reference
    const named = parseReferenceValues(
      encodeReferenceValues({
        ...document,
        components: [{ name: 'writd', path, digests: [`sha256:${good}`] }],
      }),
    )
    const extraData = Buffer.alloc(32, 20)
    const { reasons } = appraise({
      evidence: { quote: await quoteFor(tpm, host.ak, extraData), eventLog, userspaceLog, imaLog: log },
      reference: named,
      expected: { ak: ak(), extraData },
      previous: null,
      governedDigests: new Set(),
    })
    return reasons.filter(({ severity }) => severity === 'fail').map(({ code }) => code)
  }

  it('passes, and fails when it was changed, never measured or measured elsewhere', async () => {
    expect(await appraiseWith(measured())).toEqual([])
    expect(await appraiseWith(measured(), measured(changed))).toEqual(['COMPONENT_CHANGED'])
    expect(await appraiseWith(measured(changed))).toEqual(['COMPONENT_NOT_MEASURED', 'COMPONENT_CHANGED'])
    expect(await appraiseWith()).toEqual(['COMPONENT_NOT_MEASURED'])
    expect(await appraiseWith(measured(good, 'memfd:writd'))).toEqual([
      'COMPONENT_NOT_MEASURED',
      'IMA_ENTRY_UNKNOWN',
    ])
  })
})
