// Writes the definitions of the API as JSON, which load.ts reads: definitions.ts FILE
// Reading the .proto files themselves takes three times as long, at every start of the daemon and the tool.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import protobuf from 'protobufjs'

const [file] = process.argv.slice(2)
if (file === undefined) throw new TypeError('usage: definitions.ts FILE')
const root = new protobuf.Root()
// The package has google/protobuf/*.proto built in, under these names.
root.resolvePath = (_, path) => (path.startsWith('google/protobuf/') ? path : join(import.meta.dirname, path))
root.loadSync([
  'writ/v1/execution.proto',
  'writ/v1/attestation.proto',
  'writ/v1/lineage.proto',
  'writ/v1/governance.proto',
  'writ/v1/error.proto',
  'google/rpc/status.proto',
])
root.resolveAll()
writeFileSync(file, `${JSON.stringify(root.toJSON(), null, 1)}\n`)
