import { readFileSync } from 'node:fs'
import type { FindingCode } from '../../cli/doctor/areas/index.ts'
import {
  type ClockFacts,
  type KernelFeatures,
  type Look,
  type SpaceFacts,
  seen,
  type TpmFacts,
  unseen,
} from '../../cli/probe/index.ts'
import type { AttestationStatus } from '../../proto/generated/writ/v1/AttestationStatus.ts'
import { generateKey, privateKeyToPem } from '../../signing/key.ts'
import { AT, forgeEkChain } from '../attestation/identity/certificate-forge.ts'
import { imaEntry } from '../attestation/ima-log.ts'
import { bootedWith, CLASSIC } from '../attestation/made-up-boot.ts'
import { specId } from '../attestation/tcg-log.ts'
import type { FakedHost } from './faked-host.ts'
import {
  boolean,
  configurationStatus,
  DAY_MS,
  daemonConfig,
  digestOf,
  IMA_LOG,
  imaLog,
  POLICY,
  referenceValues,
  SECURE_BOOT,
  SETUP_MODE,
  STATUS,
  UNIT,
} from './healthy-host.ts'

export const EVENT_LOG = '/sys/kernel/security/tpm0/binary_bios_measurements'
const LAUNCHD = '/etc/writ/launchd.conf'
export const TOML = '/etc/writ/writd.toml'

function tpm(host: FakedHost, change: (facts: TpmFacts) => Partial<TpmFacts>): void {
  if (host.tpm.seen) host.tpm = seen({ ...host.tpm.value, ...change(host.tpm.value) })
}

export function value<T>(look: Look<T>, change: Partial<T>): Look<T> {
  return look.seen ? seen({ ...look.value, ...change }) : look
}

function status(host: FakedHost, change: Record<string, unknown>): void {
  host.status = value(host.status, change as Partial<AttestationStatus>)
}

/** Reference values that the configuration names, and that the daemon has in force. */
export function reference(host: FakedHost, values: Parameters<typeof referenceValues>[0]): void {
  const envelope = referenceValues(values)
  host.put('/etc/writ/reference.json', envelope)
  status(host, { referenceValuesDigest: digestOf(envelope) })
}

/** Another configuration, which the daemon has read. */
function config(host: FakedHost, from: string, to: string): void {
  const text = daemonConfig(text => text.replace(from, to))
  host.put(TOML, text)
  status(host, { configuration: configurationStatus(text) })
}
const launchd = (host: FakedHost, more: string): void =>
  host.put(LAUNCHD, `${readFileSync('packaging/launchd.conf', 'utf8')}\n${more}\n`)
const inDays = (days: number): string => new Date(AT.getTime() + days * DAY_MS).toISOString()
const unit = (host: FakedHost, change: Partial<typeof UNIT>): unknown =>
  host.units.set('writd.service', seen({ ...UNIT, ...change }))

/** Another policy, which this boot has loaded. */
function imaPolicy(host: FakedHost, text: string): void {
  host.put('/etc/ima/ima-policy', text)
  host.put(IMA_LOG, imaLog({ policy: text }))
}

const features = (change: Partial<KernelFeatures>) => (host: FakedHost) => {
  host.features = value(host.features, change)
}
const clock = (change: Partial<ClockFacts>) => (host: FakedHost) => {
  host.clock = value(host.clock, change)
}
const space = (change: Partial<SpaceFacts>) => (host: FakedHost) => {
  host.space = { ...host.space, ...change }
}

/** What is done to a healthy host, and what is found; more than one where one thing follows from another. */
export const CASES: readonly (readonly [FindingCode, (host: FakedHost) => unknown, ...FindingCode[]])[] = [
  [
    'TPM_SIMULATED',
    host => config(host, 'transport = "device"', 'transport = "swtpm"\npath = "/run/swtpm.sock"'),
  ],
  ['TPM_MISSING', host => Object.assign(host, { tpm: unseen('missing', 'no such file', 'ENOENT') })],
  [
    'TPM_VERSION',
    host => {
      host.tpm = unseen('missing', 'no such file', 'ENOENT')
      host.put('/sys/class/tpm/tpm0/tpm_version_major', '1\n')
    },
  ],
  [
    'TPM_UNUSABLE',
    host => Object.assign(host, { tpm: unseen('failed', 'no answer in 5000 ms', 'TPM_TIMEOUT') }),
  ],
  [
    'TPM_HELD',
    host => {
      host.put('/proc/55/fd/7', { link: '/dev/tpm0' })
      host.put('/proc/55/comm', 'tcsd\n')
    },
  ],
  ['TPM_FULL', host => Object.assign(host, { tpm: unseen('failed', 'no room for another object', '0x902') })],
  [
    'TPM_LOCKED',
    host => tpm(host, ({ hierarchies }) => ({ hierarchies: { ...hierarchies, inLockout: true } })),
  ],
  [
    'TPM_NEARLY_LOCKED',
    host => tpm(host, ({ use }) => ({ use: { ...use, lockout: { ...use.lockout, failures: 16 } } })),
  ],
  [
    'TPM_HIERARCHY_OFF',
    host => tpm(host, ({ use }) => ({ use: { ...use, enabled: { ...use.enabled, owner: false } } })),
  ],
  [
    'TPM_OWNER_AUTH',
    host => {
      tpm(host, ({ hierarchies }) => ({ hierarchies: { ...hierarchies, ownerAuthSet: true } }))
      host.files.delete('/var/lib/writ/identity/identity.json')
    },
    'NOT_PROVISIONED',
  ],
  [
    'TPM_CLEARABLE',
    host => tpm(host, ({ hierarchies }) => ({ hierarchies: { ...hierarchies, lockoutAuthSet: false } })),
  ],
  ['TPM_NO_SHA256', host => tpm(host, () => ({ banks: [{ bank: 'sha1', pcrs: [0] }] }))],
  ['TPM_IDENTITY_GONE', host => tpm(host, () => ({ persistentHandles: [0x81010001] }))],
  ['EK_CERTIFICATE_MISSING', host => tpm(host, () => ({ ekCertificate: null }))],
  [
    'EK_UNVERIFIED',
    async host => {
      const other = await forgeEkChain()
      tpm(host, () => ({ ekCertificate: other.ek.der, ekIntermediates: [other.issuing.der] }))
    },
  ],
  [
    'COUNTER_WORN',
    host => host.put('/var/lib/writ/lineage/state/anchor', { uid: 990, content: '{"counter":"450000"}' }),
  ],
  ['EVENT_LOG_MISSING', host => host.files.delete(EVENT_LOG)],
  [
    'EVENT_LOG_MALFORMED',
    host => host.put(EVENT_LOG, Buffer.concat([specId(), ...bootedWith(CLASSIC).events]).subarray(0, -2)),
  ],
  ['EVENT_LOG_NO_SHA256', host => host.put(EVENT_LOG, specId(['sha1']))],
  [
    'NOT_UEFI',
    host => {
      for (const path of [SECURE_BOOT, SETUP_MODE]) host.files.delete(path)
    },
  ],
  ['SECURE_BOOT_OFF', host => host.put(SECURE_BOOT, boolean(0))],
  ['SECURE_BOOT_SETUP', host => host.put(SETUP_MODE, boolean(1))],
  ['LOCKDOWN_OFF', host => host.put('/sys/kernel/security/lockdown', '[none] integrity confidentiality\n')],
  [
    'COMMAND_LINE_RISKY',
    host => host.put('/proc/cmdline', `init=/bin/sh ${host.files.get('/proc/cmdline')?.content}`),
  ],
  ['COMMAND_LINE_UNLISTED', host => reference(host, { commandLine: 'other' })],
  ['IMA_MISSING', host => host.files.delete(IMA_LOG)],
  ['IMA_UNREADABLE', host => host.put(IMA_LOG, imaLog().subarray(0, -3))],
  ['IMA_HASH', host => host.put(IMA_LOG, imaLog({ algorithm: 'sha1' }))],
  [
    'IMA_BOOT_POLICY',
    host => {
      host.put('/proc/cmdline', 'root=/dev/sda ima_policy=critical_data')
      reference(host, { commandLine: 'root=/dev/sda ima_policy=critical_data' })
    },
  ],
  ['IMA_POLICY_ABSENT', host => host.files.delete('/etc/ima/ima-policy')],
  ['IMA_POLICY_UNUSED', host => host.put(IMA_LOG, imaEntry({ path: 'boot_aggregate' }))],
  ['IMA_POLICY_CHANGED', host => host.put('/etc/ima/ima-policy', `# Ours.\n${POLICY}`)],
  [
    'IMA_POLICY_BLIND',
    host => imaPolicy(host, 'dont_measure fsmagic=0x9fa0\nmeasure func=KEXEC_CMDLINE\n'),
    'IMA_POLICY_LESS',
  ],
  ['IMA_POLICY_LESS', host => imaPolicy(host, `dont_measure fsmagic=0x1021994\n${POLICY}`)],
  ['IMA_POLICY_UNJUDGED', host => imaPolicy(host, `${POLICY}measure func=MIND_CHECK\n`)],
  ['IMA_POLICY_OPEN', host => host.put('/sys/kernel/security/ima/policy', '')],
  [
    'IMA_LOG_LARGE',
    host => host.put(IMA_LOG, Buffer.concat([imaLog(), ...Array(100_001).fill(imaEntry({ path: '/a' }))])),
  ],
  ['IN_CONTAINER', host => host.put('/run/systemd/container', 'lxc\n')],
  ['CGROUP_V2_MISSING', host => host.files.delete('/sys/fs/cgroup/cgroup.controllers')],
  ['CGROUP_CONTROLLER', host => host.put('/sys/fs/cgroup/cgroup.controllers', 'memory pids\n')],
  ['LANDLOCK_MISSING', features({ landlock: 0 })],
  ['LANDLOCK_OLD', features({ landlock: 4 })],
  ['SECCOMP_MISSING', features({ seccomp: false })],
  ['LEASE_UNSAFE', features({ sealFutureWrite: false })],
  ['PEER_PIDFD', features({ peerPidfd: false })],
  ['MEMFD_NOEXEC', features({ memfdNoexec: false })],
  ['DEVICE_FILTER', features({ deviceFilter: false })],
  ['NAMESPACES_OFF', host => host.put('/proc/sys/user/max_pid_namespaces', '0\n')],
  ['CLOCK_UNSYNCHRONIZED', clock({ synchronized: false })],
  [
    'CLOCK_BEHIND',
    host => host.change('/var/lib/writ/lineage/checkpoint', { mtimeMs: AT.getTime() + 60_000 }),
  ],
  ['HOST_SUSPENDED', clock({ suspended: 600 })],
  ['DISK_FULL', space({ bytesFree: 1 << 20 }), 'EVIDENCE_BOUND'],
  ['DISK_LOW', space({ bytesFree: 512 << 20 }), 'EVIDENCE_BOUND'],
  ['INODES_LOW', space({ inodesFree: 10 })],
  ['EVIDENCE_BOUND', space({ bytesTotal: 8e9, bytesFree: 6e9 })],
  [
    'DISK_READ_ONLY',
    host => host.put('/proc/self/mounts', '/dev/a / ext4 rw 0 0\n/dev/b /var/lib ext4 ro,relatime 0 0\n'),
  ],
  ['FILE_SYSTEM_VOLATILE', space({ type: 0x01021994 })],
  ['FILE_SYSTEM_UNSURE', space({ type: 0x794c7630 })],
  [
    'USER_MISSING',
    host => {
      launchd(host, '')
      host.put('/etc/passwd', 'root:x:0:0:root:/root:/bin/sh\n')
    },
    'CONFIG_WRONG',
  ],
  [
    'USER_IS_ROOT',
    host => host.put('/etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nwrit:x:0:0::/:/bin/false\n'),
    'CONFIG_WRONG',
    'FILE_OWNER',
  ],
  ['TPM_NO_ACCESS', host => host.put('/etc/group', 'tss:x:104:\n')],
  ['TPM_OPEN', host => host.change('/dev/tpmrm0', { mode: 0o666 })],
  [
    'EXECUTION_UIDS_TAKEN',
    host =>
      host.put('/etc/passwd', `${host.files.get('/etc/passwd')?.content}eve:x:60700:60700::/:/bin/sh\n`),
  ],
  ['NOT_PROVISIONED', host => host.files.delete('/var/lib/writ/identity/identity.json')],
  ['SECRETS_MISSING', host => host.files.delete('/etc/writ/credentials/log.key')],
  ['SECRETS_EXPOSED', host => host.change('/etc/writ/credentials/secrets.json', { mode: 0o644 })],
  ['FILE_WRITABLE', host => host.change('/usr/lib/writ/writd', { mode: 0o777 })],
  ['FILE_OWNER', host => host.change(LAUNCHD, { uid: 1000 })],
  ['FILE_LINK', host => host.put('/var/lib/writ/lineage', { link: '/srv/lineage' })],
  ['PRIVATE_KEY_HERE', host => host.put('/etc/writ/operator.key', privateKeyToPem(generateKey('ed25519')))],
  ['CONFIG_MISSING', host => host.files.delete(LAUNCHD)],
  ['CONFIG_WRONG', host => config(host, '[tpm]', 'sockte = 1\n[tpm]')],
  ['CONFIG_DISAGREES', host => launchd(host, 'max_evidence_age_seconds = 10')],
  ['CONFIG_FILE_MISSING', host => host.files.delete('/etc/writ/operator.pub')],
  [
    'NO_REFERENCE_VALUES',
    host => {
      config(host, 'reference_values = "/etc/writ/reference.json"', '')
      status(host, { referenceValuesDigest: '' })
    },
  ],
  ['RECOVERY_AUTO', host => config(host, '"operator"', '"auto"')],
  ['SOCKET_FOR_ALL', host => config(host, '"group"', '"all"')],
  ['UNIT_MISSING', host => unit(host, { load: 'not-found', path: '' })],
  ['UNIT_MASKED', host => unit(host, { load: 'masked', file: 'masked' })],
  ['UNIT_FAILED', host => unit(host, { active: 'failed', result: 'exit-code' })],
  ['UNIT_NOT_ENABLED', host => unit(host, { file: 'disabled' })],
  ['UNIT_CHANGED', host => unit(host, { dropIns: ['/etc/systemd/system/writd.service.d/a.conf'] })],
  ['UNIT_STALE', host => unit(host, { needsReload: true })],
  ['UNIT_RESTARTED', host => unit(host, { restarts: 7 })],
  ['DAEMON_OUTDATED', host => host.put('/proc/700/exe', { link: '/usr/lib/writ/writd (deleted)' })],
  ['LAUNCHER_OUTDATED', host => host.put('/proc/701/exe', { link: '/usr/lib/writ/writ-launchd (deleted)' })],
  ['LAUNCHER_RESTART_WAITS', host => host.change(LAUNCHD, { mtimeMs: AT.getTime() })],
  ['SOCKET_ELSEWHERE', host => config(host, '[daemon]', '[daemon]\nsocket = "/run/other/writd.sock"')],
  ['METRICS_OFF', host => host.change('/run/writ/metrics.sock', { mode: 0o666 })],
  ['SOCKET_TOO_OPEN', host => host.change('/run/writ/writd.sock', { mode: 0o666 })],
  ['APPARMOR_OFF', host => host.files.delete('/sys/module/apparmor/parameters/enabled')],
  [
    'APPARMOR_PROFILE_MISSING',
    host => host.put('/sys/kernel/security/apparmor/profiles', 'writ-launchd (enforce)\n'),
  ],
  ['DAEMON_UNCONFINED', host => host.put('/proc/700/attr/apparmor/current', 'unconfined\n')],
  ['APPARMOR_COMPLAINS', host => host.put('/sys/kernel/security/apparmor/profiles', 'writd (complain)\n')],
  [
    'ACCELERATOR_OPEN',
    host => {
      launchd(host, 'device.gpu = /dev/nvidiactl')
      host.put('/dev/nvidiactl', { kind: 'character-device', mode: 0o666 })
    },
  ],
  [
    'ACCELERATOR_SHARED',
    host => {
      launchd(host, 'device.gpu = /dev/kfd')
      host.put('/dev/kfd', { kind: 'character-device', mode: 0o660, gid: 105 })
      host.put('/etc/group', 'tss:x:104:writ\nrender:x:105:alice\n')
    },
  ],
  ['ACCELERATOR_UNNAMED', host => host.put('/dev/dri/renderD128', { kind: 'character-device', mode: 0o600 })],
  [
    'DAEMON_DOWN',
    host => {
      host.status = unseen('missing', 'there is no such socket', 'DAEMON_UNREACHABLE')
    },
  ],
  ['NOT_ATTESTED', host => status(host, { state: 'GATE_STATE_STALE' })],
  ['HOST_FAILED', host => status(host, { state: 'GATE_STATE_FAILED', failureEntry: '9' })],
  ['DECISION_NEEDED', host => status(host, { clockEntry: '4', clockFault: 'it went back' })],
  [
    'DOCUMENT_REFUSED',
    host => status(host, { refusedDocument: { kind: 'policy', time: 'x', code: 'ROLLED_BACK', at: '' } }),
  ],
  [
    'RELOAD_REFUSED',
    host =>
      status(host, { configuration: { ...STATUS.configuration, refusal: 'CONFIG_SYNTAX', reloadTime: 'x' } }),
  ],
  [
    'RESTART_WAITS',
    host => status(host, { configuration: { ...STATUS.configuration, waiting: ['daemon.socket'] } }),
  ],
  [
    'RELOAD_WAITS',
    host =>
      host.put(
        TOML,
        daemonConfig(text => text.replace('= 30', '= 31')),
      ),
  ],
  ['POLICY_ENDS', host => status(host, { policy: { ...STATUS.policy, notAfter: inDays(10) } })],
  ['POLICY_INVALID', host => status(host, { policy: { ...STATUS.policy, valid: false } })],
  ['LABELS_END', host => status(host, { hostLabels: { ...STATUS.hostLabels, notAfter: inDays(1) } })],
  ['TRUST_ENDS', host => status(host, { trustRoots: { ...STATUS.trustRoots, notAfter: inDays(3) } })],
  ['TRUST_INVALID', host => status(host, { trustRoots: { ...STATUS.trustRoots, valid: false } })],
  // What the file lacks is no error where it is not what the host is judged by.
  [
    'REFERENCE_DIFFERS',
    host => host.put('/etc/writ/reference.json', referenceValues({ writd: 'older', commandLine: 'other' })),
  ],
  ['COMPONENT_UNLISTED', host => reference(host, { writd: 'an older one' })],
  [
    'EVIDENCE_NEAR_BOUND',
    host => status(host, { evidence: { bytes: '95', maxBytes: '100', overBound: false } }),
  ],
  [
    'EVIDENCE_OVER_BOUND',
    host => status(host, { evidence: { bytes: '195', maxBytes: '100', overBound: true } }),
  ],
  ['TIER_UNKNOWN', host => status(host, { tier: 'TPM_TIER_UNKNOWN' })],
]
