import {
  QUOTED_BANK,
  QUOTED_SELECTION,
  readCertificateFile,
  tier,
  verifyEkChain,
} from '../../../attestation/index.ts'
import { WritError } from '../../../encoding/error.ts'
import { type TpmFacts, type Unseen, valueIn } from '../../probe/index.ts'
import { TPM_ADVICE } from '../../tpm-advice.ts'
import { type AreaReport, defineArea } from '../area.ts'
import type { Host } from '../host.ts'
import { openersOf } from '../processes.ts'

/** TPM_RC_OBJECT_MEMORY, _SESSION_MEMORY and _SESSION_HANDLES (TPM 2.0 Part 2, section 6.6.3). */
const FULL: ReadonlySet<string> = new Set(['0x902', '0x903', '0x905'])

export const TPM = defineArea({
  name: 'tpm',
  title: 'the TPM: there, free, usable, and of a maker that can be checked',
  findings: {
    TPM_SIMULATED: {
      severity: 'warning',
      what: 'the configuration names a simulated TPM',
      why: 'Evidence of a program proves nothing about hardware; artifacts have to allow it.',
      todo: 'On a real host: `transport = "device"` in the section [tpm] of writd.toml.',
    },
    TPM_MISSING: {
      severity: 'error',
      what: 'there is no TPM device',
      why: 'Without a TPM nothing is attested, and nothing is permitted.',
      todo: 'Enable the TPM 2.0 in the firmware (fTPM, PTT, security device); in a virtual machine give it a vTPM; `modprobe tpm_tis` or `tpm_crb`.',
    },
    TPM_VERSION: {
      severity: 'error',
      what: 'the TPM is of version 1.2',
      why: 'It has no SHA-256 bank and none of the commands that are used.',
      todo: 'Switch it to 2.0 in the firmware where that is offered, or use another machine.',
    },
    TPM_UNUSABLE: {
      severity: 'error',
      what: 'the TPM does not answer as one should',
      why: 'What does not answer cannot attest.',
      todo: 'See `dmesg | grep -i tpm`; a power cycle (not a reboot) resets a TPM that hangs.',
    },
    TPM_HELD: {
      severity: 'warning',
      what: 'a process has a TPM device open past the resource manager',
      why: 'It shares room for keys and sessions with everybody, and can fill it, or change PCRs unseen by others.',
      todo: 'Have it use /dev/tpmrm0, or stop it.',
    },
    TPM_FULL: {
      severity: 'error',
      what: 'the TPM has no room for another key or session',
      why: 'The daemon cannot quote.',
      todo: 'Stop what uses /dev/tpm0; then `tpm2_flushcontext --transient-object`, `tpm2_flushcontext --loaded-session`.',
    },
    TPM_LOCKED: {
      severity: 'warning',
      what: 'the TPM is in dictionary attack lockout',
      why: 'Somebody guessed at a secret. What counts failures is refused, disk encryption for one; what Writ has there does not count them, and goes on.',
      todo: `Find out who guesses. Wait, or, with the lockout authValue: \`${TPM_ADVICE.clearLockout}\``,
    },
    TPM_NEARLY_LOCKED: {
      severity: 'warning',
      what: 'failed authorizations add up',
      why: 'Somebody guesses at a secret of the TPM, and locks it soon.',
      todo: 'Find out who uses the TPM: `fuser -v /dev/tpm0 /dev/tpmrm0`.',
    },
    TPM_HIERARCHY_OFF: {
      severity: 'error',
      what: 'a hierarchy is switched off until the next reset',
      why: 'Keys and counters of it cannot be used.',
      todo: 'Reboot; if it is off again, enable it in the firmware.',
    },
    TPM_OWNER_AUTH: {
      severity: 'warning',
      what: 'the owner hierarchy has an authValue, and this host has no identity yet',
      why: 'Making keys persistent needs it.',
      todo: 'Give it in an environment variable: `writ setup --owner-auth-env NAME`, or `writ init --owner-auth-env NAME`.',
    },
    TPM_CLEARABLE: {
      severity: 'warning',
      what: 'the lockout hierarchy has no authValue',
      why: 'Whoever reaches the TPM can clear it; the host then has no identity and its lineage no counter.',
      todo: `\`${TPM_ADVICE.setLockoutAuth}\`, and keep the value.`,
    },
    TPM_NO_SHA256: {
      severity: 'error',
      what: 'the TPM has no SHA-256 bank with PCR 0 to 15',
      why: 'The firmware measures with SHA-1 only, and such measurements can be forged. Writ quotes SHA-256.',
      todo: `Enable SHA-256 in the settings of the firmware for the TPM. Where it leaves the platform hierarchy open, as virtual machines do: \`${TPM_ADVICE.allocateSha256}\`, and a power cycle.`,
    },
    TPM_IDENTITY_GONE: {
      severity: 'error',
      what: "the TPM does not have this host's key or counter",
      why: 'It was cleared, or it is another TPM than the one that the host was provisioned with.',
      todo: 'See docs/operations: TPM replacement.',
    },
    EK_CERTIFICATE_MISSING: {
      severity: 'warning',
      what: 'the TPM holds no certificate of its maker',
      why: 'Nobody can tell it from a program: its tier is unknown.',
      todo: 'Fetch it from the maker if he offers that; else have artifacts allow it.',
    },
    EK_UNVERIFIED: {
      severity: 'warning',
      what: "the TPM's certificate leads to no configured root",
      why: 'The tier of the host is not hardware, and artifacts that ask for it are denied.',
      todo: "Put the maker's root certificate into tpm.hardware_roots of writd.toml.",
    },
    COUNTER_WORN: {
      severity: 'warning',
      what: "the lineage's counter has gone far",
      why: 'NV memory wears out at about 500,000 steps; a counter that fails stops the daemon.',
      todo: 'Find out what restarts the daemon so often (each unclean end costs two steps), and plan to replace the TPM.',
    },
  },
  async look(host, report) {
    const tpm = report.need(['TPM_SIMULATED'], await host.values(), host.configPath)?.tpm
    if (tpm?.transport === 'swtpm')
      report.found('TPM_SIMULATED', `tpm.transport is "swtpm" (${tpm.path ?? ''})`, {
        where: host.configPath,
      })
    await lookAtCounter(host, report)
    await lookForHolders(host, report)
    const facts = await host.probes.tpm.facts()
    if (!facts.seen) await sayWhyNot(host, facts, report)
    else await lookAtTpm(host, facts.value, report)
  },
})

type TpmReport = AreaReport<keyof typeof TPM.findings & string>

async function sayWhyNot({ probes }: Host, facts: Unseen, report: TpmReport): Promise<void> {
  const where = probes.tpm.where
  const version = valueIn(await probes.files.read('/sys/class/tpm/tpm0/tpm_version_major'))
  if (facts.why === 'missing') {
    if (version?.toString().trim() === '1')
      report.found('TPM_VERSION', 'the TPM is of version 1.2', { where })
    else report.found('TPM_MISSING', facts.reason, { where })
  } else if (facts.code !== null && FULL.has(facts.code)) report.found('TPM_FULL', facts.reason, { where })
  else if (facts.why === 'failed') {
    const held = facts.code === 'EBUSY' ? '; another process has it for itself' : ''
    report.found('TPM_UNUSABLE', `${facts.reason}${held}`, { where })
  }
  report.skipRest(facts.why === 'denied' ? facts : 'the TPM could not be asked', {
    where,
    but: ['TPM_SIMULATED', 'TPM_HELD', 'COUNTER_WORN'],
  })
}

async function lookForHolders({ probes }: Host, report: TpmReport): Promise<void> {
  const holders = await openersOf(probes.files, /^\/dev\/tpm[0-9]+$/)
  if (!holders.complete) report.skip(['TPM_HELD'], 'some processes cannot be looked into', '/proc')
  for (const { pid, name, path } of holders.list)
    report.found('TPM_HELD', `${name} (pid ${pid}) has ${path} open`, { where: path })
}

/** How long one has to wait (TPM 2.0 Part 1, section 19.8: each interval forgets one failure). */
function lockedFor(intervalSeconds: number): string {
  return intervalSeconds === 0
    ? 'the TPM says that it is locked, and forgets no failure by itself'
    : `the TPM says that it is locked; every ${intervalSeconds} s it forgets one failure`
}

async function lookAtTpm(host: Host, facts: TpmFacts, report: TpmReport): Promise<void> {
  const where = host.probes.tpm.where
  const { hierarchies, use, banks } = facts
  if (hierarchies.inLockout) report.found('TPM_LOCKED', lockedFor(use.lockout.intervalSeconds), { where })
  else if (use.lockout.failures > 0 && use.lockout.failures * 2 >= use.lockout.most)
    report.found(
      'TPM_NEARLY_LOCKED',
      `${use.lockout.failures} of ${use.lockout.most} failures that lock it`,
      {
        where,
      },
    )
  for (const name of ['owner', 'endorsement'] as const)
    if (!use.enabled[name]) report.found('TPM_HIERARCHY_OFF', `the ${name} hierarchy is off`, { where })
  if (!hierarchies.lockoutAuthSet)
    report.found('TPM_CLEARABLE', 'the lockout hierarchy has an empty authValue', { where })
  const names = banks.map(({ bank }) => bank)
  const quoted = banks.find(({ bank }) => bank === QUOTED_BANK)?.pcrs
  if (quoted === undefined)
    report.found('TPM_NO_SHA256', `it has ${names.length === 0 ? 'no bank at all' : names.join(', ')}`, {
      where,
    })
  else if (!QUOTED_SELECTION.flatMap(({ pcrs }) => pcrs).every(pcr => quoted.includes(pcr)))
    report.found('TPM_NO_SHA256', `its SHA-256 bank has PCR ${quoted.join(', ')} alone`, { where })
  await lookAtIdentity(host, facts, report)
  await lookAtCertificate(host, facts, report)
}

async function lookAtIdentity(host: Host, facts: TpmFacts, report: TpmReport): Promise<void> {
  const codes = [
    'TPM_IDENTITY_GONE',
    ...(facts.hierarchies.ownerAuthSet ? ['TPM_OWNER_AUTH' as const] : []),
  ] as const
  const state = report.need(codes, await host.stateDirectory(), host.configPath)
  if (state === null) return
  const path = `${state}/identity/identity.json`
  const bytes = await host.probes.files.read(path)
  if (!bytes.seen) {
    if (bytes.why === 'missing' && facts.hierarchies.ownerAuthSet)
      report.found('TPM_OWNER_AUTH', 'the owner hierarchy has an authValue', { where: host.probes.tpm.where })
    if (bytes.why !== 'missing') report.skip(codes, bytes, path)
    report.skip(
      ['TPM_IDENTITY_GONE'],
      bytes.why === 'missing' ? 'this host has no identity yet' : bytes,
      path,
    )
    return
  }
  const { akHandle, nvCounterIndex } = handlesIn(bytes.value)
  const gone = [
    ...(akHandle === null || facts.persistentHandles.includes(akHandle)
      ? []
      : [`no key at 0x${akHandle.toString(16)}`]),
    ...(nvCounterIndex === null || facts.nvIndices.includes(nvCounterIndex)
      ? []
      : [`no counter at 0x${nvCounterIndex.toString(16)}`]),
  ]
  if (gone.length > 0) report.found('TPM_IDENTITY_GONE', gone.join(', '), { where: path })
  else if (akHandle === null || nvCounterIndex === null)
    report.skip(['TPM_IDENTITY_GONE'], 'it does not name its key and its counter', path)
}

/** Only the two numbers; whether the file is right otherwise is another question. */
function handlesIn(bytes: Buffer): { akHandle: number | null; nvCounterIndex: number | null } {
  const number = (name: string): number | null => {
    const [, digits] = new RegExp(`"${name}":([0-9]{1,10})[,}]`).exec(bytes.toString('latin1')) ?? []
    return digits === undefined ? null : Number(digits)
  }
  return { akHandle: number('akHandle'), nvCounterIndex: number('nvCounterIndex') }
}

async function lookAtCertificate(host: Host, facts: TpmFacts, report: TpmReport): Promise<void> {
  const where = host.probes.tpm.where
  const { ekCertificate, ekIntermediates: intermediates } = facts
  if (ekCertificate === null) {
    report.found(
      'EK_CERTIFICATE_MISSING',
      `${facts.vendor.manufacturer} ${facts.vendor.vendorString} has none`,
      {
        where,
      },
    )
    report.skip(['EK_UNVERIFIED'], 'there is no certificate')
    return
  }
  const values = report.need(['EK_UNVERIFIED'], await host.values(), host.configPath)
  if (values === null) return
  let unread: Unseen | null = null
  const read = async (paths: readonly string[] = []) => {
    const certificates: Buffer[] = []
    for (const path of paths) {
      const bytes = await host.probes.files.read(path)
      if (bytes.seen) certificates.push(...certificatesIn(bytes.value))
      // One that is missing is a finding of the configuration.
      else if (bytes.why !== 'missing') unread = bytes
    }
    return certificates
  }
  const { tpm } = values
  const roots = { hardwareRoots: await read(tpm.hardwareRoots), otherRoots: await read(tpm.otherRoots) }
  if (unread !== null) {
    report.skip(['EK_UNVERIFIED'], unread)
    return
  }
  if (roots.hardwareRoots.length + roots.otherRoots.length === 0) {
    report.found('EK_UNVERIFIED', 'the configuration names no certificate of a maker', {
      where: host.configPath,
    })
    return
  }
  try {
    const ek = verifyEkChain(ekCertificate, {
      ...roots,
      intermediates,
      at: new Date(valueIn(await host.clock())?.now ?? Date.now()),
    })
    const is = tier(ek)
    if (is !== 'hardware') report.found('EK_UNVERIFIED', `its certificate makes it ${is}`, { where })
  } catch (error) {
    if (!(error instanceof WritError)) throw error
    report.found('EK_UNVERIFIED', error.message, { where })
  }
}

function certificatesIn(bytes: Buffer): readonly Buffer[] {
  try {
    return readCertificateFile(bytes)
  } catch (error) {
    // A file that is none is a finding of the configuration.
    if (error instanceof WritError) return []
    throw error
  }
}

/** Cycles that NV memory is made for, a fifth of which is left. */
const COUNTER_LIMIT = 400_000

async function lookAtCounter(host: Host, report: TpmReport): Promise<void> {
  const state = report.need(['COUNTER_WORN'], await host.stateDirectory(), host.configPath)
  if (state === null) return
  const path = `${state}/lineage/state/anchor`
  const bytes = await host.probes.files.read(path, 1024)
  if (!bytes.seen) {
    report.skip(['COUNTER_WORN'], bytes.why === 'missing' ? 'there is no lineage yet' : bytes, path)
    return
  }
  const [, digits] = /"counter":"([0-9]{1,20})"/.exec(bytes.value.toString('latin1')) ?? []
  // Every counter of a TPM begins behind the highest that it ever had (Part 1, section 37.2.4).
  if (digits === undefined) report.skip(['COUNTER_WORN'], 'it does not say where the counter stands', path)
  else if (Number(digits) > COUNTER_LIMIT)
    report.found('COUNTER_WORN', `it stands at ${digits}`, { where: path })
}
