import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MAX_CONNECTIONS, metricsServer } from '../../../daemon/metrics/http.ts'
import { isLoopback } from '../../../daemon/metrics/listen.ts'
import type { Sources } from '../../../daemon/metrics/pages.ts'
import { STEPS } from '../../../daemon/progress.ts'

const PATIENCE_MS = 300

let directory: string
let path: string
let server: Server
let faults: unknown[]
interface Now extends Pick<{ -readonly [Key in keyof Values]: Values[Key] }, 'late' | 'status' | 'denying'> {
  page: string
  /** What the page of metrics waits for, and how many do. */
  wait: Promise<void> | null
  waiting: number
}
type Values = { readonly [Key in keyof Sources]: ReturnType<Sources[Key]> }
const now: Now = { late: null, status: null, denying: [], page: '', wait: null, waiting: 0 }

const sources: Sources = {
  metrics: async () => {
    now.waiting++
    await now.wait
    if (now.page === 'broken') throw new Error('broken')
    return now.page
  },
  late: () => now.late,
  status: () => now.status,
  denying: () => now.denying,
}

beforeEach(async () => {
  Object.assign(now, { late: null, status: null, denying: [], page: 'm 1\n', wait: null, waiting: 0 })
  faults = []
  directory = mkdtempSync(join(tmpdir(), 'writ-metrics-'))
  path = join(directory, 'metrics.sock')
  await serve(PATIENCE_MS)
})
afterEach(() => {
  server.close()
  rmSync(directory, { recursive: true, force: true })
})

async function serve(patienceMs: number): Promise<void> {
  server = metricsServer(sources, fault => faults.push(fault), patienceMs)
  await new Promise<void>(done => server.listen(path, done))
}

/** All that comes back for these bytes, until the other side ends it. */
async function send(bytes: string | Uint8Array): Promise<string> {
  const socket = connect(path)
  let answer = ''
  socket.setEncoding('latin1')
  socket.on('data', piece => (answer += piece))
  socket.write(bytes)
  await closed(socket)
  return answer
}

/** Resolves when a connection has ended, however it did. */
function closed(socket: Socket): Promise<void> {
  socket.on('error', () => undefined)
  return new Promise(resolve => socket.once('close', () => resolve()))
}

const get = (what: string) => send(`GET ${what} HTTP/1.1\r\nHost: x\r\n\r\n`)

describe('the pages', () => {
  it('are the metrics, whatever is asked behind the path, and nothing else', async () => {
    for (const what of ['/metrics', '/metrics?name=x']) {
      const answer = await get(what)
      expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
      expect(answer).toContain('Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n')
      expect(answer.endsWith('\r\n\r\nm 1\n')).toBe(true)
    }
    for (const what of ['/', '/metrics/', '/../etc/passwd', '*', 'http://elsewhere/metrics'])
      expect(await get(what)).toMatch(/^HTTP\/1\.1 404 /)
  })

  it('say whether the daemon gets on', async () => {
    expect(await get('/healthz')).toMatch(/ 200 OK[\s\S]*\r\n\r\nok\n$/)
    now.late = { ...STEPS.tpm, forMs: 29_600 }
    expect(await get('/healthz')).toMatch(
      / 503 [\s\S]*\r\n\r\nTPM_TIMEOUT: the TPM has given no answer for 30 s\n$/,
    )
  })

  it('say whether the host is attested, and why it is not', async () => {
    expect(await get('/readyz')).toMatch(/ 503 [\s\S]*UNATTESTED\nNOT_YET_APPRAISED/)
    const reasons = [{ code: 'TPM_UNAVAILABLE', message: 'gone\nHTTP/1.1 200 OK' }]
    now.status = { state: 'GATE_STATE_STALE', reasons }
    expect(await get('/readyz')).toMatch(
      / 503 [\s\S]*\r\n\r\nSTALE\nTPM_UNAVAILABLE: gone\\u000aHTTP\/1\.1 200 OK\n$/,
    )
    for (const state of ['UNATTESTED', 'FAILED'] as const) {
      now.status = { state: `GATE_STATE_${state}` }
      expect(await get('/readyz')).toMatch(/^HTTP\/1\.1 503 /)
    }
    now.status = { state: 'GATE_STATE_ATTESTED' }
    expect(await get('/readyz')).toMatch(/ 200 OK[\s\S]*\r\n\r\nATTESTED\n$/)
  })

  it('say what denies everything behind an open gate, and behind a closed one too', async () => {
    now.denying = [
      { code: 'SIGNER_UNTRUSTED', message: 'the trust roots have ended' },
      { code: 'POLICY_ERROR', message: 'no policy\nis in force' },
    ]
    now.status = { state: 'GATE_STATE_ATTESTED' }
    const both = 'SIGNER_UNTRUSTED: the trust roots have ended\nPOLICY_ERROR: no policy\\u000ais in force\n'
    const answer = await get('/readyz')
    expect(answer).toMatch(/^HTTP\/1\.1 503 /)
    expect(answer.endsWith(`\r\n\r\nATTESTED\n${both}`)).toBe(true)
    now.status = { state: 'GATE_STATE_STALE', reasons: [{ code: 'EVIDENCE_TOO_OLD', message: 'old' }] }
    expect((await get('/readyz')).endsWith(`\r\n\r\nSTALE\nEVIDENCE_TOO_OLD: old\n${both}`)).toBe(true)
  })

  it('are read, and nothing is sent to them', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
      expect(await send(`${method} /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`)).toMatch(
        /^HTTP\/1\.1 405 [\s\S]*Allow: GET, HEAD\r\n/,
      )
    const head = await send('HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n')
    expect(head).toMatch(/Content-Length: 4\r\n[\s\S]*\r\n\r\n$/)
  })

  it('that cannot be told end their connection, and the next is served', async () => {
    now.page = 'broken'
    expect(await get('/metrics')).toBe('')
    expect(faults).toHaveLength(1)
    expect(await get('/healthz')).toMatch(/ 200 OK/)
  })
})

describe('whoever connects', () => {
  it('is served once, whatever it sends behind its request', async () => {
    const twice = 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(2)
    expect((await send(twice)).match(/HTTP\/1\.1 200/g)).toHaveLength(1)
  })

  it('has a short head to send', async () => {
    const long = `GET /metrics HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(9 << 10)}\r\n\r\n`
    expect(await send(long)).not.toContain('200 OK')
  })

  it('has little time to send it, and to say anything at all', async () => {
    for (const bytes of ['', 'GET /metrics HTTP/1.1\r\nHost: x\r\n']) {
      const begun = performance.now()
      expect(await send(bytes)).not.toContain('200 OK')
      expect(performance.now() - begun).toBeLessThan(10 * PATIENCE_MS)
    }
  })

  /** So many, one after the other, each of which has sent this. */
  async function hold(count: number, bytes = ''): Promise<Socket[]> {
    const held: Socket[] = []
    while (held.length < count) {
      const socket = connect(path)
      socket.on('error', () => undefined)
      await once(socket, 'connect')
      socket.write(bytes)
      held.push(socket)
    }
    return held
  }
  const connections = () => new Promise<number>(done => server.getConnections((_, count) => done(count)))

  it.each(['', 'GET /metrics HTTP/1.1\r\nHo'])(
    'is served at once where there are many that send %j, in the place of the one that was silent longest',
    async bytes => {
      server.close()
      await serve(60_000)
      const held = await hold(MAX_CONNECTIONS, bytes)
      await expect.poll(connections).toBe(MAX_CONNECTIONS)
      // The first has said something since.
      held[0]?.write('G')
      const gone = closed(held[1] as Socket)
      await new Promise(resolve => setTimeout(resolve, 50))
      for (let i = 0; i < 2; i++) expect(await get('/healthz')).toContain('200 OK')
      await gone
      // The first that was served had left again when the second came.
      expect(held.flatMap(({ closed }, i) => (closed ? [i] : []))).toEqual([1])
      for (const socket of held) socket.destroy()
    },
  )

  it('is one of so many at most, however many come', async () => {
    const held = await hold(5 * MAX_CONNECTIONS)
    await expect.poll(connections).toBe(MAX_CONNECTIONS)
    expect(await get('/healthz')).toContain('200 OK')
    for (const socket of held) socket.destroy()
  })

  it('takes the place of none that is being answered: it is turned away where all are', async () => {
    const wait = Promise.withResolvers<void>()
    now.wait = wait.promise
    const asked = Array.from({ length: MAX_CONNECTIONS }, () => get('/metrics'))
    await expect.poll(() => now.waiting).toBe(MAX_CONNECTIONS)
    expect(await get('/healthz')).toBe('')
    wait.resolve()
    for (const answer of asked) expect(await answer).toContain('200 OK')
    await expect.poll(() => get('/healthz')).toContain('200 OK')
  })

  it('may send anything: it harms nobody', async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.string({ maxLength: 100 }).map(text => Buffer.from(`GET ${text} HTTP/1.1\r\n\r\n`)),
      fc.string({ maxLength: 100 }).map(text => Buffer.from(`GET /metrics HTTP/1.1\r\n${text}\r\n\r\n`)),
    )
    await fc.assert(
      fc.asyncProperty(bytes, async sent => {
        const socket = connect(path)
        socket.end(sent)
        socket.resume()
        await closed(socket)
      }),
      { numRuns: 150 },
    )
    expect(await get('/healthz')).toContain('200 OK')
    expect(faults).toEqual([])
  }, 60_000)
})

describe('an address', () => {
  it.each([
    ['127.0.0.1', true],
    ['127.255.0.3', true],
    ['::1', true],
    ['0.0.0.0', false],
    ['10.0.0.1', false],
    ['::', false],
    ['::ffff:127.0.0.1', false],
    ['127.example.org', false],
    ['', false],
  ])('%s is one of the loopback interface: %s', (address, is) => {
    expect(isLoopback(address)).toBe(is)
  })
})
