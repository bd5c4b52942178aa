import { join } from 'node:path'
import { DemoError } from '../processes.ts'
import type { Screen } from '../screen.ts'
import { RECORDED_HOST, REPOSITORY, type Workspace } from '../workspace.ts'
import { writ, writJson } from '../writ.ts'
import type { ProvisionedHost } from './provision.ts'

/** A host, and the documents that the operator signed for it. Keys are below `operator`, which would be elsewhere. */
export interface GovernedHost extends ProvisionedHost {
  readonly operator: string
  readonly policyDigest: string
  readonly referenceDigest: string
}

/** Keys, reference values, trust roots, policy, and the certificate of the attestation key. */
export async function govern(
  screen: Screen,
  workspace: Workspace,
  host: ProvisionedHost,
): Promise<GovernedHost> {
  screen.heading('The operator says what is good and who may sign')
  const operator = await workspace.makeDirectory('operator')
  const at = (name: string) => join(operator, name)
  const must = async (...args: string[]) => {
    const { status, stderr } = await writ(args)
    if (status !== 0) throw new DemoError(`writ ${args.slice(0, 3).join(' ')} failed (${status}):\n${stderr}`)
  }
  const onHost = ['--state-dir', host.stateDirectory, '--tpm', host.tpmOption]
  const signed = ['--key', at('operator.key')]

  screen.command('writ key new operator; writ key new release --algorithm ecdsa-p256')
  await Promise.all([
    must('key', 'new', at('operator')),
    must('key', 'new', at('release'), '--algorithm', 'ecdsa-p256'),
    must('key', 'new', at('stranger')),
  ])

  screen.command(
    'writ reference capture --component any --out captured.json; writ reference sign captured.json --out reference.json',
  )
  await screen.waiting('capturing reference values', () =>
    must(
      ...['reference', 'capture', ...onHost, '--out', at('captured.json'), '--name', 'debian13-uki'],
      // The recorded host did not run this daemon.
      ...['--component', 'any'],
      ...['--event-log', join(RECORDED_HOST, 'eventlog.bin')],
      ...['--userspace-log', join(RECORDED_HOST, 'userspace.jsonseq')],
      ...['--ima-log', join(RECORDED_HOST, 'ima.bin')],
    ),
  )
  const reference = await writJson<{ digest: string }>([
    ...['reference', 'sign', at('captured.json'), ...signed, '--out', at('reference.json')],
  ])
  await must(
    ...['key', 'trust', 'sign', '--version', '1', ...signed, '--out', at('trust.json')],
    ...['--authority', `release=${at('release.pub')}`],
  )
  screen.command('writ policy sign policies/ --version 1 --valid 90d --key operator.key --out policy.json')
  const policy = await writJson<{ digest: string; policies: string[] }>([
    ...[
      'policy',
      'sign',
      join(REPOSITORY, 'demo/policies'),
      '--version',
      '1',
      '--valid',
      '90d',
      ...signed,
      '--out',
      at('policy.json'),
    ],
  ])

  screen.command('writ key enroll request | challenge | answer | certify | install')
  await screen.waiting('enrolling the host', () => enroll(must, at, host, onHost))
  screen.result(
    'Operator',
    `reference values, trust roots and ${policy.policies.length} policies signed; the TPM proved that it holds AK and EK`,
  )
  return { ...host, operator, policyDigest: policy.digest, referenceDigest: reference.digest }
}

/** Host and operator in turn; the operator has no TPM. */
async function enroll(
  must: (...args: string[]) => Promise<void>,
  at: (name: string) => string,
  host: ProvisionedHost,
  onHost: readonly string[],
): Promise<void> {
  const state = ['--state-dir', host.stateDirectory]
  const root = host.tpm.paths.rootCertificate
  await must('key', 'enroll', 'request', ...state, '--out', at('request.json'))
  await must(
    ...['key', 'enroll', 'challenge', at('request.json'), '--ek-root', root],
    ...['--out', at('challenge.json'), '--pending', at('pending.json')],
  )
  await must('key', 'enroll', 'answer', at('challenge.json'), ...onHost, '--out', at('answer.json'))
  await must(
    ...['key', 'enroll', 'certify', at('answer.json'), '--pending', at('pending.json')],
    ...['--key', at('operator.key'), '--out', at('ak-certificate.der')],
  )
  await must(
    'key',
    'enroll',
    'install',
    at('ak-certificate.der'),
    ...state,
    '--operator-key',
    at('operator.pub'),
  )
}
