import type { Command } from 'commander'
import {
  MAX_REVOKED_AT_ONCE,
  type RevocationKind,
  type RevocationTarget,
  signRevocation,
} from '../../authorization/index.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { api, type WritClient } from '../../proto/client.ts'
import { parseEnvelope } from '../../signing/dsse.ts'
import { addCommand, setAction } from '../command.ts'
import { CliError } from '../error.ts'
import { readAs, readDocument, writeDocument } from '../files.ts'
import { addSignerOptions, readSigner, readTrustedKey, type SignerOptions } from '../keys.ts'
import type { Output } from '../output.ts'
import { isRevocable, MAX_LIST_BYTES, parseRevocationList, revocationTarget } from '../revocation-list.ts'
import { addSocketOption, type SocketOptions, withDaemon } from '../rpc/daemon.ts'
import { collect, positive } from '../workload.ts'

interface Options extends SocketOptions, SignerOptions {
  artifact?: string[]
  publicKey?: string[]
  program?: string[]
  execution?: string[]
  host?: string[]
  policy?: string[]
  from?: string
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
    'Revoke artifacts, keys, programs, hosts, executions or policies, and end what runs under them. It cannot be taken back.',
    `writ revoke --artifact job.artifact.json --key operator.key
     writ revoke --program ./old-tool --public-key mallory.pub --key operator.key
     writ revoke --from list.txt --key operator.key     # on each line a kind and a digest or id, as --list shows them
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
        fields: {
          epoch: 'decimal',
          total: 'decimal',
          revocations: [{ kind: 'text', id: 'text', epoch: 'decimal' }],
        },
      },
    ],
  )
    .option('--artifact <file|digest>', 'an artifact, or the digest of its payload (repeatable)', collect)
    .option(
      '--public-key <file|id>',
      'a key that signs artifacts or governance documents, or its id (repeatable)',
      collect,
    )
    .option('--program <file|digest>', 'a program or other subject, or its digest (repeatable)', collect)
    .option('--execution <id>', 'an execution (repeatable)', collect)
    .option('--host <id>', 'a host, by its id (repeatable)', collect)
    .option('--policy <file|digest>', 'a policy bundle, or the digest of its payload (repeatable)', collect)
    .option('--from <file>', 'all that a list names')
    .option('--key <file>', "the operator's private key")
    .option('--epoch <n>', 'revocation epoch (default: one above that in force)', positive('--epoch'))
    .option('--out <file>', 'write the signed revocation instead of sending it; nothing is overwritten')
    .option('--send <file>', 'send a revocation that was signed elsewhere')
    .option('--list', 'show what is revoked')
  addSignerOptions(command)
  addSocketOption(command)
  setAction<Options>(command, async ({ options, output }) => {
    checkUse(options)
    if (options.list === true) return withDaemon(options, daemon => list(daemon, output))
    if (options.send !== undefined) {
      const envelope = await readDocument(options.send, 'a revocation')
      return withDaemon(options, daemon => send(daemon, [envelope], output))
    }
    const targets = await readTargets(options)
    const key = await readSigner(options.key ?? '', "the operator's key", options)
    if (options.out !== undefined) {
      if (targets.length > MAX_REVOKED_AT_ONCE)
        throw new CliError('USAGE', `one document revokes at most ${MAX_REVOKED_AT_ONCE}: split the list`)
      const envelope = signRevocation({ version: 1, epoch: options.epoch ?? 0, revoke: targets }, key)
      await writeDocument(options.out, envelope)
      output.result({ file: options.out, epoch: options.epoch }, () => [
        `${options.out}  revocation of ${targets.length}, epoch ${options.epoch}`,
      ])
      return undefined
    }
    return withDaemon(options, async daemon => {
      let epoch = options.epoch ?? Number((await page(daemon, '', 1)).epoch) + 1
      const envelopes: Buffer[] = []
      for (let at = 0; at < targets.length; at += MAX_REVOKED_AT_ONCE) {
        const revoke = targets.slice(at, at + MAX_REVOKED_AT_ONCE)
        envelopes.push(signRevocation({ version: 1, epoch: epoch++, revoke }, key))
      }
      return send(daemon, envelopes, output)
    })
  })
}

function checkUse(options: Options): void {
  const { artifact, publicKey, program, execution, host, policy, from } = options
  const revokes = [artifact, publicKey, program, execution, host, policy, from].some(it => it !== undefined)
  const ways = [options.list === true, options.send !== undefined, revokes].filter(Boolean).length
  const wrong =
    ways > 1
      ? `what to revoke (${WAYS}), --send and --list do not go together`
      : ways === 0
        ? `say what to revoke (${WAYS}), or --send, or --list`
        : revokes && options.key === undefined
          ? 'a revocation is signed: give --key'
          : options.out !== undefined && options.epoch === undefined
            ? 'a revocation that is written to a file needs --epoch, because the daemon is not asked'
            : undefined
  if (wrong !== undefined) throw new CliError('USAGE', wrong, { next: 'See writ revoke --help.' })
}

const WAYS = '--artifact, --public-key, --program, --host, --execution, --policy, --from'

async function readTargets(options: Options): Promise<RevocationTarget[]> {
  const digestOf = (path: string) =>
    readAs(path, 'a signed document', bytes => sha256Hex(parseEnvelope(bytes).payload))
  const bytesOf = async (path: string) => sha256Hex(await readDocument(path, 'a program', MAX_PROGRAM_BYTES))
  const keyOf = async (path: string) => (await readTrustedKey(path, 'a key to revoke')).id
  const named = (id: string): never => {
    throw new CliError('USAGE', `${id} is not an id`, { next: 'See writ revoke --help.' })
  }
  const given: [RevocationKind, string[] | undefined, (text: string) => Promise<string> | string][] = [
    ['artifact', options.artifact, digestOf],
    ['key', options.publicKey, keyOf],
    ['program', options.program, bytesOf],
    ['host', options.host, named],
    ['execution', options.execution, named],
    ['policy', options.policy, digestOf],
  ]
  const targets: RevocationTarget[] = []
  for (const [kind, texts = [], read] of given) {
    for (const text of texts)
      targets.push(revocationTarget(kind, isRevocable(kind, text) ? text : await read(text)))
  }
  if (options.from !== undefined) {
    const text = await readDocument(options.from, 'a list', MAX_LIST_BYTES)
    targets.push(...parseRevocationList(text.toString(), options.from))
    if (targets.length === 0) throw new CliError('FILE_MALFORMED', `${options.from} names nothing`)
  }
  return targets
}

/** One after the other: each is in force before the next. */
async function send(daemon: WritClient, envelopes: readonly Buffer[], output: Output): Promise<undefined> {
  const ended = new Set<string>()
  let last = { epoch: '0', lineageIndex: '0' }
  for (const envelope of envelopes) {
    const { epoch, lineageIndex, executionIds } = await daemon.call(api.governance.Revoke, { envelope })
    last = { epoch, lineageIndex }
    for (const id of executionIds) ended.add(id)
  }
  const executionIds = [...ended]
  output.result({ ...last, executionIds }, () => [
    `revoked, epoch ${last.epoch}, entry ${last.lineageIndex} of the lineage`,
    ...executionIds.map(id => `  ends execution ${id}`),
  ])
  return undefined
}

const page = (daemon: WritClient, pageToken: string, pageSize = 0) =>
  daemon.call(api.governance.ListRevocations, { pageToken, pageSize })

async function list(daemon: WritClient, output: Output): Promise<undefined> {
  const items: { kind: string; id: string; epoch: string }[] = []
  let token = ''
  let answer: Awaited<ReturnType<typeof page>>
  do {
    answer = await page(daemon, token)
    for (const { kind, id, epoch } of answer.revocations) {
      const name = String(kind).replace(/^REVOCATION_KIND_/, '')
      items.push({ kind: name.toLowerCase(), id, epoch })
    }
    token = answer.nextPageToken
  } while (token !== '')
  const { epoch, total } = answer
  output.result({ epoch, total, revocations: items }, () => [
    `epoch ${epoch}, ${items.length} revoked`,
    ...items.map(({ kind, id, epoch }) => `  ${kind.padEnd(9)}  ${id}  # since epoch ${epoch}`),
  ])
  return undefined
}
