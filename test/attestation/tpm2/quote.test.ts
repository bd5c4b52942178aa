import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifyQuote } from '../../../attestation/index.ts'
import type { Tpm } from '../../../attestation/tpm2/index.ts'
import { QUOTED_SELECTION } from '../../../attestation/tpm2/structures/index.ts'
import { leftovers, quoteFor, type SimulatedHost, startSimulatedHost } from './simulated-host.ts'

let host: SimulatedHost
let tpm: Tpm

beforeAll(async () => {
  host = await startSimulatedHost()
  tpm = host.simulated.connect()
})
afterAll(async () => {
  await tpm.close()
  await host.end()
})

describe('quote', () => {
  it('is by the enrolled AK, over our data and our PCRs', async () => {
    const extraData = Buffer.alloc(32, 0xab)
    const quote = await quoteFor(tpm, host.ak, extraData)
    const ak = { publicArea: host.identity.akPublicArea, name: host.identity.akName }
    const verified = verifyQuote(quote, { ak, extraData, pcrSelection: QUOTED_SELECTION })
    // A key outside of the endorsement hierarchy would show these two obfuscated (TPM 2.0 Part 1, section 36.7).
    expect(verified.clock.resetCount).toBe((await tpm.readClock()).resetCount)
    expect(verified.firmwareVersion).toBe((await tpm.vendor()).firmwareVersion)
  })

  it.each([
    ['another authValue', Buffer.alloc(32, 1)],
    ['no authValue', Buffer.alloc(0)],
  ])('is refused with %s, and the session is freed', async (_what, auth) => {
    await expect(quoteFor(tpm, { ...host.ak, auth })).rejects.toMatchObject({
      code: 'TPM_AUTH_FAILED',
      rc: 0x9a2,
    })
    expect(await leftovers(tpm)).toEqual([])
  })

  it('is refused when the key at the handle has another Name than the one expected', async () => {
    const name = Buffer.from(host.ak.name)
    name[10] = (name[10] ?? 0) ^ 1
    await expect(quoteFor(tpm, { ...host.ak, name })).rejects.toMatchObject({ code: 'TPM_AUTH_FAILED' })
  })

  it('is refused when there is no key', async () => {
    await expect(quoteFor(tpm, { ...host.ak, handle: 0x8101ffff })).rejects.toMatchObject({ code: 'TPM_RC' })
    expect(await leftovers(tpm)).toEqual([])
  })

  it('leaves nothing in the TPM after 10,000 cycles', { timeout: 120_000 }, async () => {
    for (let cycle = 0; cycle < 10_000; cycle++) await quoteFor(tpm, host.ak)
    expect(await leftovers(tpm)).toEqual([])
  })
})

describe('other commands', () => {
  it('reads all PCRs of an instant in all banks', async () => {
    const all = Array.from({ length: 24 }, (_, pcr) => pcr)
    const values = await tpm.readPcrs([
      { bank: 0x0004, pcrs: all },
      { bank: 0x000b, pcrs: all },
    ])
    expect(values.get('sha1')?.size).toBe(24)
    expect(values.get('sha256')?.get(17)).toEqual(Buffer.alloc(32, 0xff))
    await expect(tpm.readPcrs([{ bank: 0x0012, pcrs: [0] }])).rejects.toMatchObject({ name: 'TpmError' })
  })

  it('says who made the TPM', async () => {
    expect(await tpm.vendor()).toMatchObject({ manufacturer: 'IBM', vendorString: 'SW   TPM', revision: 164 })
  })

  it('gives random bytes and the clock', async () => {
    expect(await tpm.getRandom(16)).toHaveLength(16)
    const clock = await tpm.readClock()
    expect(clock.safe).toBe(true)
    expect(clock.time).toBeGreaterThan(0n)
  })

  it('has no object and no index where there is none', async () => {
    expect(await tpm.readPublic(0x81010099)).toBeUndefined()
    expect(await tpm.nvReadPublic(0x01800001)).toBeUndefined()
  })

  it('starts and flushes sessions', async () => {
    const { handle } = await tpm.startAuthSession('HMAC')
    expect(await tpm.handles('HMAC_SESSION')).toEqual([handle])
    await tpm.flushContext(handle)
    expect(await leftovers(tpm)).toEqual([])
  })
})

describe('counter', () => {
  it('goes up by one', async () => {
    const counter = tpm.nvCounter(host.identity.nvCounterIndex, host.secrets.nvCounterAuth)
    const before = await counter.read()
    expect(await counter.increment()).toBe(before + 1n)
    expect(await counter.read()).toBe(before + 1n)
    expect(await leftovers(tpm)).toEqual([])
  })

  it('is closed to another authValue', async () => {
    const counter = tpm.nvCounter(host.identity.nvCounterIndex, Buffer.alloc(32, 9))
    await expect(counter.read()).rejects.toMatchObject({ code: 'TPM_AUTH_FAILED' })
    await expect(counter.increment()).rejects.toMatchObject({ code: 'TPM_AUTH_FAILED' })
    expect(await leftovers(tpm)).toEqual([])
  })

  it('is not an index of another kind, and not one that is not there', async () => {
    await expect(tpm.nvCounter(0x01c00002, Buffer.alloc(0)).read()).rejects.toMatchObject({
      code: 'TPM_MALFORMED',
    })
    await expect(tpm.nvCounter(0x01800001, Buffer.alloc(0)).read()).rejects.toMatchObject({ code: 'TPM_RC' })
  })
})
