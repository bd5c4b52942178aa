import { createHash } from 'node:crypto'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { stringify } from 'smol-toml'
import type { GivenAnswers } from '../../cli/setup/answers.ts'
import { type ImaFields, imaEntry, templateHash } from '../attestation/ima-log.ts'
import { WRITD } from './governed-config.ts'
import type { Finished, GovernedHost } from './governed-host.ts'

/** What `writ setup --json` prints, as far as it is looked at. */
export interface Setup {
  readonly complete: boolean
  readonly changed: boolean
  readonly waiting: { readonly for: string; readonly next: string } | null
  readonly steps: readonly {
    readonly name: string
    readonly state: string
    readonly found: readonly string[]
    readonly will: readonly string[]
    readonly did: readonly string[]
    readonly warnings: readonly string[]
    readonly error: {
      readonly code: string
      readonly message: string
      readonly next?: string
      readonly lines: string[]
    } | null
  }[]
  readonly backUp: readonly string[]
}

/** The states of the steps, by name. */
export function states({ steps }: Setup): Record<string, string> {
  return Object.fromEntries(steps.map(({ name, state }) => [name, state]))
}

/** Hosts that were booted with the policy. The machine itself was booted without ima_policy=tcb, which has to be said then. */
const measuring = new WeakSet<GovernedHost>()

/** Answers for a host of the tests: everything in one directory, a short configuration, little to capture. */
export function answersFor(host: GovernedHost, more: GivenAnswers = {}): GivenAnswers {
  return {
    ...more,
    places: {
      etc: host.dir,
      state_directory: host.path('state'),
      socket: host.socket,
      event_log: host.path('eventlog.bin'),
      userspace_log: host.path('userspace.jsonseq'),
      ima_log: host.path('ima.bin'),
      ima_policy: host.path('ima/ima-policy'),
      grub: host.path('grub.d'),
      ...more.places,
    },
    tpm: { where: `swtpm:${host.tpm.paths.socket}`, simulated: 'allow', ...more.tpm },
    daemon: { user: `${WRITD.uid}:${WRITD.gid}` },
    // The executions of the tests have other numbers than the shipped policy goes by.
    ima: { less: 'accept', boot: measuring.has(host) ? 'without' : 'say', ...more.ima },
    reference: { files: [], components: ['any'], ...more.reference },
    service: { attested_seconds: 30, ...more.service },
  }
}

/** A configuration as an administrator has it before the setup: sockets and users of the test, and a remark. */
export const REMARK = '# The socket of this host, see ticket 7.'
export function writeOwnConfig(host: GovernedHost): void {
  const text = `${REMARK}
[daemon]
socket = "${host.socket}"
socket_access = "all"
launcher_socket = "${host.path('launchd/launchd.sock')}"
shutdown_grace_seconds = 1
[attestation]
cycle_seconds = 1   # a test has no time
max_evidence_age_seconds = 5
[execution]
uid_range = [70000, 70299]
`
  writeFileSync(host.path('writd.toml'), text)
}

export function writeAnswers(host: GovernedHost, answers: GivenAnswers, name = 'answers.toml'): string {
  writeFileSync(host.path(name), stringify(answers))
  return host.path(name)
}

/** Runs `writ setup --json`. */
export async function setup(
  host: GovernedHost,
  answers: GivenAnswers,
  ...more: string[]
): Promise<Setup & { code: number | null }> {
  const done: Finished = await host.writ([
    'setup',
    '--json',
    '--answers',
    writeAnswers(host, answers),
    ...more,
  ])
  if (!done.stdout.startsWith('{')) throw new Error(`writ setup: ${done.code}\n${done.stdout}${done.stderr}`)
  return { ...(JSON.parse(done.stdout) as Setup), code: done.code }
}

/** As a boot does that loads the policy which lies at its place: one more entry, in log and PCR. */
export async function measurePolicy(host: GovernedHost): Promise<void> {
  const digest = createHash('sha256')
    .update(readFileSync(host.path('ima/ima-policy')))
    .digest('hex')
  const entry: ImaFields = { path: '/etc/ima/ima-policy', digest }
  const connected = host.tpm.connect()
  await connected.pcrExtend(10, [{ bank: 'sha256', digest: templateHash(entry) }])
  await connected.close()
  appendFileSync(host.path('ima.bin'), imaEntry(entry))
  measuring.add(host)
}
