import { type Command, Option } from 'commander'
import { issueArtifact, parseStatement, statementBytes } from '../../authorization/index.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { parseEnvelope } from '../../signing/dsse.ts'
import { checkShown } from '../artifact/shown.ts'
import { artifactInWords } from '../artifact/words.ts'
import { addCommand, handOn, setAction } from '../command.ts'
import { confirm } from '../confirm.ts'
import { CliError } from '../error.ts'
import { writeDocument } from '../files.ts'
import { SIGNED_FILE } from '../form.ts'
import { addSignerOptions, readSigners, type SignerOptions } from '../keys.ts'
import { printable } from '../output.ts'
import { type PlannedWorkload, readPlan } from '../plan-file.ts'
import { addScopeOptions, type ScopeOptions, scopeOptionsGiven } from '../scope-options.ts'
import { readSealedSecret } from '../secret-files.ts'
import { buildStatement, type IssueOptions, planWorkload, type StatementParts } from '../statement.ts'
import { collect, duration, wholeNumber } from '../workload.ts'

interface Options extends IssueOptions, ScopeOptions, SignerOptions {
  fromPlan?: string
  libraries?: boolean
  yes?: boolean
  secret?: string[]
  key: string[]
  out: string
}

export function addIssue(program: Command): void {
  const command = addCommand(
    program,
    'issue [program] [argument...]',
    'Sign an artifact that allows a host to run exactly this program with exactly these arguments.',
    `writ issue --key alice.key --issuer release --out digits.artifact.json --host 000b9c… --valid 1h --uses 1
     --uid 1000 --policy 3f7a… --reference-values 51c0… --file weights -- ./classifier infer weights
     writ issue --from-plan digits.plan.json --key alice.key --issuer release --out digits.artifact.json --host 000b9c…
     --valid 1h --uses 1 --uid 1000 --policy 3f7a… --reference-values 51c0…`,
    {
      ...SIGNED_FILE,
      subjects: [{ name: 'text', sha256: 'digest', 'kind?': 'text: tree, if it is a directory' }],
      predicate: 'json: as docs/artifact.md has it',
    },
  )
    .requiredOption(
      '--key <file>',
      'private key of the authority (repeatable, when it takes several)',
      collect,
    )
    .requiredOption('--out <file>', 'where the artifact is written; nothing is overwritten')
    .requiredOption('--issuer <name>', 'the authority, as the trust roots name it')
    .requiredOption(
      '--host <id|any>',
      'host that may run it; `writ status` shows the id (repeatable)',
      collect,
    )
    .requiredOption('--valid <duration>', 'how long it is valid, such as 15m or 30d', duration('--valid'))
    .requiredOption('--uses <n|any>', 'how often it may be used')
    .requiredOption('--uid <uid|any>', 'who may use it (repeatable)', collect)
    .requiredOption('--policy <digest|any>', 'policy bundle that has to be in force')
    .requiredOption('--reference-values <digest|any>', 'reference values that the host has to meet')
    .option('--id <id>', 'names the artifact; an id is never issued twice (default: random)')
    .option('--not-before <time>', 'start of validity, such as 2026-11-21T02:00:00Z (default: now)')
    .option('--unit <name>', 'systemd unit from which it may be used (repeatable; default: any)', collect)
    .option('--gid <n>', 'group from which it may be used (repeatable; default: any)', collect)
    .option('--cgroup <path>', 'cgroup in or below which it may be used (repeatable; default: any)', collect)
    .option(
      '--caller-program <digest>',
      'program that may use it, by SHA-256; advisory, so not as the only limit (repeatable; default: any)',
      collect,
    )
    .option(
      '--label <label>',
      'label that the host has to have, one of these (repeatable; default: any)',
      collect,
    )
    .option(
      '--reset-count <n>',
      "the TPM's reset count: one boot of the host (default: any)",
      wholeNumber('--reset-count'),
    )
    .option(
      '--max-evidence-age <duration>',
      "oldest evidence of the host (default: the host's own rule)",
      duration('--max-evidence-age'),
    )
    .addOption(
      new Option('--simulated <choice>', 'whether a simulated TPM will do')
        .choices(['allow', 'deny'])
        .default('deny'),
    )
    .option('--parent <execution|none|any>', 'execution that has to ask for it', 'none')
    .addOption(
      new Option('--on-lapse <what>', 'what happens when the attestation lapses')
        .choices(['kill', 'freeze'])
        .default('kill'),
    )
    .option(
      '--grace <duration>',
      'how long it may stay frozen until the host is attested again, such as 5m; then it is killed',
      duration('--grace'),
    )
    .option('--secret <file>', 'a secret from `writ secret seal` (repeatable)', collect)
    .option('--from-plan <file>', 'what `writ plan --out` found; it is shown, and signed after a yes')
    .option('--libraries', 'sign loader and shared libraries of the program as well')
    .option('--yes', 'show it, and ask nobody')
  addScopeOptions(command)
  addSignerOptions(command)
  handOn(command)
  setAction<Options>(command, async ({ args, options, output }) => {
    const [program = '', ...rest] = args
    if (options.fromPlan === undefined && program === '')
      throw new CliError('USAGE', 'say which program, or --from-plan')
    const keys = await readSigners(options.key, "the authority's key", options)
    const planned =
      options.fromPlan === undefined
        ? await planWorkload(program, rest, options, options.libraries === true)
        : await fromPlan(options.fromPlan, args, options)
    const secrets = await Promise.all((options.secret ?? []).map(readSealedSecret))
    const built = buildStatement(planned, options)
    const { subjects } = built
    const predicate = secrets.length === 0 ? built.predicate : { ...built.predicate, secrets }
    const statement = parseStatement(statementBytes(subjects, predicate))
    if (options.fromPlan !== undefined) {
      checkShown(statement, options.fromPlan)
      await confirm(artifactInWords(statement), 'Sign this?', options.yes === true)
    }
    const envelope = issueArtifact(subjects, predicate, keys)
    await writeDocument(options.out, envelope)
    const digest = sha256Hex(parseEnvelope(envelope).payload)
    output.result({ file: options.out, digest, subjects, predicate }, () =>
      summary(options.out, digest, { subjects, predicate }),
    )
    return undefined
  })
}

/** A plan says all that is signed of the workload. @throws CliError when something is said beside it */
async function fromPlan(path: string, args: readonly string[], options: Options): Promise<PlannedWorkload> {
  const beside = [
    ...(args.length > 0 ? ['a program'] : []),
    ...(options.libraries === true ? ['--libraries'] : []),
    ...scopeOptionsGiven(options),
  ]
  if (beside.length > 0)
    throw new CliError('USAGE', `--from-plan says what runs, and ${beside.join(', ')} says it again`, {
      next: 'Give it to `writ plan --out`, which writes the plan, and leave it out here.',
    })
  return readPlan(path)
}

function summary(file: string, digest: string, { subjects, predicate }: StatementParts): string[] {
  const { scope, validity, audience, initiator } = predicate
  const argv =
    scope.argv === 'any' ? 'any arguments' : scope.argv.map(a => (typeof a === 'string' ? a : '…')).join(' ')
  return [
    `${file}  ${predicate.id} by ${predicate.issuer}`,
    `  runs     ${printable(argv)}`,
    ...subjects.map(({ name, sha256 }) => `  subject  ${printable(name)} ${sha256}`),
    `  valid    ${validity.notBefore} to ${validity.notAfter}, uses: ${validity.maxUses}`,
    `  hosts    ${audience.hosts === 'any' ? 'any' : audience.hosts.join(' ')}`,
    `  callers  uid ${initiator.uids === 'any' ? 'any' : initiator.uids.join(' ')}`,
    `digest ${digest}`,
  ]
}
