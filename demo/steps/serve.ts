import { chmod, chown, copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readableRepository } from '../install.ts'
import { Service } from '../processes.ts'
import type { Screen } from '../screen.ts'
import { demoCgroup, RECORDED_HOST, REPOSITORY, USERS, type Workspace } from '../workspace.ts'
import { writ } from '../writ.ts'
import type { GovernedHost } from './govern.ts'

/** The uids that executions of the demo get. */
const EXECUTION_UIDS = [61_200, 61_399] as const
/** How often the demo's daemon attests, and how old evidence may get. */
const CYCLE_SECONDS = 2
const MAX_AGE_SECONDS = 8

/** A running daemon and launcher. */
export interface Site extends GovernedHost {
  readonly socket: string
  readonly cgroup: string
  /** From where a user without privileges can run `writ`. */
  readonly repository: string
  readonly workspace: Workspace
}

/** Starts writ-launchd as root and writd as a user of its own, and waits until the host is attested. */
export async function serve(screen: Screen, workspace: Workspace, host: GovernedHost): Promise<Site> {
  screen.heading('writ-launchd and writd start; writd attests the host')
  const socket = workspace.path('run', 'writd.sock')
  const cgroup = demoCgroup(workspace)
  const config = await writeConfiguration(workspace, host, socket, cgroup)
  const repository = await screen.waiting('making the programs readable', () =>
    readableRepository(workspace, USERS.writd),
  )
  await letWritdReachTheTpm(workspace, host)

  const launchd = new Service('writ-launchd', workspace.path('launchd.log'), [
    join(REPOSITORY, 'native/build/writ-launchd'),
    ...['--config', config.launchd],
  ])
  workspace.atEnd('writ-launchd', () => launchd.stop())
  await launchd.until(async () => (await statusOf(workspace.path('launchd', 'launchd.sock'))) === 0)

  const writd = new Service(
    'writd',
    workspace.path('writd.log'),
    [join(repository, 'writd'), '--config', config.writd],
    USERS.writd,
  )
  workspace.atEnd('writd', () => writd.stop())
  const status = async () => {
    const { status, stdout } = await writ(['status', '--json', '--socket', socket])
    return status === 0 ? (JSON.parse(stdout) as { state: string; tier: string; appraisals: string }) : null
  }
  screen.command('writ status')
  await screen.waiting('waiting for the first appraisal', () =>
    writd.until(async () => (await statusOf(socket)) === 0 && (await status())?.state === 'ATTESTED'),
  )
  const now = await status()
  screen.result(
    'Attestation',
    `${now?.state}: firmware, boot loader, kernel and IMA logs explain the quote; ${now?.tier}`,
  )
  return { ...host, socket, cgroup, repository, workspace }
}

async function statusOf(path: string): Promise<number> {
  const { stat } = await import('node:fs/promises')
  return stat(path).then(
    () => 0,
    () => 1,
  )
}

/** swtpm's socket is its owner's; writd is not. */
async function letWritdReachTheTpm(workspace: Workspace, { tpm }: GovernedHost): Promise<void> {
  await chmod(workspace.path('tpm'), 0o711)
  await chown(tpm.paths.socket, USERS.writd, USERS.writd)
}

async function writeConfiguration(
  workspace: Workspace,
  host: GovernedHost,
  socket: string,
  cgroup: string,
): Promise<{ launchd: string; writd: string }> {
  const etc = await workspace.makeDirectory('etc')
  await copyFile(join(host.operator, 'operator.pub'), join(etc, 'operator.pub'))
  await copyFile(host.tpm.paths.rootCertificate, join(etc, 'ek-root.pem'))
  for (const name of ['reference.json', 'trust.json', 'policy.json']) {
    await copyFile(join(host.operator, name), join(etc, name))
  }
  await mkdir(workspace.path('run'))
  await chown(workspace.path('run'), USERS.writd, USERS.writd)
  const launchd = join(etc, 'launchd.conf')
  await writeFile(
    launchd,
    [
      `socket = ${workspace.path('launchd', 'launchd.sock')}`,
      `cgroup = ${cgroup}`,
      `event_log = ${join(RECORDED_HOST, 'eventlog.bin')}`,
      `userspace_log = ${join(RECORDED_HOST, 'userspace.jsonseq')}`,
      `ima_log = ${join(RECORDED_HOST, 'ima.bin')}`,
      `writd_uid = ${USERS.writd}`,
      `writd_gid = ${USERS.writd}`,
      `uids = ${EXECUTION_UIDS.join('-')}`,
      '',
    ].join('\n'),
    { mode: 0o644 },
  )
  const writd = join(etc, 'writd.toml')
  const text = (value: string) => JSON.stringify(value)
  await writeFile(
    writd,
    `[daemon]
socket = ${text(socket)}
socket_access = "all"
state_directory = ${text(host.stateDirectory)}
launcher_socket = ${text(workspace.path('launchd', 'launchd.sock'))}

[tpm]
transport = "swtpm"
path = ${text(host.tpm.paths.socket)}
other_roots = [${text(join(etc, 'ek-root.pem'))}]

[attestation]
cycle_seconds = ${CYCLE_SECONDS}
max_evidence_age_seconds = ${MAX_AGE_SECONDS}
reference_values = ${text(join(etc, 'reference.json'))}

[trust]
governance_keys = [${text(join(etc, 'operator.pub'))}]
trust_roots = ${text(join(etc, 'trust.json'))}
policy_bundle = ${text(join(etc, 'policy.json'))}

[execution]
uid_range = [${EXECUTION_UIDS.join(', ')}]
`,
    { mode: 0o644 },
  )
  return { launchd, writd }
}
