import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startSimulatedTpm } from '../../../attestation/tpm2/swtpm/index.ts'
import { temporaryDir } from './simulated-host.ts'

let dir: string

beforeAll(async () => {
  dir = await temporaryDir()
})
afterAll(() => rm(dir, { recursive: true, force: true }))

describe('a simulated TPM', () => {
  it('keeps its EK over a stop, and has another after it was replaced', async () => {
    const simulated = await startSimulatedTpm({ dir: join(dir, 'tpm') })
    const pid = simulated.pid ?? 0
    const tpm = simulated.connect()
    const ek = await tpm.readPublic(0x81010001)
    const { resetCount } = await tpm.readClock()
    await simulated.stop()
    expect(existsSync(`/proc/${pid}`)).toBe(false)
    await simulated.start()
    expect(await tpm.readPublic(0x81010001)).toEqual(ek)
    expect(await tpm.readClock()).toMatchObject({ resetCount: resetCount + 1, safe: true })
    await simulated.replace()
    expect(await tpm.readPublic(0x81010001)).not.toEqual(ek)
    await tpm.close()
    await simulated.stop()
  })

  it('stops also when it hangs', async () => {
    const simulated = await startSimulatedTpm({ dir: join(dir, 'tpm') })
    const pid = simulated.pid ?? 0
    simulated.hang()
    await simulated.stop()
    expect(existsSync(`/proc/${pid}`)).toBe(false)
    expect(simulated.pid).toBeUndefined()
  })

  it.each([
    ['relative', 'some/where'],
    ['with a comma', '/tmp/a,b'],
    ['with a line break', '/tmp/a\nb'],
    ['too long', `/tmp/${'x'.repeat(100)}`],
  ])('is not made in a directory that is %s', async (_what, path) => {
    await expect(startSimulatedTpm({ dir: path })).rejects.toMatchObject({ code: 'PATH_UNSUPPORTED' })
  })
})
