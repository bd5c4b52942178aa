import { connect as connectHttp2, constants } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { api } from '../../../proto/client.ts'
import { type Rig, startRig } from './rig.ts'

/** RFC 9113 section 3.4. */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

let rig: Rig
beforeEach(async () => {
  rig = await startRig()
})
afterEach(() => rig.stop())

/** The server still answers a good caller, and nothing was called an internal error. */
async function alive(): Promise<void> {
  expect((await rig.client().call(api.attestation.GetStatus, {})).status?.state).toBe('GATE_STATE_ATTESTED')
  expect(rig.errors).toEqual([])
}

/** Sends bytes on a connection of its own and leaves, abruptly or not. */
function send(bytes: Uint8Array, abrupt: boolean): Promise<void> {
  return new Promise(resolve => {
    const socket: Socket = connect(rig.socket)
    socket.on('error', () => {})
    socket.once('close', () => resolve())
    socket.resume()
    socket.once('connect', () => {
      socket.write(bytes, () => {
        if (abrupt) socket.destroy()
        else socket.end()
      })
    })
    setTimeout(() => socket.destroy(), 200).unref()
  })
}

/** An HTTP/2 frame (RFC 9113 section 4.1). */
function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

const anyFrame = fc
  .tuple(fc.nat(12), fc.nat(255), fc.nat(9), fc.uint8Array({ maxLength: 60 }))
  .map(([type, flags, stream, payload]) => frame(type, flags, stream, payload))

describe('the socket', () => {
  it('outlives any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (bytes, abrupt) =>
        send(bytes, abrupt),
      ),
      { numRuns: 60 },
    )
    await alive()
  })

  it('outlives any frames after a good beginning', async () => {
    const settings = frame(4, 0, 0, Buffer.alloc(0))
    await fc.assert(
      fc.asyncProperty(fc.array(anyFrame, { maxLength: 12 }), fc.boolean(), (frames, abrupt) =>
        send(Buffer.concat([PREFACE, settings, ...frames]), abrupt),
      ),
      { numRuns: 100 },
    )
    await alive()
  })

  it('outlives any content of a well-made request, and answers it', async () => {
    const session = connectHttp2('http://localhost', { createConnection: () => connect(rig.socket) })
    session.on('error', () => {})
    const methods = Object.values(api).flatMap(service => Object.values(service).map(m => m.path))
    const request = (path: string, headers: object, body: Uint8Array) =>
      new Promise<void>((resolve, reject) => {
        const stream = session.request({
          ':method': 'POST',
          ':path': path,
          'content-type': 'application/grpc',
          te: 'trailers',
          'grpc-timeout': '200m',
          ...headers,
        })
        stream.on('error', () => {})
        stream.once('close', resolve)
        stream.resume()
        stream.end(body)
        // A watch that may last for ever does; it is for the caller to end it.
        if ('grpc-timeout' in headers) setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), 300).unref()
        setTimeout(() => reject(new Error(`no end of ${path}`)), 5000).unref()
      })
    const message = fc
      .tuple(fc.constantFrom(0, 1, 255), fc.uint8Array({ maxLength: 100 }), fc.integer({ min: -3, max: 3 }))
      .map(([flag, body, lie]) => {
        const head = Buffer.alloc(5)
        head[0] = flag
        head.writeUInt32BE(Math.max(0, body.length + lie), 1)
        return Buffer.concat([head, body])
      })
    const headers = fc.constantFrom(
      {},
      { 'grpc-encoding': 'gzip' },
      { 'grpc-encoding': 'caf\u00e9 \u00ff' },
      { 'grpc-timeout': '99999999H' },
      { 'grpc-timeout': 'soon' },
      { 'content-type': 'text/plain' },
      { 'x-bin': '***' },
      { 'grpc-status-details-bin': 'AAAA' },
    )
    const path = fc.oneof(
      fc.constantFrom(...methods),
      fc.constantFrom('/', '/x/\u00ff', '/writ.v1.ExecutionService/'),
    )
    await fc.assert(fc.asyncProperty(path, headers, message, request), { numRuns: 300 })
    session.destroy()
    await alive()
  })

  it('holds no connection or call of those who left in the middle', async () => {
    for (let i = 0; i < 20; i++) {
      const session = connectHttp2('http://localhost', { createConnection: () => connect(rig.socket) })
      session.on('error', () => {})
      const stream = session.request({
        ':method': 'POST',
        ':path': '/writ.v1.ExecutionService/Execute',
        'content-type': 'application/grpc',
      })
      stream.on('error', () => {})
      // The beginning of a message of 1 MB that never comes.
      stream.write(Buffer.from([0, 0, 16, 0, 0, 1, 2, 3]))
      await sleep(5)
      if (i % 2 === 0) stream.close(constants.NGHTTP2_CANCEL)
      session.destroy()
    }
    for (let i = 0; i < 100 && rig.acceptor.connections > 0; i++) await sleep(20)
    expect(rig.acceptor.connections).toBe(0)
    expect(rig.core.executions.size).toBe(0)
    await alive()
  })

  it('outlives many calls that are reset as soon as they are made', async () => {
    const session = connectHttp2('http://localhost', { createConnection: () => connect(rig.socket) })
    session.on('error', () => {})
    for (let i = 0; i < 500 && !session.destroyed; i++) {
      const stream = session.request({
        ':method': 'POST',
        ':path': '/writ.v1.AttestationService/WatchStatus',
        'content-type': 'application/grpc',
      })
      stream.on('error', () => {})
      stream.end(Buffer.alloc(5))
      stream.close(constants.NGHTTP2_CANCEL)
      if (i % 50 === 0) await sleep(1)
    }
    session.destroy()
    await sleep(100)
    await alive()
  })
})
