import { constants } from 'node:http2'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { backoff, DEFAULT_RETRY } from '../../../proto/client/retry.ts'
import { api, type MethodName, REPEAT, TransportError, WritClient } from '../../../proto/client.ts'
import { HostileServer } from './hostile-server.ts'

const RETRY = { attempts: 3, firstDelayMs: 5, longestDelayMs: 10 }

let server: HostileServer
let client: WritClient
beforeEach(async () => {
  server = await new HostileServer().start()
  client = new WritClient(server.socket, { retry: RETRY, deadlineMs: 5000 })
})
afterEach(() => {
  client.close()
  server.close()
})

interface AnyMethod {
  readonly path: string
  readonly requestStream: boolean
  readonly responseStream: boolean
}
const methods = Object.entries(REPEAT).map(([name, { repeat }]) => {
  const [service = '', method = ''] = name.split('.')
  const definition = (api as unknown as Record<string, Record<string, AnyMethod>>)[service]?.[method]
  if (definition === undefined) throw new Error(`no method ${name}`)
  return { name: name as MethodName, repeat, definition }
})
const unary = methods.filter(({ definition }) => !definition.requestStream && !definition.responseStream)

/** The connection ends after the request was read: what became of it, nobody knows. */
const hangUp: HostileServer['treat'] = stream => stream.session?.destroy()

describe('what is repeated when the connection was lost', () => {
  it('is said for every method of every service', () => {
    const all = Object.values(api).flatMap(service => Object.values(service).map(({ path }) => path))
    expect(methods.map(({ definition }) => definition.path).sort()).toEqual(all.sort())
  })

  it('is nothing that consumes, mints or changes what is in force', () => {
    const never = methods.filter(({ repeat }) => repeat === 'no').map(({ name }) => name)
    expect(never.sort()).toEqual([
      'execution.Execute',
      // A second stream would begin again where the first one did.
      'execution.ReadOutput',
      // A program would get it twice.
      'execution.Signal',
      'governance.ClearFailure',
      'governance.LoadHostLabels',
      'governance.LoadPolicy',
      'governance.LoadReferenceValues',
      'governance.LoadSecretPolicy',
      'governance.LoadTrustRoots',
      'governance.Revoke',
    ])
    expect(REPEAT['execution.Authorize'].repeat).toBe('unless-minting')
  })

  it.each(unary)('$name: $repeat', async ({ repeat, definition }) => {
    server.treat = hangUp
    const error = await client.call(definition as never, {}).catch(error => error)
    expect(error).toMatchObject({ code: 'UNAVAILABLE', notSent: false })
    expect(server.calls(definition.path)).toBe(repeat === 'yes' ? RETRY.attempts : 1)
  })

  it('Authorize is repeated with an artifact, and only with one', async () => {
    server.treat = hangUp
    await client.call(api.execution.Authorize, { artifact: Buffer.from('{}') }).catch(() => {})
    expect(server.calls(api.execution.Authorize.path)).toBe(RETRY.attempts)
    await client.call(api.execution.Authorize, { artifact: Buffer.alloc(0) }).catch(() => {})
    await client.call(api.execution.Authorize, {}).catch(() => {})
    expect(server.calls(api.execution.Authorize.path)).toBe(RETRY.attempts + 2)
  })

  it('Execute is sent once, whatever the server does with it', async () => {
    const { path } = api.execution.Execute
    const treatments: HostileServer['treat'][] = [
      hangUp,
      // "Not processed, send it again" (RFC 9113, 8.7): what gRPC libraries repeat without being asked.
      stream => stream.close(constants.NGHTTP2_REFUSED_STREAM),
      stream => stream.session?.goaway(constants.NGHTTP2_NO_ERROR, 0),
      stream => stream.respond({ ':status': 200, 'grpc-status': '14' }, { endStream: true }),
      stream =>
        stream.respond(
          { ':status': 200, 'grpc-status': '14', 'grpc-retry-pushback-ms': '1' },
          { endStream: true },
        ),
      stream => stream.respond({ ':status': 503 }, { endStream: true }),
    ]
    for (const [index, treat] of treatments.entries()) {
      server.treat = treat
      const run = client.execute({ artifact: Buffer.from('{}') }, { startWithinMs: 300 })
      await expect(run.started, `treatment ${index}`).rejects.toBeInstanceOf(TransportError)
      expect(server.calls(path), `treatment ${index}`).toBe(index + 1)
    }
  })

  it('a refused stream is not repeated behind the client’s back for any method', async () => {
    server.treat = stream => stream.close(constants.NGHTTP2_REFUSED_STREAM)
    await client.call(api.governance.Revoke, { envelope: Buffer.from('{}') }).catch(() => {})
    expect(server.calls(api.governance.Revoke.path)).toBe(1)
  })

  it.each(['3', '4', '5', '7', '8', '9', '13', '16'])('status %s is an answer', async code => {
    server.treat = stream => stream.respond({ ':status': 200, 'grpc-status': code }, { endStream: true })
    await client.call(api.attestation.GetStatus, {}).catch(() => {})
    expect(server.seen).toHaveLength(1)
  })

  it('stops when there is no time for another attempt', async () => {
    server.treat = hangUp
    const patient = new WritClient(server.socket, {
      retry: { attempts: 1000, firstDelayMs: 40, longestDelayMs: 40 },
    })
    const begin = performance.now()
    const error = await patient.call(api.attestation.GetStatus, {}, { deadlineMs: 300 }).catch(error => error)
    expect(error.code).toMatch(/^(?:UNAVAILABLE|DEADLINE_EXCEEDED)$/)
    expect(performance.now() - begin).toBeLessThan(5000)
    expect(server.seen.length).toBeGreaterThan(2)
    expect(server.seen.length).toBeLessThan(16)
    patient.close()
  })

  it('stops when the caller does', async () => {
    server.treat = hangUp
    const patient = new WritClient(server.socket, {
      retry: { attempts: 1000, firstDelayMs: 60_000, longestDelayMs: 60_000 },
      deadlineMs: 600_000,
    })
    const call = patient.call(api.attestation.GetStatus, {}, { signal: AbortSignal.timeout(200) })
    await expect(call).rejects.toMatchObject({ code: 'CANCELLED' })
    patient.close()
  })
})

describe('the time between attempts', () => {
  it('doubles up to its limit, with jitter below that', () => {
    const longest = [1, 2, 3, 4, 5, 6, 7].map(n => backoff(n, DEFAULT_RETRY, () => 1))
    expect(longest).toEqual([100, 200, 400, 800, 1600, 2000, 2000])
    expect(backoff(3, DEFAULT_RETRY, () => 0)).toBe(200)
    expect(backoff(60, DEFAULT_RETRY, () => 1)).toBe(2000)
  })
})
