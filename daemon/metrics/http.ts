import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { boundConnections } from './connections.ts'
import { type Page, pageAt, type Sources } from './pages.ts'

/** What a scraper sends is a few hundred bytes. */
const MAX_HEAD_BYTES = 8 << 10
/** A few scrapers and probes. */
export const MAX_CONNECTIONS = 16
/** Longest time for a request to come in, and for its answer to be taken. */
export const PATIENCE_MS = 5_000

/**
 * The HTTP server of metrics and probes, not listening yet. It is a guest: GET and HEAD alone, one request for each connection, small heads, few
 * connections, little time. It changes nothing, and waits for nobody.
 */
export function metricsServer(
  sources: Sources,
  onFault: (error: unknown) => void,
  patienceMs = PATIENCE_MS,
): Server {
  const server = createServer(
    {
      maxHeaderSize: MAX_HEAD_BYTES,
      headersTimeout: patienceMs,
      requestTimeout: patienceMs,
      connectionsCheckingInterval: patienceMs / 5,
      keepAlive: false,
    },
    (request, response) => {
      answer(request, response, sources).catch(error => {
        onFault(error)
        response.destroy()
      })
    },
  )
  boundConnections(server, MAX_CONNECTIONS)
  server.maxRequestsPerSocket = 1
  // Whoever does not take its answer.
  server.timeout = patienceMs
  server.on('timeout', socket => socket.destroy())
  server.on('clientError', (_error, socket) => socket.destroy())
  return server
}

async function answer(request: IncomingMessage, response: ServerResponse, sources: Sources): Promise<void> {
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  const [path = ''] = (request.url ?? '').split('?', 1)
  const page: Page = isRead
    ? await pageAt(path, sources)
    : { status: 405, type: 'text/plain; charset=utf-8', body: 'GET\n' }
  const body = Buffer.from(page.body)
  response.writeHead(page.status, {
    'Content-Type': page.type,
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
    Connection: 'close',
    ...(isRead ? {} : { Allow: 'GET, HEAD' }),
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}
