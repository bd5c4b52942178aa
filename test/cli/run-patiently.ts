import { CliError } from '../../cli/error.ts'
import { execute } from '../../cli/rpc/execute.ts'
import { WritClient } from '../../proto/client.ts'

// What `writ run` does, with less patience: node run-patiently.ts SOCKET MILLISECONDS. Prints the error as JSON.
const [, , socket = '', withinMs = ''] = process.argv
const daemon = new WritClient(socket, { retry: { attempts: 1, firstDelayMs: 10 } })
const workload = { program: '/bin/sh', argv: ['sh', '-c', 'echo begun; exec sleep 60'] }
const options = { terminal: null, onLostOutput: () => undefined, withinMs: Number(withinMs) }
try {
  await execute(daemon, { artifact: Buffer.from('{}'), workload }, options)
} catch (error) {
  if (!(error instanceof CliError)) throw error
  const { code, message, lines, next, detail, exitStatus } = error
  process.stderr.write(JSON.stringify({ code, message, lines, next, detail, exitStatus }))
} finally {
  daemon.close()
}
