import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { encodeReferenceValues, REFERENCE_VALUES_TYPE } from '../../attestation/index.ts'
import { signDocument, signTrustRoots } from '../../authorization/index.ts'
import { seen, type UnitFacts } from '../../cli/probe/index.ts'
import { openReferenceValues } from '../../cli/reference-values.ts'
import { configDigest, examineConfig } from '../../configuration/daemon-file.ts'
import type { AttestationStatus } from '../../proto/generated/writ/v1/AttestationStatus.ts'
import { generateKey, publicKeyToPem } from '../../signing/key.ts'
import { AT, forgeEkChain } from '../attestation/identity/certificate-forge.ts'
import { imaEntry } from '../attestation/ima-log.ts'
import { bootedWith, CLASSIC, valuesOf } from '../attestation/made-up-boot.ts'
import { specId } from '../attestation/tcg-log.ts'
import { FakedHost, identityFile } from './faked-host.ts'

export const COMMAND_LINE = 'root=/dev/sda quiet ima_policy=tcb ima_hash=sha256'
export const DAY_MS = 86_400_000
const OPERATOR = generateKey('ed25519')
/** As it is shipped. */
export const POLICY = readFileSync('packaging/ima/ima-policy', 'utf8')
const EFI = '/sys/firmware/efi/efivars'
const GLOBAL = '8be4df61-93ca-11d2-aa0d-00e098032b8c'
const WRITD = 'the daemon, all of it'
/** uid and gid of the user writ. */
const WRIT = { uid: 990, gid: 989 }

export const boolean = (value: 0 | 1): Buffer => Buffer.from([6, 0, 0, 0, value])
export const SECURE_BOOT = `${EFI}/SecureBoot-${GLOBAL}`
export const SETUP_MODE = `${EFI}/SetupMode-${GLOBAL}`
export const IMA_LOG = '/sys/kernel/security/ima/binary_runtime_measurements'

/** An IMA log in which the policy was loaded. */
export function imaLog({ algorithm = 'sha256', policy = POLICY } = {}): Buffer {
  return Buffer.concat([
    imaEntry({ path: 'boot_aggregate', algorithm, digest: hash(algorithm, '') }),
    imaEntry({ path: '/etc/ima/ima-policy', digest: hash('sha256', policy) }),
    imaEntry({ path: '/usr/lib/writ/writd', digest: hash('sha256', WRITD) }),
  ])
}

/** Reference values for the host, or for one with another daemon or command line, in their envelope. */
export function referenceValues({ writd = WRITD, commandLine = COMMAND_LINE } = {}): Buffer {
  const { document } = valuesOf(CLASSIC, values => {
    values.commandLines = [{ text: commandLine }]
    values.components = [
      { name: 'writd', path: '/usr/lib/writ/writd', digests: [`sha256:${hash('sha256', writd)}`] },
    ]
  })
  return signDocument(REFERENCE_VALUES_TYPE, encodeReferenceValues(document), OPERATOR)
}

/** What a daemon says of reference values that it has in force. */
export function digestOf(envelope: Buffer): string {
  return openReferenceValues(envelope, [OPERATOR.public]).digest
}

/** Trust roots that end then. */
export function trustRoots(notAfter: string): Buffer {
  const key = { key: OPERATOR.public.spki.toString('base64'), holder: 'alice', role: 'approver' as const }
  const authority = { name: 'release', threshold: 1, requester: 'none' as const }
  const keys = [{ ...key, notBefore: 'any', notAfter: 'any' }]
  return signTrustRoots({ version: 1, notAfter, authorities: [{ ...authority, keys }] }, OPERATOR)
}

export const UNIT: UnitFacts = {
  load: 'loaded',
  active: 'active',
  sub: 'running',
  file: 'enabled',
  path: '/usr/lib/systemd/system/writd.service',
  dropIns: [],
  needsReload: false,
  result: 'success',
  mainPid: 700,
  restarts: 0,
  since: AT.getTime() - 3_600_000,
}

export const STATUS = {
  state: 'GATE_STATE_ATTESTED',
  reasons: [],
  tier: 'TPM_TIER_HARDWARE',
  referenceValuesDigest: digestOf(referenceValues()),
  failureEntry: undefined,
  clockEntry: undefined,
  doubtfulTail: undefined,
  rolledBack: null,
  newEpoch: null,
  refusedDocument: null,
  clockFault: '',
  configuration: configurationStatus(daemonConfig()),
  policy: { version: '3', notBefore: 'any', notAfter: 'any', valid: true },
  trustRootsDigest: 'ab'.repeat(32),
  trustRoots: { version: '2', notAfter: 'any', valid: true },
  hostLabels: { version: '1', notAfter: 'any', labels: [] },
  evidence: { bytes: '1000', maxBytes: '8589934592', overBound: false },
} as unknown as AttestationStatus

/** What a daemon says of its configuration that runs by this one; nothing of one that it would not take. */
export function configurationStatus(text: string) {
  const { config } = examineConfig(Buffer.from(text))
  const digest = config === null ? '' : configDigest(config)
  return { digest, inForceTime: '', refusal: '', waiting: [], reloadTime: '' }
}

/** What writd.toml says; `more` goes behind the key that it is to stand beside. */
export function daemonConfig(change: (text: string) => string = text => text): string {
  return change(`[daemon]
socket_access = "group"
[tpm]
transport = "device"
hardware_roots = ["/etc/writ/vendor-root.pem"]
[attestation]
recovery = "operator"
max_evidence_age_seconds = 30
reference_values = "/etc/writ/reference.json"
[trust]
governance_keys = ["/etc/writ/operator.pub"]
trust_roots = "/etc/writ/trust.json"
`)
}

/** A host on which nothing is wrong, and everything can be seen. */
export async function healthyHost(): Promise<FakedHost> {
  const { root, issuing, ek } = await forgeEkChain()
  const host = new FakedHost({
    tpm: seen({
      vendor: { manufacturer: 'STM', vendorString: 'ST33', firmwareVersion: 1n, revision: 159 },
      hierarchies: { ownerAuthSet: false, endorsementAuthSet: false, lockoutAuthSet: true, inLockout: false },
      use: {
        // Firmware switches the platform's off before it starts the system; nobody here needs it.
        enabled: { platform: false, owner: true, endorsement: true },
        lockout: { failures: 0, most: 32, intervalSeconds: 7200 },
        countersLeft: 4,
      },
      banks: ['sha1', 'sha256'].map(bank => ({ bank, pcrs: Array.from({ length: 24 }, (_, pcr) => pcr) })),
      ekCertificate: ek.der,
      ekIntermediates: [issuing.der],
      persistentHandles: [0x81010001, 0x81018000],
      nvIndices: [0x01c00002, 0x01800010],
    }),
    features: seen({
      landlock: 6,
      seccomp: true,
      peerPidfd: true,
      memfdNoexec: true,
      sealFutureWrite: true,
      deviceFilter: true,
    }),
    clock: seen({ now: AT.getTime(), sinceBoot: 7200, suspended: 0, synchronized: true, maxErrorMs: 1 }),
    space: { type: 0xef53, bytesTotal: 2 ** 40, bytesFree: 2 ** 39, inodesTotal: 1e7, inodesFree: 1e6 },
    status: seen(STATUS),
  })
  putSystem(host)
  putFiles(host, root.der)
  for (const unit of ['writ-launchd.service', 'writd.socket', 'writd-metrics.socket', 'writd.service'])
    host.units.set(unit, seen(UNIT))
  return host
}

/** What kernel, firmware and users of a host are. */
function putSystem(host: FakedHost): void {
  host.put('/proc/cmdline', `BOOT_IMAGE=/vmlinuz ${COMMAND_LINE}\n`)
  host.put('/proc/1/environ', 'HOME=/\0TERM=linux\0')
  for (const kind of ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'uts'])
    host.put(`/proc/sys/user/max_${kind}_namespaces`, '63210\n')
  host.put('/proc/self/mounts', '/dev/sda2 / ext4 rw,relatime 0 0\n')
  host.put('/sys/kernel/security/lockdown', 'none [integrity] confidentiality\n')
  host.put('/sys/fs/cgroup/cgroup.controllers', 'cpuset cpu io memory hugetlb pids\n')
  host.put(SECURE_BOOT, boolean(1))
  host.put(SETUP_MODE, boolean(0))
  host.put(
    '/sys/kernel/security/tpm0/binary_bios_measurements',
    Buffer.concat([specId(), ...bootedWith(CLASSIC).events]),
  )
  host.put(IMA_LOG, imaLog())
  host.put('/sys/module/apparmor/parameters/enabled', 'Y\n')
  host.put('/sys/kernel/security/apparmor/profiles', 'man_filter (complain)\nwritd (enforce)\n')
  host.put('/dev/tpmrm0', { kind: 'character-device', mode: 0o660, gid: 104 })
  host.put(
    '/etc/passwd',
    'root:x:0:0:root:/root:/bin/sh\nwrit:x:990:989::/var/lib/writ:/usr/sbin/nologin\nalice:x:1000:1000::/home/alice:/bin/sh\n',
  )
  host.put('/etc/group', 'root:x:0:\ntss:x:104:writ\nrender:x:105:\nwrit:x:989:\n')
  host.put('/proc/700/exe', { link: '/usr/lib/writ/writd' })
  host.put('/proc/700/fd/3', { link: '/dev/tpmrm0' })
  host.put('/proc/700/attr/apparmor/current', 'writd (enforce)\n')
  host.put('/proc/701/exe', { link: '/usr/lib/writ/writ-launchd' })
  host.put('/proc/701/fd/3', { link: 'socket:[1]' })
}

/** What Writ is on a host. */
function putFiles(host: FakedHost, vendorRoot: Buffer): void {
  host.put('/etc/writ/writd.toml', daemonConfig())
  host.put('/etc/writ/launchd.conf', readFileSync('packaging/launchd.conf'))
  host.put('/etc/writ/vendor-root.pem', vendorRoot)
  host.put('/etc/writ/operator.pub', publicKeyToPem(OPERATOR.public))
  host.put('/etc/writ/reference.json', referenceValues())
  host.put('/etc/writ/trust.json', trustRoots('any'))
  host.put('/etc/writ/credentials', { kind: 'directory', mode: 0o700 })
  host.put('/etc/writ/credentials/secrets.json', { mode: 0o600, content: '{}' })
  host.put('/etc/writ/credentials/log.key', { mode: 0o600, content: '' })
  host.put('/etc/ima/ima-policy', POLICY)
  host.put('/usr/lib/writ/writd', { mode: 0o755, content: WRITD })
  for (const path of ['', '/identity', '/lineage', '/lineage/state', '/lineage/evidence'])
    host.put(`/var/lib/writ${path}`, { kind: 'directory', mode: 0o700, ...WRIT })
  host.put('/var/lib/writ/identity/identity.json', {
    ...WRIT,
    content: identityFile({ akHandle: 0x81018000, nvCounterIndex: 0x01800010 }),
  })
  host.put('/var/lib/writ/lineage/checkpoint', { ...WRIT, mtimeMs: AT.getTime() - 1000 })
  host.put('/var/lib/writ/lineage/state/anchor', { ...WRIT, content: '{"counter":"1200","done":true}' })
  for (const name of ['writd.sock', 'metrics.sock'])
    host.put(`/run/writ/${name}`, { kind: 'socket', mode: 0o660, ...WRIT })
  for (const unit of ['writd.socket', 'writd-metrics.socket'])
    host.put(`/usr/lib/systemd/system/${unit}`, readFileSync(`packaging/systemd/${unit}`))
}
