import { stat } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import {
  type Missing,
  type ObservedSubject,
  openPolicyBundle,
  openTrustRoots,
  parseRequest,
  type Rehearsal,
  type RehearsedCheck,
  rehearse,
  type SubjectToOpen,
  subjectDigest,
} from '../../authorization/index.ts'
import type { PublicKey } from '../../signing/key.ts'
import { argumentHints, type ClosureItem } from '../closure/closure.ts'
import { digestOf } from '../closure/digest.ts'
import { addCommand, addNote, handOn, setAction } from '../command.ts'
import { CliError, EXIT } from '../error.ts'
import { readAs, readDocument } from '../files.ts'
import { readHostId } from '../host-id.ts'
import { readTrustedKey } from '../keys.ts'
import { printable, styled } from '../output.ts'
import { writePlan } from '../plan-file.ts'
import { addScopeOptions, type ScopeOptions } from '../scope-options.ts'
import { planWorkload } from '../statement.ts'
import { treeOf } from '../tree.ts'
import { resultLine, type Status } from '../verify/property.ts'
import { collect, readWorkload } from '../workload.ts'

interface Options extends ScopeOptions {
  out?: string
  libraries: boolean
  artifact?: string
  trust?: string
  policy?: string
  operatorKey?: string[]
  host?: string
  tier: 'hardware' | 'simulated' | 'unknown'
}

const REASON = { code: 'text', message: 'text', 'at?': 'text' } as const

export function addPlan(program: Command): void {
  const command = addCommand(
    program,
    'plan <program> [argument...]',
    'Find what would run, with digests, and say without a daemon which checks it would pass, as far as that can be told here.',
    `writ plan --out digits.plan.json --file weights -- ./classifier infer weights   # then: writ issue --from-plan
     writ plan --artifact digits.artifact.json -- ./classifier infer weights
     writ plan --artifact job.json --trust trust.json --policy policy.json --operator-key operator.pub -- /usr/bin/sort`,
    {
      passed: 'boolean: nothing failed; not that it would be permitted',
      'artifact|null': { digest: 'digest', id: 'text', issuer: 'text', notBefore: 'time', notAfter: 'time' },
      closure: [
        {
          path: 'text',
          role: 'text: program, interpreter, script, tree or other',
          why: 'text: program, first line, named, loader or library',
          sha256: 'digest',
          size: 'number: bytes',
          'signed|null': 'boolean: whether the artifact has it; null without one',
        },
      ],
      hints: ['text: what may belong to it, or could not be found out'],
      request: 'json: the workload as a run asks for it; null where it is as the artifact has it',
      'terms|null': 'json: what would run, if everything that could be told holds',
      checks: [
        {
          check: 'text',
          stage: 'text: artifact, subjects, integrity, policy or use',
          status: 'text: VERIFIED, NOT CHECKED or FAILED',
          detail: 'text',
          reasons: [REASON],
        },
      ],
    },
  )
    .option(
      '--artifact <file>',
      'signed authorization artifact (default: what `writ authorize` would ask for)',
    )
    .option('--trust <file>', 'trust roots, to check who signed the artifact; takes --operator-key')
    .option('--policy <file>', 'policy bundle, to ask it; takes --operator-key')
    .option(
      '--operator-key <file>',
      "the operator's public key, which signed trust roots and policy (repeatable)",
      collect,
    )
    .option('--out <file>', 'write what was found, for `writ issue --from-plan`; nothing is overwritten')
    .option('--no-libraries', 'leave loader and shared libraries to the host')
    .option('--host <id>', 'the host that it would run on; `writ status` shows the id')
    .addOption(
      new Option('--tier <tier>', 'kind of TPM that the policy is told of')
        .choices(['hardware', 'simulated', 'unknown'])
        .default('hardware'),
    )
  handOn(command)
  addScopeOptions(command)
  addNote(
    command,
    'Exit status: 1 if a check FAILED. Whether the host is attested, what is revoked and how often the artifact has been used\n' +
      'is NOT CHECKED: `writ authorize` asks the daemon, and consumes nothing. A policy is told of a host with fresh evidence.',
  )
  setAction<Options>(command, async ({ args, options, output }) => {
    const [name = '', ...rest] = args
    const asked = readWorkload(name, rest, options)
    const { closure, ...planned } = await planWorkload(name, rest, options, options.libraries)
    const hints = [...closure.hints, ...(await argumentHints(rest, closure.items))]
    if (options.out !== undefined) await writePlan(options.out, planned)
    const artifact =
      options.artifact === undefined ? null : await readDocument(options.artifact, 'the artifact')
    const found = await rehearse(
      {
        request: parseRequest({
          // The daemon draws one; nothing that is checked here looks at it.
          executionId: '0'.repeat(32),
          operation: artifact === null ? 'authorize' : 'execute',
          ...asked,
        }),
        caller: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, pid: process.pid },
        artifact,
        now: new Date().toISOString(),
        hostId: options.host === undefined ? null : readHostId(options.host),
        tier: options.tier,
        ...(await readGovernance(options)),
      },
      observe,
    )
    const checks = found.checks.map(shownCheck)
    const items = closure.items.map(item => ({ ...item, signed: isSigned(item, found) }))
    const passed = checks.every(({ status }) => status !== 'FAILED')
    output.result(
      {
        passed,
        artifact: shownArtifact(found),
        closure: items,
        hints,
        request: asked,
        terms: found.terms,
        checks,
      },
      () => [
        `asks for  ${printable((asked.argv ?? [asked.program]).join(' '))}`,
        ...items.map(closureLine),
        ...hints.map(hint => `hint      ${printable(hint)}`),
        ...(options.out === undefined ? [] : [`plan      ${options.out}`]),
        '',
        ...checkLines(checks),
        '',
        passed
          ? `${styled(['bold', 'green'], 'nothing failed')}; the daemon decides when it is asked: writ authorize`
          : styled(['bold', 'red'], 'it would be denied'),
      ],
    )
    return passed ? EXIT.done : EXIT.refused
  })
}

function isSigned({ sha256 }: ClosureItem, { statement }: Rehearsal): boolean | null {
  return statement === null ? null : statement.subject.some(item => subjectDigest(item) === sha256)
}

function closureLine({ path, role, why, sha256, signed }: ClosureItem & { signed: boolean | null }): string {
  const what = why === 'named' || why === 'program' ? role : why
  return `${what.padEnd(12)} ${sha256}  ${printable(path)}${signed === false ? '  (not signed)' : ''}`
}

async function readGovernance({ trust, policy, operatorKey = [] }: Options) {
  if ((trust ?? policy) !== undefined && operatorKey.length === 0) {
    throw new CliError('USAGE', 'trust roots and policy are believed if the operator signed them', {
      next: 'Give --operator-key FILE.',
    })
  }
  const operators: PublicKey[] = []
  for (const path of operatorKey) operators.push(await readTrustedKey(path, "the operator's key"))
  return {
    trustRoots:
      trust === undefined ? null : await readAs(trust, 'trust roots', b => openTrustRoots(b, operators)),
    policy:
      policy === undefined
        ? null
        : await readAs(policy, 'a policy bundle', b => openPolicyBundle(b, operators)),
  }
}

/** Hashes the files as they are now, one after another: they may be large. */
async function observe(subjects: readonly SubjectToOpen[]): Promise<ObservedSubject[]> {
  const out: ObservedSubject[] = []
  for (const { path, kind } of subjects) {
    try {
      if (kind === 'tree') out.push({ path, ...(await treeOf(path)) })
      else out.push({ path, sha256: await digestOf(path, 'a subject'), size: (await stat(path)).size })
    } catch (error) {
      if (!(error instanceof CliError)) throw error
      out.push({ path, error: error.message.slice(0, 200) })
    }
  }
  return out
}

const STATUS: Readonly<Record<RehearsedCheck['outcome'], Status>> = {
  passed: 'VERIFIED',
  failed: 'FAILED',
  unknown: 'NOT CHECKED',
}

const WHY: Readonly<Record<Missing, string>> = {
  artifact: 'no --artifact was given',
  host: 'no --host was given',
  'trust roots': 'no --trust was given',
  policy: 'no --policy was given',
  caller: 'the kernel tells the daemon from which unit or execution it is asked',
  daemon: 'only the daemon knows',
  earlier: 'an earlier check failed',
}

function shownCheck({ name, stage, outcome, reasons, compared, missing }: RehearsedCheck) {
  const detail =
    missing !== null
      ? WHY[missing]
      : outcome === 'failed'
        ? reasons.map(({ code, message }) => `${code}: ${message}`).join('; ')
        : (compared?.found ?? '')
  return { check: name, stage, status: STATUS[outcome], detail, reasons }
}

/** A line for each check; what has the same to say in one stage shares one. */
function checkLines(checks: readonly ReturnType<typeof shownCheck>[]): string[] {
  const lines: { names: string[]; stage: string; status: Status; detail: string }[] = []
  for (const { check, stage, status, detail } of checks) {
    const last = lines.at(-1)
    const inScope = status === 'VERIFIED' && check.startsWith('scope.')
    const said = inScope ? 'within what is signed' : detail
    const shares = last?.stage === stage && last.status === status && last.detail === said
    if (shares && status !== 'FAILED') last.names.push(check)
    else lines.push({ names: [check], stage, status, detail: said })
  }
  return lines.map(({ names, status, detail }) => resultLine({ property: names.join(', '), status, detail }))
}

function shownArtifact({ artifactDigest, statement }: Rehearsal) {
  if (artifactDigest === null || statement === null) return null
  const { id, issuer, validity } = statement.predicate
  const { notBefore, notAfter } = validity
  return { digest: artifactDigest, id, issuer, notBefore, notAfter }
}
