import { equal, match, ok } from 'node:assert/strict'
import { word } from './governed.ts'
import type { Guest } from './guest.ts'

const SOCKET = '/run/writ/metrics.sock'

/** GET, as a scraper asks. The first argument is the socket, the second the path. */
const GET = `
import socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    connection.settimeout(20)
    connection.connect(sys.argv[1])
    connection.sendall(('GET ' + sys.argv[2] + ' HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n').encode())
    while piece := connection.recv(65536):
        sys.stdout.buffer.write(piece)
`

/** What the daemon answers on its socket for metrics. */
export async function probe(guest: Guest, path: string): Promise<{ status: number; body: string }> {
  const answer = await guest.ok(`python3 -c ${word(GET)} ${SOCKET} ${path}`)
  return {
    status: Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]),
    body: answer.slice(answer.indexOf('\r\n\r\n') + 4),
  }
}

/** The gate, as whoever watches the host sees it: in the metrics, and in whether it says that it is ready. @throws AssertionError */
export async function watchedAs(guest: Guest, state: string, reason = /./): Promise<void> {
  const { body } = await probe(guest, '/metrics')
  for (const [, label, value] of body.matchAll(/^writ_gate_state\{state="([A-Z]+)"\} (\d)$/gm))
    equal(value, label === state ? '1' : '0', `${label} ${value}`)
  match(body, new RegExp(`^writ_gate_state\\{state="${state}"\\} 1$`, 'm'))
  const ready = await probe(guest, '/readyz')
  equal(ready.status, state === 'ATTESTED' ? 200 : 503)
  if (state !== 'ATTESTED') match(ready.body, reason)
}

/** That a counter of the daemon has counted something since its start. @param series name and labels, as in the page @throws AssertionError */
export async function counted(guest: Guest, series: string): Promise<void> {
  const { body } = await probe(guest, '/metrics')
  const line = body.split('\n').find(one => one.startsWith(`${series} `))
  ok(Number(line?.slice(series.length)) > 0, `${series}: ${line}`)
}
