import type { Command } from 'commander'
import { openTrustRoots, type TrustRoots } from '../../authorization/index.ts'
import { addSignature, parseEnvelope } from '../../signing/dsse.ts'
import { approvalState, checkCounts, checkNotSigned, readApprovable } from '../artifact/approval.ts'
import { checkShown } from '../artifact/shown.ts'
import { artifactInWords } from '../artifact/words.ts'
import { addCommand, setAction } from '../command.ts'
import { confirm } from '../confirm.ts'
import { CliError } from '../error.ts'
import { readAs, readDocument, writeDocument } from '../files.ts'
import { addSignerOptions, readSigner, readTrustedKey, type SignerOptions } from '../keys.ts'
import { collect } from '../workload.ts'

interface Options extends SignerOptions {
  key: string
  out?: string
  inPlace?: boolean
  trust?: string
  operatorKey?: string[]
  yes?: boolean
}

export function addApprove(program: Command): void {
  const command = addCommand(
    program,
    'approve <artifact>',
    'Show what an artifact allows, and add one signature to those that it has.',
    `writ approve job.artifact.json --key bob.key --out job.approved.json
     writ approve job.artifact.json --key bob.key --in-place --trust trust.json --operator-key operator.pub`,
    {
      file: 'text',
      digest: 'digest: of the payload, which names the artifact',
      signer: 'digest: id of the key',
      signatures: 'number',
      'counted|null': {
        met: 'boolean: whether nothing is missing',
        approvers: ['text: holders'],
        'requester|null': 'text: holder',
        missing: ['text'],
      },
    },
  )
    .requiredOption('--key <file>', 'private key of whoever approves or asks')
    .option('--out <file>', 'where the artifact is written with the signature; nothing is overwritten')
    .option('--in-place', 'put it where the artifact is, whole or not at all')
    .option(
      '--trust <file>',
      'trust roots: whether the signature counts is checked, and what is missing said',
    )
    .option('--operator-key <file>', "the operator's public key, for --trust (repeatable)", collect)
    .option('--yes', 'show it, and ask nobody')
  addSignerOptions(command)
  setAction<Options>(command, async ({ args, options, output }) => {
    const [path = ''] = args
    const { out, inPlace } = options
    if ((out === undefined) === (inPlace === undefined))
      throw new CliError('USAGE', 'say where it goes: --out or --in-place, one of the two')
    const bytes = await readDocument(path, 'an artifact')
    const artifact = await readAs(path, 'an artifact', readApprovable)
    checkShown(artifact.statement, path)
    const roots = await readTrust(options)
    const now = () => new Date().toISOString()
    const signer = await readSigner(options.key, 'the key', options)
    checkNotSigned(artifact, signer.public)
    if (roots !== null) checkCounts(artifact, signer.public, roots, now())
    await confirm(
      [...artifactInWords(artifact.statement), `  digest       ${artifact.digest}`],
      'Sign this?',
      options.yes === true,
    )
    const approved = addSignature(artifact.envelope, signer)
    if (out === undefined) {
      // Somebody else may have added a signature while this one was thought about.
      if (!(await readDocument(path, 'an artifact')).equals(bytes))
        throw new CliError('NOT_APPROVED', `${path} changed meanwhile`, {
          at: path,
          next: 'Approve it again.',
        })
      await writeDocument(path, approved, { replace: true })
    } else await writeDocument(out, approved)

    const file = out ?? path
    const envelope = parseEnvelope(approved)
    const authority = roots?.authorities.get(artifact.statement.predicate.issuer)
    const state = authority === undefined ? null : approvalState(envelope, authority, now())
    const { digest } = artifact
    const signatures = envelope.signatures.length
    const counted = state === null ? null : counts(state)
    output.result({ file, digest, signer: signer.public.id, signatures, counted }, () => [
      `${file}  ${signatures} signatures, now also by ${signer.public.id.slice(0, 16)}`,
      ...(state === null ? [] : state.found.met ? ['nothing is missing'] : state.missing),
      `digest ${digest}`,
    ])
    return undefined
  })
}

function counts({ found, missing }: ReturnType<typeof approvalState>) {
  const { met, approvers, requester } = found
  return { met, approvers, requester, missing }
}

async function readTrust({ trust, operatorKey }: Options): Promise<TrustRoots | null> {
  if ((trust === undefined) !== (operatorKey === undefined))
    throw new CliError('USAGE', '--trust and --operator-key go together')
  if (trust === undefined) return null
  const operators = await Promise.all(
    (operatorKey ?? []).map(file => readTrustedKey(file, "the operator's key")),
  )
  return readAs(trust, 'trust roots', bytes => openTrustRoots(bytes, operators))
}
