import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { api, DenialError, FaultError, TransportError, WritClient } from '../../../proto/client.ts'
import { DETAILS_TRAILER, encodeErrorDetail } from '../../../proto/error-details.ts'
import { startRig } from '../../daemon/rpc/rig.ts'
import { answer, frame, HostileServer } from './hostile-server.ts'

const { GetStatus } = api.attestation

let server: HostileServer
let client: WritClient
beforeEach(async () => {
  server = await new HostileServer().start()
  client = new WritClient(server.socket, { retry: { attempts: 1 }, deadlineMs: 5000 })
})
afterEach(() => {
  client.close()
  server.close()
})

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => expect.fail('it succeeded'),
    error => error,
  )

describe('a call ends', () => {
  it('at its deadline: its own, or the one of the client', async () => {
    const begin = performance.now()
    expect(await failure(client.call(GetStatus, {}, { deadlineMs: 150 }))).toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      notSent: false,
    })
    const impatient = new WritClient(server.socket, { deadlineMs: 150 })
    expect(await failure(impatient.call(GetStatus, {}))).toBeInstanceOf(TransportError)
    expect(performance.now() - begin).toBeLessThan(3000)
    impatient.close()
  })

  it('at its deadline while nobody accepts what it connects to', async () => {
    const path = join(server.socket, '../mute')
    const mute = createServer(socket => socket.pause()).listen(path)
    const other = new WritClient(path, { deadlineMs: 200 })
    expect(await failure(other.call(GetStatus, {}))).toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    other.close()
    mute.close()
  })

  it('when its signal aborts, and says what aborted it', async () => {
    const abort = new AbortController()
    const call = failure(client.call(GetStatus, {}, { signal: abort.signal }))
    await expect.poll(() => server.seen.length).toBe(1)
    abort.abort(new Error('enough'))
    expect(await call).toMatchObject({ code: 'CANCELLED', cause: new Error('enough') })
    expect(await failure(client.call(GetStatus, {}, { signal: abort.signal }))).toMatchObject({
      code: 'CANCELLED',
    })
    await expect(
      client.read(api.attestation.WatchStatus, {}, { signal: abort.signal }).next(),
    ).rejects.toThrow('cancelled')
    expect(await failure(client.execute({}, { signal: abort.signal }).ended)).toMatchObject({
      code: 'CANCELLED',
      cause: new Error('enough'),
    })
    expect(server.seen).toHaveLength(1)
  })

  it('when the client is closed, streams and executions too; afterwards none begins', async () => {
    server.treat = (stream, path) => {
      if (path === api.attestation.WatchStatus.path) stream.respond({ ':status': 200 })
    }
    const calls = [
      failure(client.call(GetStatus, {})),
      failure(client.read(api.attestation.WatchStatus, {}).next()),
      failure(client.watchStatus().next()),
      failure(client.execute({}).ended),
    ]
    await expect.poll(() => server.seen.length).toBe(4)
    client.close()
    for (const call of calls) expect(await call).toMatchObject({ code: 'CANCELLED' })
    expect(await failure(client.call(GetStatus, {}))).toMatchObject({ code: 'CANCELLED' })
    expect(() => client.execute({})).toThrow('closed')
  })
})

describe('an answer that is not one', () => {
  it('is a typed error, whatever it is', async () => {
    const junk = Buffer.from('ff'.repeat(40), 'hex')
    const treatments: [HostileServer['treat'], object][] = [
      [s => answer(s, frame(junk)), { code: 'OTHER' }],
      [s => answer(s, junk), { code: 'TOO_LARGE' }],
      [s => answer(s, Buffer.alloc(0)), { code: 'UNIMPLEMENTED' }],
      [s => answer(s, Buffer.concat([frame(Buffer.alloc(0)), frame(Buffer.alloc(0))])), {}],
      [
        s => s.respond({ ':status': 200, 'content-type': 'text/html' }, { endStream: true }),
        { code: 'OTHER' },
      ],
      [s => s.respond({ ':status': 404 }, { endStream: true }), { code: 'UNIMPLEMENTED' }],
      [s => answer(s, Buffer.alloc(0), { 'grpc-status': 'many' }), { code: 'OTHER' }],
      [s => answer(s, Buffer.alloc(0), { 'grpc-status': '99' }), { code: 'OTHER' }],
      [
        s => answer(s, Buffer.alloc(0), { 'grpc-status': '7', [DETAILS_TRAILER]: junk.toString('base64') }),
        { code: 'OTHER', status: 'PERMISSION_DENIED', reasons: [] },
      ],
    ]
    for (const [index, [treat, expected]] of treatments.entries()) {
      server.treat = treat
      const error = await failure(client.call(GetStatus, {}, { deadlineMs: 1000 }))
      expect(error, `treatment ${index}`).toBeInstanceOf(TransportError)
      expect(error, `treatment ${index}`).toMatchObject(expected)
    }
  })

  it('larger than the client takes, is not read', async () => {
    server.treat = stream => answer(stream, frame(Buffer.alloc(1000), 70 * 1024 * 1024))
    expect(await failure(client.report({ nonce: Buffer.alloc(32) }))).toMatchObject({
      code: 'TOO_LARGE',
    })
  })

  it('a blob of other bytes, or of too many, is refused', async () => {
    const { responseSerialize } = api.lineage.GetBlob
    const chunk = frame(responseSerialize({ chunk: Buffer.from('other') }))
    server.treat = stream => answer(stream, chunk)
    expect(await failure(client.blob('ab'.repeat(32)))).toMatchObject({ faultCode: 'DIGEST_MISMATCH' })
    expect(await failure(client.blob('ab'.repeat(32), { maxBytes: 4 }))).toMatchObject({ code: 'TOO_LARGE' })
  })
})

describe('the three kinds of failure', () => {
  it('a denial has every reason, and is never repeated, with the status UNAVAILABLE either', async () => {
    const detail = encodeErrorDetail(14, 'denied', {
      kind: 'denial',
      reasons: [{ code: 'LINEAGE_UNAVAILABLE', message: 'the disk is full', at: 'x' }],
      decisionIndex: 5n,
    })
    server.treat = stream =>
      answer(stream, Buffer.alloc(0), { 'grpc-status': '14', [DETAILS_TRAILER]: detail.toString('base64') })
    const many = new WritClient(server.socket)
    const error = await failure(many.call(GetStatus, {}))
    expect(error).toBeInstanceOf(DenialError)
    expect(error).toMatchObject({
      code: 'DENIED',
      decisionIndex: 5n,
      reasons: [{ code: 'LINEAGE_UNAVAILABLE', message: 'the disk is full', at: 'x' }],
    })
    expect(server.seen).toHaveLength(1)
    many.close()
  })

  it('a fault has the daemon’s code, and is never repeated', async () => {
    const detail = encodeErrorDetail(14, 'busy', { kind: 'fault', code: 'TPM_TIMEOUT', message: 'slow' })
    server.treat = stream =>
      answer(stream, Buffer.alloc(0), { 'grpc-status': '14', [DETAILS_TRAILER]: detail.toString('base64') })
    const many = new WritClient(server.socket)
    const error = await failure(many.call(GetStatus, {}))
    expect(error).toBeInstanceOf(FaultError)
    expect(error).toMatchObject({ code: 'FAULT', faultCode: 'TPM_TIMEOUT', status: 'UNAVAILABLE' })
    expect(server.seen).toHaveLength(1)
    many.close()
  })

  it('a transport error says when nothing was sent', async () => {
    const nobody = new WritClient(join(server.socket, '../nobody'), { retry: { attempts: 1 } })
    const error = await failure(nobody.call(GetStatus, {}))
    expect(error).toMatchObject({ code: 'UNAVAILABLE', notSent: true })
    expect(String(error)).toContain('ENOENT')
    const run = nobody.execute({})
    expect(await failure(run.started)).toMatchObject({ code: 'UNAVAILABLE', notSent: true })
    nobody.close()
  })

  it('a request larger than the daemon takes is TOO_LARGE', async () => {
    const rig = await startRig({ limits: { maxMessageBytes: 65_536 } })
    const error = await failure(rig.client().call(api.governance.Revoke, { envelope: Buffer.alloc(100_000) }))
    expect(error).toMatchObject({ code: 'TOO_LARGE', status: 'RESOURCE_EXHAUSTED' })
    const run = rig.client().execute({ artifact: Buffer.alloc(100_000) })
    expect(await failure(run.ended)).toMatchObject({ code: 'TOO_LARGE' })
    await rig.stop()
  })
})
