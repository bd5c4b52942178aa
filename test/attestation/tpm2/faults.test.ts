import { createConnection, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { SwtpmTransport, Tpm, TpmError } from '../../../attestation/tpm2/index.ts'
import { leftovers, quoteFor, type SimulatedHost, startSimulatedHost } from './simulated-host.ts'

let host: SimulatedHost
let tpm: Tpm

beforeAll(async () => {
  host = await startSimulatedHost()
})
afterAll(() => host.end())
beforeEach(async () => {
  host.simulated.resume()
  await host.simulated.start()
  tpm = host.simulated.connect({ commandTimeoutMs: 300 })
})
afterEach(() => tpm.close())

describe('a TPM that fails', () => {
  it('that was killed is unavailable, and used again once it is back', async () => {
    await quoteFor(tpm, host.ak)
    await host.simulated.kill()
    await expect(quoteFor(tpm, host.ak)).rejects.toMatchObject({ code: 'TPM_UNAVAILABLE' })
    await host.simulated.start()
    await quoteFor(tpm, host.ak)
    // A power loss leaves the clock unsafe: that the quote says so is what an appraisal goes by.
    expect((await tpm.readClock()).safe).toBe(false)
  })

  it('that is killed in the middle of a command is unavailable', async () => {
    host.simulated.hang()
    const quote = quoteFor(tpm, host.ak)
    const failed = expect(quote).rejects.toMatchObject({ code: 'TPM_UNAVAILABLE' })
    await sleep(50)
    await host.simulated.kill()
    await failed
  })

  it('that hangs is a timeout, not a wait, and what it left behind is freed once it answers', async () => {
    await quoteFor(tpm, host.ak)
    host.simulated.hang()
    for (let i = 0; i < 4; i++) {
      const before = performance.now()
      await expect(quoteFor(tpm, host.ak)).rejects.toMatchObject({ code: 'TPM_TIMEOUT' })
      expect(performance.now() - before).toBeLessThan(1_000)
    }
    host.simulated.resume()
    await quoteFor(tpm, host.ak)
    expect(await leftovers(tpm)).toEqual([])
  })

  it('whose backlog is full is waited for, and not for ever', async () => {
    await quoteFor(tpm, host.ak)
    await tpm.close()
    host.simulated.hang()
    const waiting: Socket[] = []
    const full = await new Promise(resolve => {
      const another = () => {
        const socket = createConnection(host.simulated.paths.socket)
        waiting.push(socket)
        socket.once('connect', another).once('error', ({ code }: NodeJS.ErrnoException) => resolve(code))
      }
      another()
    })
    expect(full).toBe('EAGAIN')
    tpm = host.simulated.connect({ commandTimeoutMs: 300 })
    await expect(quoteFor(tpm, host.ak)).rejects.toMatchObject({ code: 'TPM_TIMEOUT' })
    const quote = quoteFor(tpm, host.ak)
    await sleep(50)
    for (const socket of waiting) socket.destroy()
    host.simulated.resume()
    await quote
  })

  it('that was restarted is used again without an error', async () => {
    await quoteFor(tpm, host.ak)
    const { resetCount } = await tpm.readClock()
    await host.simulated.restart()
    await quoteFor(tpm, host.ak)
    expect((await tpm.readClock()).resetCount).toBe(resetCount + 1)
  })

  it('that was suspended and resumed keeps its PCRs', async () => {
    await tpm.pcrExtend(16, [{ bank: 'sha256', digest: Buffer.alloc(32, 5) }])
    await tpm.pcrExtend(14, [{ bank: 'sha256', digest: Buffer.alloc(32, 5) }])
    const pcrs = [{ bank: 0x000b, pcrs: [14] }]
    const before = await tpm.readPcrs(pcrs)
    const { restartCount } = await tpm.readClock()
    await host.simulated.restart('state')
    expect(await tpm.readPcrs(pcrs)).toEqual(before)
    expect((await tpm.readClock()).restartCount).toBe(restartCount + 1)
    await host.simulated.restart()
    expect((await tpm.readPcrs(pcrs)).get('sha256')?.get(14)).toEqual(Buffer.alloc(32))
  })

  it('that was reset and not started up says so, and works after its startup', async () => {
    await quoteFor(tpm, host.ak)
    await host.simulated.powerCycle()
    await expect(quoteFor(tpm, host.ak)).rejects.toMatchObject({ code: 'TPM_RC', rc: 0x100 })
    await host.simulated.startUp()
    await quoteFor(tpm, host.ak)
  })

  it('whose sessions were lost between two commands is asked once more', async () => {
    await quoteFor(tpm, host.ak)
    const thief = new LossyTransport(host.simulated.paths.socket)
    const robbed = new Tpm(thief)
    thief.resetAfter = 0x176
    thief.reset = () => host.simulated.reset()
    await quoteFor(robbed, host.ak)
    expect(thief.resets).toBe(1)
    await robbed.close()
  })

  it('never gets an increment twice', async () => {
    const auth = host.secrets.nvCounterAuth
    const before = await tpm.nvCounter(host.identity.nvCounterIndex, auth).read()
    const lossy = new LossyTransport(host.simulated.paths.socket)
    lossy.loseAnswerTo = 0x134
    const robbed = new Tpm(lossy)
    await expect(robbed.nvCounter(host.identity.nvCounterIndex, auth).increment()).rejects.toMatchObject({
      code: 'TPM_UNAVAILABLE',
    })
    await robbed.close()
    expect(await tpm.nvCounter(host.identity.nvCounterIndex, auth).read()).toBe(before + 1n)
  })

  it('that was replaced by another one does not have the AK', async () => {
    await host.simulated.replace()
    await expect(quoteFor(tpm, host.ak)).rejects.toMatchObject({ name: 'TpmError' })
    await host.end()
    host = await startSimulatedHost()
  })
})

describe('a TPM that others use too', () => {
  it('is waited for while another process holds the socket, and not for ever', async () => {
    const other = createConnection(host.simulated.paths.socket)
    await new Promise(resolve => other.once('connect', resolve))
    await sleep(50)
    await expect(quoteFor(tpm, host.ak)).rejects.toMatchObject({ code: 'TPM_TIMEOUT' })
    const quote = quoteFor(tpm, host.ak)
    await sleep(50)
    other.destroy()
    await quote
  })

  it('is left to them between two commands', async () => {
    const second = host.simulated.connect({ commandTimeoutMs: 1_000 })
    for (let i = 0; i < 5; i++) {
      await quoteFor(tpm, host.ak)
      await quoteFor(second, host.ak)
    }
    await second.close()
  })

  it('that is full of sessions of a client that died is cleared', async () => {
    const dead = host.simulated.connect()
    for (let i = 0; i < 3; i++) await dead.startAuthSession('HMAC')
    await expect(dead.startAuthSession('HMAC')).rejects.toMatchObject({ rc: 0x903 })
    await dead.close()
    await quoteFor(tpm, host.ak)
    expect(await leftovers(tpm)).toEqual([])
  })

  it('and that fills up while we use it is cleared as well', async () => {
    await quoteFor(tpm, host.ak)
    const careless = host.simulated.connect()
    for (let i = 0; i < 3; i++) await careless.startAuthSession('HMAC')
    await careless.close()
    await quoteFor(tpm, host.ak)
  })
})

describe('a closed Tpm', () => {
  it('refuses, and lets go of the TPM', async () => {
    await quoteFor(tpm, host.ak)
    await tpm.close()
    await expect(quoteFor(tpm, host.ak)).rejects.toMatchObject({ code: 'TPM_CLOSED' })
  })
})

/** The real transport, with one accident at a chosen command. */
class LossyTransport extends SwtpmTransport {
  /** Resets the TPM once after this command was answered. */
  resetAfter = 0
  reset: () => Promise<void> = async () => undefined
  resets = 0
  /** Drops the connection once when the answer to this command has come. */
  loseAnswerTo = 0

  override async transmit(command: Buffer, timeoutMs: number): Promise<Buffer> {
    const code = command.readUInt32BE(6)
    const answer = await super.transmit(command, timeoutMs)
    if (code === this.resetAfter) {
      this.resetAfter = 0
      this.resets++
      await this.release()
      await this.reset()
    }
    if (code === this.loseAnswerTo) {
      this.loseAnswerTo = 0
      await this.release()
      throw new TpmError('TPM_UNAVAILABLE', 'connection lost after the command was done')
    }
    return answer
  }
}
