import type { Command } from 'commander'
import { type RevocationTarget, signRevocation } from '../../authorization/index.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { api, type WritClient } from '../../proto/client.ts'
import { parseEnvelope } from '../../signing/dsse.ts'
import { addCommand, setAction } from '../command.ts'
import { CliError } from '../error.ts'
import { readAs, readDocument, writeDocument } from '../files.ts'
import { addPassphraseOptions, type PassphraseOptions, readSigningKey, readTrustedKey } from '../keys.ts'
import type { Output } from '../output.ts'
import { addSocketOption, type SocketOptions, withDaemon } from '../rpc/daemon.ts'
import { collect, positive } from '../workload.ts'

interface Options extends SocketOptions, PassphraseOptions {
  artifact?: string[]
  publicKey?: string[]
  program?: string[]
  execution?: string[]
  key?: string
  epoch?: number
  out?: string
  send?: string
  list?: boolean
}

/** Most bytes of a program that is hashed to revoke it. */
const MAX_PROGRAM_BYTES = 1 << 30

export function addRevoke(program: Command): void {
  const command = addCommand(
    program,
    'revoke',
    'Revoke artifacts, keys, programs or executions, and end what runs under them. It cannot be taken back.',
    `writ revoke --artifact job.artifact.json --key operator.key
     writ revoke --program ./old-tool --public-key mallory.pub --key operator.key
     writ revoke --execution 5d0c…e1 --key operator.key --epoch 7 --out revocation.json   # sign elsewhere,
     writ revoke --send revocation.json                                                   # send here
     writ revoke --list`,
    [
      {
        when: 'when the revocation is sent',
        fields: { epoch: 'decimal', lineageIndex: 'decimal', executionIds: ['hex: of what it ends'] },
      },
      { when: 'with --out', fields: { file: 'text', epoch: 'number' } },
      {
        when: 'with --list',
        fields: { epoch: 'decimal', revocations: [{ kind: 'text', id: 'text', epoch: 'decimal' }] },
      },
    ],
  )
    .option('--artifact <file|digest>', 'an artifact, or the digest of its payload (repeatable)', collect)
    .option('--public-key <file|id>', 'a signing key, or its id (repeatable)', collect)
    .option('--program <file|digest>', 'a program or other subject, or its digest (repeatable)', collect)
    .option('--execution <id>', 'an execution (repeatable)', collect)
    .option('--key <file>', "the operator's private key")
    .option('--epoch <n>', 'revocation epoch (default: one above that in force)', positive('--epoch'))
    .option('--out <file>', 'write the signed revocation instead of sending it; nothing is overwritten')
    .option('--send <file>', 'send a revocation that was signed elsewhere')
    .option('--list', 'show what is revoked')
  addPassphraseOptions(command)
  addSocketOption(command)
  setAction<Options>(command, async ({ options, output }) => {
    checkUse(options)
    if (options.list === true) return withDaemon(options, daemon => list(daemon, output))
    if (options.send !== undefined) {
      const envelope = await readDocument(options.send, 'a revocation')
      return withDaemon(options, daemon => send(daemon, envelope, output))
    }
    const targets = await readTargets(options)
    const key = await readSigningKey(options.key ?? '', "the operator's key", options)
    if (options.out !== undefined) {
      const envelope = signRevocation({ version: 1, epoch: options.epoch ?? 0, revoke: targets }, key)
      await writeDocument(options.out, envelope)
      output.result({ file: options.out, epoch: options.epoch }, () => [
        `${options.out}  revocation of ${targets.length}, epoch ${options.epoch}`,
      ])
      return undefined
    }
    return withDaemon(options, async daemon => {
      const epoch = options.epoch ?? Number((await daemon.call(api.governance.ListRevocations, {})).epoch) + 1
      return send(daemon, signRevocation({ version: 1, epoch, revoke: targets }, key), output)
    })
  })
}

function checkUse(options: Options): void {
  const { artifact, publicKey, program, execution } = options
  const revokes = [artifact, publicKey, program, execution].some(given => given !== undefined)
  const ways = [options.list === true, options.send !== undefined, revokes].filter(Boolean).length
  const wrong =
    ways > 1
      ? 'what to revoke (--artifact, --public-key, --program, --execution), --send and --list do not go together'
      : ways === 0
        ? 'say what to revoke (--artifact, --public-key, --program, --execution), or --send, or --list'
        : revokes && options.key === undefined
          ? 'a revocation is signed: give --key'
          : options.out !== undefined && options.epoch === undefined
            ? 'a revocation that is written to a file needs --epoch, because the daemon is not asked'
            : undefined
  if (wrong !== undefined) throw new CliError('USAGE', wrong, { next: 'See writ revoke --help.' })
}

const isDigest = (text: string) => /^[0-9a-f]{64}$/.test(text)

async function readTargets(options: Options): Promise<RevocationTarget[]> {
  const { artifact = [], publicKey = [], program = [], execution = [] } = options
  const digestOf = (path: string) =>
    readAs(path, 'an artifact', bytes => sha256Hex(parseEnvelope(bytes).payload))
  const bytesOf = async (path: string) => sha256Hex(await readDocument(path, 'a program', MAX_PROGRAM_BYTES))
  const keyOf = async (path: string) => (await readTrustedKey(path, 'a key to revoke')).id
  const all = async (texts: readonly string[], read: (path: string) => Promise<string>) =>
    Promise.all(texts.map(text => (isDigest(text) ? text : read(text))))
  return [
    ...(await all(artifact, digestOf)).map(digest => ({ kind: 'artifact' as const, digest })),
    ...(await all(publicKey, keyOf)).map(id => ({ kind: 'key' as const, id })),
    ...(await all(program, bytesOf)).map(digest => ({ kind: 'program' as const, digest })),
    ...execution.map(id => ({ kind: 'execution' as const, id })),
  ]
}

async function send(daemon: WritClient, envelope: Buffer, output: Output): Promise<undefined> {
  const { epoch, lineageIndex, executionIds } = await daemon.call(api.governance.Revoke, { envelope })
  output.result({ epoch, lineageIndex, executionIds }, () => [
    `revoked, epoch ${epoch}, entry ${lineageIndex} of the lineage`,
    ...executionIds.map(id => `  ends execution ${id}`),
  ])
  return undefined
}

async function list(daemon: WritClient, output: Output): Promise<undefined> {
  const { epoch, revocations } = await daemon.call(api.governance.ListRevocations, {})
  const items = revocations.map(({ kind, id, epoch }) => ({
    kind: String(kind)
      .replace(/^REVOCATION_KIND_/, '')
      .toLowerCase(),
    id,
    epoch,
  }))
  output.result({ epoch, revocations: items }, () => [
    `epoch ${epoch}, ${items.length} revoked`,
    ...items.map(({ kind, id, epoch }) => `  ${kind.padEnd(9)}  ${id}  since epoch ${epoch}`),
  ])
  return undefined
}
