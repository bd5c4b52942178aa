import { api, WritClient } from '../../../proto/client.ts'

/**
 * Run as a process of another uid: makes calls over several connections at once, each of which says who it is. What the
 * daemon thinks is compared with it by the test. Arguments: socket, connections, calls per connection.
 */
const [socket = '', connections = '1', calls = '1'] = process.argv.slice(2)
const clients = Array.from({ length: Number(connections) }, () => new WritClient(socket))
const claim = { UID: `${process.getuid?.()}`, GID: `${process.getgid?.()}`, PID: `${process.pid}` }
await Promise.all(
  clients.flatMap(client =>
    Array.from({ length: Number(calls) }, () =>
      client.call(api.execution.Authorize, {
        artifact: Buffer.from('{}'),
        workload: { program: '/bin/true', env: claim },
      }),
    ),
  ),
)
for (const client of clients) client.close()
