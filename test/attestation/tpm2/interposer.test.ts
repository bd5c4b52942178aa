import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SwtpmTransport, Tpm } from '../../../attestation/tpm2/index.ts'
import { leftovers, quoteFor, type SimulatedHost, startSimulatedHost } from './simulated-host.ts'

const QUOTE = 0x158
const NV_READ = 0x14e

/** Somebody on the line between us and the TPM, who may change each answer. */
class Interposer {
  change: (code: number, answer: Buffer) => Buffer[] = (_code, answer) => [answer]
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  constructor(path: string, tpmPath: string) {
    this.#server = createServer(client => {
      const tpm = createConnection(tpmPath)
      this.#sockets.add(client).add(tpm)
      let code = 0
      client.on('data', (data: Buffer) => {
        code = data.readUInt32BE(6)
        tpm.write(data)
      })
      tpm.on('data', (data: Buffer) => {
        for (const piece of this.change(code, data)) client.write(piece)
      })
      for (const [a, b] of [
        [client, tpm],
        [tpm, client],
      ] as const) {
        a.on('error', () => undefined)
        a.on('close', () => b.destroy())
      }
    }).listen(path)
  }

  async end() {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise(resolve => this.#server.close(resolve))
  }
}

let host: SimulatedHost
let line: Interposer
let tpm: Tpm

beforeAll(async () => {
  host = await startSimulatedHost()
  const path = join(host.dir, 'line')
  line = new Interposer(path, host.simulated.paths.socket)
  tpm = new Tpm(new SwtpmTransport(path), { commandTimeoutMs: 500 })
})
afterAll(async () => {
  await tpm.close()
  await line.end()
  await host.end()
})

function flip(answer: Buffer, at: number): Buffer {
  const copy = Buffer.from(answer)
  copy[at] = (copy[at] ?? 0) ^ 0x01
  return copy
}

describe('an interposer', () => {
  it('that changes any byte of a quote is noticed', async () => {
    let length = 0
    line.change = (code, answer) => {
      if (code === QUOTE) length = answer.length
      return [answer]
    }
    await quoteFor(tpm, host.ak)
    expect(length).toBeGreaterThan(200)
    for (let at = 0; at < length; at++) {
      line.change = (code, answer) => [code === QUOTE ? flip(answer, at) : answer]
      const error = await quoteFor(tpm, host.ak).then(
        () => undefined,
        (error: { code: string }) => error.code,
      )
      expect(error, `byte ${at}`).toMatch(/^TPM_(UNAUTHENTIC|MALFORMED|RC|TIMEOUT)$/)
      // Everything inside of the authenticated parameters is caught by the HMAC and nothing else.
      if (at >= 14 && at < length - 69) expect(error, `byte ${at}`).toBe('TPM_UNAUTHENTIC')
    }
    line.change = (_code, answer) => [answer]
    expect(await leftovers(tpm)).toEqual([])
  })

  it('that gives an older value of the counter is noticed', async () => {
    const counter = tpm.nvCounter(host.identity.nvCounterIndex, host.secrets.nvCounterAuth)
    let recorded: Buffer | undefined
    line.change = (code, answer) => {
      if (code === NV_READ) recorded ??= Buffer.from(answer)
      return [answer]
    }
    const old = await counter.read()
    await counter.increment()
    line.change = (code, answer) => [code === NV_READ && recorded ? recorded : answer]
    await expect(counter.read()).rejects.toMatchObject({ code: 'TPM_UNAUTHENTIC' })
    line.change = (_code, answer) => [answer]
    expect(await counter.read()).toBe(old + 1n)
  })

  it('that cuts answers into pieces changes nothing', async () => {
    line.change = (_code, answer) => [answer.subarray(0, 3), answer.subarray(3, 40), answer.subarray(40)]
    await quoteFor(tpm, host.ak)
  })

  it.each([
    ['adds bytes', (answer: Buffer) => [Buffer.concat([answer, Buffer.alloc(1)])], 'TPM_MALFORMED'],
    ['says an enormous size', () => [Buffer.from('8001ffffffff00000000', 'hex')], 'TPM_MALFORMED'],
    ['says a tiny size', () => [Buffer.from('80010000000300000000', 'hex')], 'TPM_MALFORMED'],
    ['leaves out the end', (answer: Buffer) => [answer.subarray(0, -1)], 'TPM_TIMEOUT'],
  ])('that %s is noticed, and the next command is none the worse', async (_what, change, code) => {
    line.change = (_code, answer) => change(answer)
    await expect(tpm.readClock()).rejects.toMatchObject({ code })
    line.change = (_code, answer) => [answer]
    await quoteFor(tpm, host.ak)
  })

  it('that answers before it is asked loses the connection, and is not listened to', async () => {
    line.change = (code, answer) => (code === 0x181 ? [answer, answer] : [answer])
    await tpm.readClock().catch(() => undefined)
    line.change = (_code, answer) => [answer]
    expect((await tpm.vendor()).manufacturer).toBe('IBM')
  })
})
