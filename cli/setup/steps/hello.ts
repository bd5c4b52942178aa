import { existsSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { issueArtifact, parseStatement, statementBytes } from '../../../authorization/index.ts'
import { DenialError, type WritClient } from '../../../proto/client.ts'
import type { Signer } from '../../../signing/key.ts'
import { CliError } from '../../error.ts'
import { readDocument, writeDocument } from '../../files.ts'
import { keyFiles } from '../../key-files.ts'
import { saveReceipt } from '../../receipt/save.ts'
import { withDaemon } from '../../rpc/daemon.ts'
import { buildStatement, planWorkload } from '../../statement.ts'
import { readWorkload, workloadMessage } from '../../workload.ts'
import { type Done, done, type Step, type StepContext, skipped, toDo } from '../step.ts'
import { RELEASE } from './trust.ts'

/** Of coreutils, which every Debian has. */
const PROGRAM = '/usr/bin/echo'
const GREETING = 'hello, governed'
const VALID_SECONDS = 3600

/** Has one program run under an artifact, and shows that the artifact does not allow a second run. */
export const hello: Step = {
  name: 'hello',
  title: 'a governed hello',
  why: 'The whole way once: artifact, verification, policy, execution, receipt; and a denial.',
  async look(context) {
    const { answers, stage, files, authority, probes } = context
    if (!answers.hello.run) return skipped('not asked for')
    if (stage === 'image') return skipped('at the first boot')
    if (existsSync(files.helloReceipt)) return done([`receipt        ${files.helloReceipt}`])
    const status = await probes.daemon.status()
    if (!status.seen && !answers.service.start) return skipped('the daemon was not started')
    if (authority.releaseFile === null || !(await signsHere(context)))
      return skipped('the key that signs artifacts is elsewhere: `writ issue` there, and `writ run` here')
    if (status.seen && status.value.tier !== 'TPM_TIER_HARDWARE' && answers.tpm.simulated === 'deny')
      return {
        state: 'waiting',
        for: 'HARDWARE_ROOT',
        found: ['nothing leads from this TPM to its maker, so artifacts do not run here as they are'],
        next: "Give the certificate of the TPM's maker (--hardware-root, tpm.hardware_roots); or, where nothing has to be proved, --simulated allow.",
      }
    return toDo(
      [
        `issue an artifact for one run of ${PROGRAM} "${GREETING}", valid for an hour`,
        'run it, and run it again, which has to be denied',
      ],
      () => greet(context),
    )
  },
}

/** A key that takes a passphrase is not opened for a look. */
async function signsHere({ authority, files }: StepContext): Promise<boolean> {
  const file = authority.releaseFile
  // Not made yet: a step before this one makes it.
  if (authority.makesRelease && !existsSync(keyFiles(files.release).public)) return true
  return (
    file !== null && existsSync(file) && (await readDocument(file, 'the release key')).includes('PRIVATE KEY')
  )
}

async function greet(context: StepContext): Promise<Done> {
  const { answers, files, authority } = context
  const signer = await authority.releaseSigner()
  if (signer === null) throw new CliError('KEY_UNUSABLE', 'the release key has gone meanwhile')
  return withDaemon({ socket: answers.places.socket }, async daemon => {
    const artifact = await issue(context, signer, await hostIdOf(context))
    const start = { artifact, workload: workloadMessage(readWorkload(PROGRAM, [GREETING], {})) }
    const { executionId, decisionIndex } = await runOnce(daemon, start)
    await requireReplayed(daemon, start)
    const receipt = await saveReceipt(daemon, executionId, decisionIndex, files.helloReceipt)
    return {
      did: [
        `ran            ${PROGRAM} said "${GREETING}", execution ${executionId}`,
        'ran again      denied: REPLAYED, its one use is consumed',
        `receipt        ${receipt.file}: proves the run to whoever knows this host (\`writ receipt verify\`)`,
        `why            writ explain ${decisionIndex}`,
      ],
      warnings:
        answers.tpm.simulated === 'allow'
          ? ['the artifact said --simulated allow: it proves nothing about hardware']
          : [],
    }
  })
}

async function hostIdOf({ probes }: StepContext): Promise<string> {
  const status = await probes.daemon.status()
  if (status.seen) return status.value.hostId
  throw new CliError('DAEMON_UNREACHABLE', `the daemon does not answer: ${status.reason}`)
}

/** One use, for this host, this program, these arguments and whoever runs the setup. That of a run that did not get on is replaced. */
async function issue({ answers, files }: StepContext, signer: Signer, host: string): Promise<Buffer> {
  const planned = await planWorkload(PROGRAM, [GREETING], { network: 'none' }, false)
  const { subjects, predicate } = buildStatement(planned, {
    issuer: RELEASE,
    host: [host],
    valid: VALID_SECONDS,
    uses: '1',
    uid: [String(process.geteuid?.() ?? 0)],
    policy: 'any',
    referenceValues: 'any',
    simulated: answers.tpm.simulated,
    parent: 'none',
    onLapse: 'kill',
  })
  parseStatement(statementBytes(subjects, predicate))
  const artifact = issueArtifact(subjects, predicate, [signer])
  await writeDocument(files.helloArtifact, artifact, { replace: true })
  return artifact
}

type Start = Parameters<WritClient['execute']>[0]

async function runOnce(daemon: WritClient, start: Start) {
  const process = daemon.execute(start)
  process.stdin.end()
  const [said, errors, ended] = await Promise.all([text(process.stdout), text(process.stderr), process.ended])
  if (ended.cause === 'END_CAUSE_EXIT' && ended.exitCode === 0 && said === `${GREETING}\n`)
    return process.started
  throw new CliError(
    'REQUEST_FAILED',
    `${PROGRAM} ran and did not say what it should: ${ended.message || errors || said}`,
    {
      at: PROGRAM,
      next: '`writ lineage tail` shows how it ended.',
    },
  )
}

async function requireReplayed(daemon: WritClient, start: Start): Promise<void> {
  const process = daemon.execute(start)
  process.stdout.resume()
  process.stderr.resume()
  const denial = await process.ended.then(() => null).catch((error: unknown) => error)
  if (denial instanceof DenialError && denial.reasons.some(({ code }) => code === 'REPLAYED')) return
  if (denial instanceof Error && !(denial instanceof DenialError)) throw denial
  throw new CliError(
    'NOT_VERIFIED',
    'the artifact, of which one use was signed, was not denied as REPLAYED at its second',
    {
      next: 'Stop the daemon, and report this with `writ lineage export`.',
    },
  )
}
