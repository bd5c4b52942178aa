// A scheduler in small: runs each program under its artifact as soon as the host is attested, and says what became of it.
// usage: node schedule.ts SOCKET ARTIFACT PROGRAM [ARGUMENT…]
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { DenialError, StartFailedError, TransportError, WritClient } from '../client.ts'

const [socket = '', artifactPath = '', program = '', ...args] = process.argv.slice(2)
using writ = new WritClient(socket)

// Waits for an open gate; null says that the daemon cannot be reached now.
for await (const status of writ.watchStatus({ signal: AbortSignal.timeout(60_000) })) {
  if (status?.state === 'GATE_STATE_ATTESTED') break
  console.error(`waiting: ${status?.state ?? 'no daemon'}`)
}

try {
  const run = writ.execute({
    artifact: await readFile(artifactPath),
    workload: { program, argv: [program, ...args] },
  })
  run.stdin.end('three\none\ntwo\n')
  const [out, , started, ended] = await Promise.all([
    text(run.stdout),
    text(run.stderr),
    run.started,
    run.ended,
  ])
  console.log(`execution ${started.executionId} ended with ${ended.exitCode ?? ended.cause}`)
  console.log(out)
} catch (error) {
  if (error instanceof DenialError) {
    // Decided. Asking again changes nothing: each reason says what would.
    for (const { code, message } of error.reasons) console.error(`denied: ${code}: ${message}`)
  } else if (error instanceof StartFailedError || (error instanceof TransportError && error.notSent)) {
    console.error(`not started: ${error.message}`)
  } else {
    // It may have run: `writ.executions({ includeEnded: true })` and the lineage say.
    console.error(`unknown: ${error}`)
  }
  process.exitCode = 1
}
