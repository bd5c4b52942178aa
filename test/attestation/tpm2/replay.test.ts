import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseEventLog, replayEventLog } from '../../../attestation/eventlog/index.ts'
import type { Tpm } from '../../../attestation/tpm2/index.ts'
import { imaTemplates } from '../../../attestation/tpm2/swtpm/ima-templates.ts'
import { replayMeasuredBoot } from '../../../attestation/tpm2/swtpm/index.ts'
import { type SimulatedHost, startSimulatedHost } from './simulated-host.ts'

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

const PCRS = Array.from({ length: 16 }, (_, pcr) => pcr)

async function recorded(name: string) {
  const file = (path: string) => readFile(join(import.meta.dirname, '../../fixtures/hosts', name, path))
  return {
    eventLog: await file('eventlog.bin'),
    userspaceLog: await file('userspace.jsonseq'),
    imaLog: await file('ima.bin'),
    pcrread: await file('pcrread.txt').then(String),
  }
}

/** `  sha256:` and then `    0 : 0xAB…`, as tpm2_pcrread prints. */
function printedPcrs(text: string, bank: string): string[] {
  const [, after = ''] = text.split(`${bank}:`)
  return PCRS.map(
    pcr => after.match(new RegExp(`^\\s*${pcr}\\s*: 0x([0-9A-F]+)`, 'm'))?.[1]?.toLowerCase() ?? '',
  )
}

describe.each(['debian13-uki', 'debian13-uki-secureboot'])('the recorded boot of %s', name => {
  it('gives the PCRs that the host had, in both banks', async () => {
    const boot = await recorded(name)
    const extended = await replayMeasuredBoot(host.simulated, boot)
    expect(extended).toBeGreaterThan(500)
    const banks = { sha1: 0x0004, sha256: 0x000b } as const
    for (const [bank, id] of Object.entries(banks) as ['sha1' | 'sha256', number][]) {
      const got = (await tpm.readPcrs([{ bank: id, pcrs: PCRS }])).get(bank)
      const expected = printedPcrs(boot.pcrread, bank)
      expect(expected.every(value => value.length === (bank === 'sha1' ? 40 : 64))).toBe(true)
      for (const pcr of PCRS) {
        // IMA went on between the log's reading and this one.
        if (pcr !== 10) expect(got?.get(pcr)?.toString('hex'), `${bank} PCR ${pcr}`).toBe(expected[pcr])
      }
    }
  })

  it('begins from a reset each time', async () => {
    const boot = await recorded(name)
    await replayMeasuredBoot(host.simulated, boot)
    const once = await tpm.readPcrs([{ bank: 0x000b, pcrs: PCRS }])
    await replayMeasuredBoot(host.simulated, boot)
    expect(await tpm.readPcrs([{ bank: 0x000b, pcrs: PCRS }])).toEqual(once)
    expect((await tpm.readClock()).safe).toBe(true)
  })
})

describe('a boot from another locality', () => {
  it('starts PCR 0 with it', async () => {
    const { eventLog } = await recorded('debian13-uki')
    const log = withStartupLocality(eventLog, 3)
    await replayMeasuredBoot(host.simulated, { eventLog: log })
    const pcr0 = (await tpm.readPcrs([{ bank: 0x000b, pcrs: [0] }])).get('sha256')?.get(0)
    expect(pcr0).toEqual(replayEventLog(parseEventLog(log), 'sha256').pcrs.get(0))
    expect(pcr0).not.toEqual(replayEventLog(parseEventLog(eventLog), 'sha256').pcrs.get(0))
  })

  it('is refused if that was an H-CRTM', async () => {
    const { eventLog } = await recorded('debian13-uki')
    await expect(
      replayMeasuredBoot(host.simulated, { eventLog: withStartupLocality(eventLog, 4) }),
    ).rejects.toMatchObject({ code: 'NOT_REPLAYABLE' })
  })
})

describe('IMA templates', () => {
  it('of a violation extend all ones', async () => {
    const { eventLog } = await recorded('debian13-uki')
    const violation = Buffer.concat([
      le32(10),
      Buffer.alloc(20),
      le32(6),
      Buffer.from('ima-ng'),
      le32(1),
      Buffer.alloc(1),
    ])
    expect([...imaTemplates(violation)]).toEqual([{ pcr: 10, violation: true, data: Buffer.alloc(1) }])
    await replayMeasuredBoot(host.simulated, { eventLog, imaLog: violation })
    const expected = (await import('node:crypto')).hash('sha256', Buffer.alloc(64).fill(0xff, 32), 'hex')
    const got = (await tpm.readPcrs([{ bank: 0x000b, pcrs: [10] }])).get('sha256')?.get(10)?.toString('hex')
    expect(got).toBe(expected)
  })

  it('of the oldest kind hash a padded name', () => {
    const entry = Buffer.concat([
      le32(10),
      Buffer.alloc(20, 1),
      le32(3),
      Buffer.from('ima'),
      Buffer.alloc(20, 2),
      le32(4),
      Buffer.from('/bin'),
    ])
    const [template] = imaTemplates(entry)
    expect(template?.data).toHaveLength(20 + 256)
    expect(template?.data.subarray(20, 25).toString()).toBe('/bin\0')
  })
})

/** Puts a StartupLocality event after the log's header, with the zero digests that firmware writes. */
function withStartupLocality(eventLog: Buffer, locality: number): Buffer {
  const headerEnd = 32 + eventLog.readUInt32LE(28)
  const event = Buffer.concat([
    le32(0),
    le32(3),
    le32(2),
    Buffer.from([0x04, 0x00]),
    Buffer.alloc(20),
    Buffer.from([0x0b, 0x00]),
    Buffer.alloc(32),
    le32(17),
    Buffer.from('StartupLocality\0'),
    Buffer.of(locality),
  ])
  return Buffer.concat([eventLog.subarray(0, headerEnd), event, eventLog.subarray(headerEnd)])
}

function le32(value: number): Buffer {
  const out = Buffer.alloc(4)
  out.writeUInt32LE(value)
  return out
}
