import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { QUOTED_SELECTION } from '../../attestation/index.ts'
import type { Tpm } from '../../attestation/tpm2/index.ts'
import { type CheckpointSigner, exportLog, type Lineage, verifyLog } from '../../lineage/index.ts'
import { generateKey } from '../../signing/key.ts'
import { type SimulatedHost, startSimulatedHost } from '../attestation/tpm2/simulated-host.ts'
import { CONFIG, daemonStart, fill, openLog, temporaryDirectory } from './support/log.ts'

describe('on a simulated TPM', () => {
  const logKey = generateKey('ed25519')
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

  function signer(): CheckpointSigner {
    return {
      logKey,
      ak: { publicArea: host.identity.akPublicArea, name: host.identity.akName },
      quote: extraData =>
        tpm.quote({ ak: host.ak, extraData, selection: QUOTED_SELECTION, requester: { kind: 'checkpoint' } }),
    }
  }

  function open(directory: string): Promise<Lineage> {
    const counter = tpm.nvCounter(host.identity.nvCounterIndex, host.secrets.nvCounterAuth)
    return openLog(directory, { signer: signer(), counter })
  }

  it('signs checkpoints that verify with the enrolled key, and counts starts and stops', async () => {
    const directory = temporaryDirectory()
    const counter = tpm.nvCounter(host.identity.nvCounterIndex, host.secrets.nvCounterAuth)
    const before = await counter.read()
    const log = await open(directory)
    await log.putBlob(CONFIG)
    await log.putBlob(CONFIG)
    await log.append(daemonStart(logKey, host.identity.akName.toString('hex')))
    await fill(log, 1, 300)
    const first = await log.checkpoint()
    await fill(log, 300, 310)
    await log.checkpoint()
    await log.close()
    expect(await counter.read()).toBe(before + 2n)
    const target = join(temporaryDirectory(), 'export')
    await exportLog(directory, target)
    const { results } = await verifyLog(target, { ak: signer().ak, earlier: [first.note] })
    expect(results.filter(({ status }) => status !== 'VERIFIED')).toEqual([])
  })

  it('goes on after the TPM was away: what was to be signed is signed first', async () => {
    const directory = temporaryDirectory()
    const log = await open(directory)
    await fill(log, 0, 5)
    await host.simulated.kill()
    await expect(log.checkpoint()).rejects.toMatchObject({ name: 'TpmError' })
    // Writing goes on without the TPM.
    await fill(log, 5, 8)
    await host.simulated.start()
    expect((await log.checkpoint()).size).toBe(8)
    await log.close()
    const reopened = await open(directory)
    expect([reopened.openedAfterUncleanStop, reopened.size]).toEqual([false, 8n])
    await reopened.close()
  })
})
