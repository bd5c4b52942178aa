import { type IncomingMessage, request } from 'node:http'
import { CliError } from '../error.ts'

/** As in packaging/systemd/writd-metrics.socket. */
export const DEFAULT_METRICS = '/run/writ/metrics.sock'
/** Longest wait for all of the page. */
const PATIENCE_MS = 10_000
/** The page has some 40 kB. */
const MAX_BYTES = 4 << 20

/**
 * A page of the daemon's metrics socket.
 *
 * @param from path of a Unix socket, or ADDRESS:PORT
 * @throws CliError `REQUEST_FAILED`, `USAGE`
 */
export async function fetchPage(from: string, path: string): Promise<{ status: number; body: string }> {
  const failed = (what: string, cause?: unknown) =>
    new CliError('REQUEST_FAILED', `${from}: ${what}`, {
      cause,
      next: 'Is writd running, with writd-metrics.socket enabled, and may you read it (group writ)?',
    })
  const signal = AbortSignal.timeout(PATIENCE_MS)
  try {
    const response = await open(from, path, signal)
    const pieces: Buffer[] = []
    let bytes = 0
    for await (const piece of response) {
      bytes += piece.length
      if (bytes > MAX_BYTES) throw failed(`the answer is longer than ${MAX_BYTES} bytes`)
      pieces.push(piece)
    }
    return { status: response.statusCode ?? 0, body: Buffer.concat(pieces).toString('utf8') }
  } catch (cause) {
    if (cause instanceof CliError) throw cause
    throw failed(cause instanceof Error ? cause.message : String(cause), cause)
  }
}

function open(from: string, path: string, signal: AbortSignal): Promise<IncomingMessage> {
  const place = placeOf(from)
  return new Promise((resolve, reject) => {
    const asked = request({ ...place, path, signal, agent: false }, resolve)
    asked.on('error', reject)
    asked.end()
  })
}

function placeOf(from: string): { socketPath: string } | { host: string; port: number } {
  if (from.includes('/')) return { socketPath: from }
  const [, host = '', port = ''] = /^(.+):([0-9]{1,5})$/.exec(from) ?? []
  if (host === '' || Number(port) > 0xffff)
    throw new CliError('USAGE', `--from takes a path or ADDRESS:PORT, not ${JSON.stringify(from)}`)
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) }
}
