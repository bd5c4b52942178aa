import { join } from 'node:path'
import type { PartialConfig } from '../../../configuration/daemon-file.ts'
import { PACKAGED_COMPONENTS } from '../../components.ts'
import { modeText } from '../../config/identity.ts'
import { TEMPORARY } from '../../files.ts'
import { type FileFacts, type FileProbe, valueIn } from '../../probe/index.ts'
import { DEFAULT_CREDENTIALS, DEFAULT_STATE_DIRECTORY, LOG_KEY } from '../../state-directory.ts'
import { type AreaReport, defineArea } from '../area.ts'
import type { Host } from '../host.ts'

export const FILES = defineArea({
  name: 'files',
  title: 'files and directories: of the right user, open to nobody else',
  findings: {
    NOT_PROVISIONED: {
      severity: 'error',
      what: 'this host has no identity',
      why: 'The units do not start without one.',
      todo: '`writ setup`, or `writ init --user writ`.',
    },
    SECRETS_MISSING: {
      severity: 'error',
      what: 'the secrets of this host are not where the unit takes them from',
      why: 'The units do not start without them.',
      todo: 'Restore them from a back-up; without one provision the host anew.',
    },
    SECRETS_EXPOSED: {
      severity: 'error',
      what: 'secrets can be read by others than root',
      why: 'Who has them and reaches the TPM attests as this host.',
      todo: '`chown root:root` and `chmod 0600` for the file, 0700 for its directory. Who may have read them: provision anew.',
    },
    FILE_WRITABLE: {
      severity: 'error',
      what: 'somebody who must not can write a file of Writ, or what leads to it',
      why: 'He decides what the daemon enforces, or what it remembers.',
      todo: '`chmod go-w` and `chown` as said; then find out who wrote there.',
    },
    FILE_OWNER: {
      severity: 'error',
      what: 'a file belongs to the wrong user',
      why: 'The daemon cannot use it, or somebody else can change it.',
      todo: '`chown` as said.',
    },
    FILE_LINK: {
      severity: 'error',
      what: 'a link stands where a file or directory has to be',
      why: 'Where it leads can be changed; the daemon and the launcher refuse it.',
      todo: 'Put the file itself there; for another disk mount it.',
    },
    PRIVATE_KEY_HERE: {
      severity: 'warning',
      what: 'a private key of an authority lies on this host',
      why: 'Who becomes root here can sign for all hosts that trust it.',
      todo: 'Move it to where documents are signed, and shred it here. For a trial it can stay.',
    },
  },
  async look(host, report) {
    const values = report.need(
      ['NOT_PROVISIONED', 'SECRETS_MISSING', ...OF_FILES],
      await host.values(),
      host.configPath,
    )
    const daemon = await daemonUser(host, report)
    if (values !== null) await lookAtProvision(host, values.daemon.stateDirectory, report)
    for (const place of placesOf(host, values, daemon)) await lookAt(host.probes.files, place, report)
    await lookForKeys(host, report)
  },
})

type FilesReport = AreaReport<keyof typeof FILES.findings & string>

/** What is said of each file that there is. */
const OF_FILES = ['SECRETS_EXPOSED', 'FILE_WRITABLE', 'FILE_OWNER', 'FILE_LINK'] as const

interface Place {
  readonly path: string
  /** Who it may belong to; null: anybody. */
  readonly owners: ReadonlySet<number> | null
  readonly secret: boolean
  /** Whether it may be a link: what it leads to is what the daemon looks at. */
  readonly linkable?: boolean
}

async function lookAtProvision(
  { probes: { files } }: Host,
  state = DEFAULT_STATE_DIRECTORY,
  report: FilesReport,
): Promise<void> {
  const identity = join(state, 'identity/identity.json')
  const found = await files.stat(identity)
  if (!found.seen) {
    if (found.why === 'missing') report.found('NOT_PROVISIONED', 'there is no identity', { where: identity })
    report.skip(['NOT_PROVISIONED', 'SECRETS_MISSING'], found, identity)
    return
  }
  for (const name of ['secrets.json', LOG_KEY]) {
    const path = join(DEFAULT_CREDENTIALS, name)
    const secret = await files.stat(path)
    if (secret.seen) continue
    // A host that is not run from the package's units has them in the state directory.
    const beside = await files.stat(join(state, 'identity', name))
    if (beside.seen) continue
    if (secret.why === 'missing' && beside.why === 'missing')
      report.found('SECRETS_MISSING', 'there is no such file', { where: path })
    else report.skip(['SECRETS_MISSING'], secret.why === 'missing' ? beside : secret, path)
  }
}

/** The uid of the daemon's user: as launchd.conf has it, else that of the name that the package gives it. */
async function daemonUser(host: Host, report: FilesReport): Promise<number | undefined> {
  const launcher = report.need(['FILE_OWNER'], await host.launcher(), host.launcherPath)
  const accounts = valueIn(await host.accounts())
  return launcher?.writd_uid ?? accounts?.users.find(({ name }) => name === 'writ')?.uid
}

/** @param values null: not known, and what the configuration names is left out */
function placesOf(host: Host, values: PartialConfig | null, daemon: number | undefined): readonly Place[] {
  const root = new Set([0])
  const own = daemon === undefined ? null : new Set([daemon])
  const both = daemon === undefined ? null : new Set([0, daemon])
  const state = values?.daemon.stateDirectory ?? DEFAULT_STATE_DIRECTORY
  const documents = [
    ...(values?.trust.governanceKeys ?? []),
    ...(values?.tpm.hardwareRoots ?? []),
    ...(values?.tpm.otherRoots ?? []),
    values?.trust.trustRoots,
    values?.trust.policyBundle,
    values?.attestation.referenceValues,
  ].filter(path => path !== undefined)
  const place = (path: string, owners: Place['owners'], secret = false): Place => ({ path, owners, secret })
  const linkable = (path: string, owners: Place['owners']): Place => ({
    ...place(path, owners),
    linkable: true,
  })
  return [
    linkable('/etc/writ', root),
    linkable(host.configPath, both),
    place(host.launcherPath, root),
    ...documents.map(path => linkable(path, both)),
    place(DEFAULT_CREDENTIALS, root, true),
    place(join(DEFAULT_CREDENTIALS, 'secrets.json'), root, true),
    place(join(DEFAULT_CREDENTIALS, LOG_KEY), root, true),
    ...(state === DEFAULT_STATE_DIRECTORY ? [place('/var/lib', root)] : []),
    place(state, own),
    place(join(state, 'identity'), own),
    place(join(state, 'identity/secrets.json'), own, true),
    place(join(state, 'lineage'), own),
    place(join(state, 'lineage/state'), own),
    place(join(state, 'lineage/evidence'), own),
    ...PACKAGED_COMPONENTS.map(([, path]) => place(path, root)),
    place('/usr/lib/writ', root),
    place('/etc/ima/ima-policy', root),
  ]
}

async function lookAt(
  files: FileProbe,
  { path, owners, secret, linkable }: Place,
  report: FilesReport,
): Promise<void> {
  const found = linkable === true ? await files.stat(path) : await files.lstat(path)
  if (!found.seen) {
    // What is missing other areas speak of.
    if (found.why !== 'missing') report.skip(OF_FILES, found, path)
    return
  }
  const { kind, mode, uid } = found.value
  if (kind === 'link') {
    report.found('FILE_LINK', 'it is a symbolic link', { where: path })
    return
  }
  if ((mode & 0o022) !== 0 && !(kind === 'directory' && (mode & 0o1000) !== 0))
    report.found('FILE_WRITABLE', `mode ${modeText({ mode })}, of uid ${uid}`, { where: path })
  if (owners !== null && !owners.has(uid)) {
    const wanted = [...owners].join(' or ')
    report.found('FILE_OWNER', `it is of uid ${uid}, not ${wanted}`, {
      where: path,
      todo: `\`chown ${[...owners][0]} ${path}\``,
    })
  }
  if (secret && (mode & 0o077) !== 0) report.found('SECRETS_EXPOSED', exposure(found.value), { where: path })
}

function exposure({ mode, uid, gid }: FileFacts): string {
  return `mode ${modeText({ mode })}, of uid ${uid} and gid ${gid}`
}

/** Most files of /etc/writ that are looked into. */
const MOST_FILES = 200
const MAYBE_KEY = /\.(?:key|pem)$/

async function lookForKeys({ probes: { files } }: Host, report: FilesReport): Promise<void> {
  const names = await files.list('/etc/writ')
  if (!names.seen) {
    if (names.why !== 'missing') report.skip(['PRIVATE_KEY_HERE'], names, '/etc/writ')
    return
  }
  const candidates = names.value.filter(name => MAYBE_KEY.test(name.replace(TEMPORARY, '')))
  if (candidates.length > MOST_FILES)
    report.skip(['PRIVATE_KEY_HERE'], `only ${MOST_FILES} files were looked into`, '/etc/writ')
  for (const name of candidates.slice(0, MOST_FILES)) {
    const path = join('/etc/writ', name)
    const bytes = await files.read(path, 1 << 16)
    if (bytes.seen) {
      if (!bytes.value.includes('PRIVATE KEY-----')) continue
      if (TEMPORARY.test(name))
        report.found('PRIVATE_KEY_HERE', 'it holds a private key, which a run that was killed left', {
          where: path,
          todo: `\`rm ${path}\`: nothing uses this name. It may be a second one of the key itself, so do not overwrite it.`,
        })
      else report.found('PRIVATE_KEY_HERE', 'it holds a private key', { where: path })
    } else if (bytes.why === 'denied' && name.endsWith('.key'))
      report.found('PRIVATE_KEY_HERE', 'it is called a key and cannot be read from here', { where: path })
    else if (bytes.why !== 'missing') report.skip(['PRIVATE_KEY_HERE'], bytes, path)
  }
}
