import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { CliError } from '../../error.ts'
import {
  type Look,
  lackingControllers,
  parameter,
  readAccelerators,
  readBoot,
  readCgroup,
  readContainer,
  readEventLog,
  readIma,
  readSecureBoot,
  type TpmFacts,
  valueIn,
} from '../../probe/index.ts'
import { tierByName } from '../../provision.ts'
import { readOwner, statePath } from '../../state-directory.ts'
import { tierLabel } from '../../tier.ts'
import { TPM_ADVICE } from '../../tpm-advice.ts'
import type { Answers } from '../answers.ts'
import { done, type Found, type Step, type StepContext, skipped } from '../step.ts'
import { unitsAgainst } from '../unit-places.ts'

/** What was seen of the host: what there is, what one should know, and what nothing can be done without. */
class Findings {
  readonly found: string[] = []
  readonly warnings: string[] = []
  readonly missing: string[] = []
}

/** Looks at what a governed host needs, and says what follows from what is not there. */
export const host: Step = {
  name: 'host',
  title: 'the host',
  why: 'What Writ relies on has to be there: TPM, event log, IMA, cgroups.',
  async look(context) {
    if (isRoot(context.answers.daemon.user))
      throw new CliError('USAGE', 'the daemon does not run as root: it needs no right of its own', {
        at: 'daemon.user',
        next: 'Name another user by --user (answers: daemon.user); the package makes `writ`.',
      })
    const against = await unitsAgainst(context)
    if (against.length > 0) throw unitsDiffer(against)
    if (context.stage === 'image') return skipped('not looked at: this is an image, not the host')
    const findings = new Findings()
    if (context.probes.euid !== 0)
      findings.missing.push("this is not root: keys of the TPM, root's files and units are for root alone")
    await lookAtTpm(context, findings)
    await lookAtLogs(context, findings)
    await lookAtRest(context, findings)
    return concluded(findings)
  },
}

/** A user that is not there yet is none. */
function isRoot(user: string): boolean {
  if (user === 'root' || /^0+(?::|$)/.test(user)) return true
  try {
    return readOwner(user).uid === 0
  } catch (error) {
    if (error instanceof CliError) return false
    throw error
  }
}

function concluded({ found, warnings, missing }: Findings): Found {
  if (missing.length === 0) return done(found, warnings)
  throw new CliError('HOST_UNFIT', 'this host cannot be governed as it is', {
    lines: missing,
    next: '`writ doctor` says more, and what to do.',
    detail: { missing },
  })
}

function unitsDiffer(lines: readonly string[]): CliError {
  return new CliError('HOST_UNFIT', 'the units of systemd do not go by these answers', {
    lines,
    next: 'Leave places and daemon.user as they are shipped; or change the units first (`systemctl edit --full writd`); or start the daemons otherwise: service.start = false.',
  })
}

/** A daemon that runs has the TPM, and a simulated one serves nobody else meanwhile. */
async function lookAtTpm({ answers, probes }: StepContext, findings: Findings): Promise<void> {
  const status = await probes.daemon.status()
  if (status.seen) {
    findings.found.push(`TPM            in use by the daemon that runs: ${status.value.tpmDescription}`)
    return
  }
  const facts = await probes.tpm.facts()
  if (!facts.seen) {
    findings.missing.push(`no TPM at ${answers.tpm.where}: ${facts.reason}. ${WITHOUT_TPM[facts.why]}`)
    return
  }
  judgeTpm(facts.value, answers.tpm.simulated === 'allow', findings)
  lookAtAuthValues(facts.value, answers, findings)
}

/** Keys and a counter are made under both hierarchies; once that is done nobody needs the values. */
function lookAtAuthValues({ hierarchies }: TpmFacts, { tpm, places }: Answers, { missing }: Findings): void {
  if (existsSync(join(statePath(places.state_directory, 'identity'), 'identity.json'))) return
  for (const [name, set, given] of [
    ['owner', hierarchies.ownerAuthSet, tpm.owner_auth_env],
    ['endorsement', hierarchies.endorsementAuthSet, tpm.endorsement_auth_env],
  ] as const)
    if (set && given === undefined)
      missing.push(
        `the ${name} hierarchy of the TPM has an authValue, which making the identity needs: put it into an environment variable, and name that by --${name}-auth-env (answers: tpm.${name}_auth_env)`,
      )
}

const WITHOUT_TPM: Readonly<Record<Exclude<Look<never>, { seen: true }>['why'], string>> = {
  missing: 'Switch it on in the firmware (PTT, fTPM, Security Device), or name another place',
  denied: 'Run this as root',
  unsupported: 'Name another place',
  failed: 'Does another program hold it?',
}

function judgeTpm(facts: TpmFacts, allowed: boolean, { found, warnings, missing }: Findings): void {
  const { vendor, ekCertificate, banks, hierarchies } = facts
  const tier = tierByName(vendor.manufacturer)
  const names = banks.map(({ bank }) => bank)
  found.push(
    `TPM            ${tierLabel(tier)}, says ${vendor.manufacturer.trim()} ${vendor.vendorString.trim()}; banks ${names.join(', ')}`,
  )
  if (tier === 'simulated' && allowed)
    warnings.push('the TPM is SIMULATED: whatever this host shows proves nothing about hardware')
  else if (tier === 'simulated')
    missing.push(
      'the TPM is simulated, which proves nothing. For a trial all the same: --simulated allow (answers: tpm.simulated)',
    )
  if (ekCertificate === null)
    warnings.push('the TPM has no EK certificate: nobody elsewhere can tell it from a program')
  else found.push('EK             with a certificate of its maker')
  if (!names.includes('sha256'))
    missing.push(
      `the TPM measures into no SHA-256 bank. Switch it on in the firmware; where that leaves the platform hierarchy open, as in virtual machines: ${TPM_ADVICE.allocateSha256}, and a power cycle`,
    )
  if (hierarchies.inLockout)
    warnings.push(`the TPM is in dictionary attack lockout: find out who guesses; ${TPM_ADVICE.clearLockout}`)
  if (!hierarchies.lockoutAuthSet)
    warnings.push(
      `whoever reaches the TPM can clear it. Set an authValue, and keep it: ${TPM_ADVICE.setLockoutAuth}`,
    )
}

async function lookAtLogs({ answers, probes }: StepContext, findings: Findings): Promise<void> {
  const { found, warnings, missing } = findings
  const { event_log, ima_log } = answers.places
  const log = await readEventLog(probes.files, event_log)
  if (log.seen) found.push(`event log      ${log.value.events.length} events of the firmware`)
  else
    missing.push(
      `no event log at ${event_log}: ${log.reason}. It comes with UEFI, a TPM and a kernel that keeps it`,
    )
  if (ima_log === 'none') {
    warnings.push('IMA is left out by the answers: which programs the host executes is not seen')
    return
  }
  const ima = await readIma(probes.files, [], ima_log)
  if (ima.seen) found.push(`IMA            ${ima.value.entries} entries in this boot`)
  else
    missing.push(
      `no IMA log at ${ima_log}: ${ima.reason}. The kernel needs CONFIG_IMA; to go without, which sees no program: places.ima_log = "none"`,
    )
}

async function lookAtRest({ probes: { files } }: StepContext, findings: Findings): Promise<void> {
  const { found, warnings, missing } = findings
  const container = valueIn(await readContainer(files))
  if (container !== null)
    warnings.push(
      `this runs in a container (${container}): the daemon belongs on the host, with its TPM and logs`,
    )
  const secureBoot = await readSecureBoot(files)
  if (!secureBoot.seen) warnings.push(`whether Secure Boot is on cannot be seen: ${secureBoot.reason}`)
  else if (secureBoot.value.enabled && !secureBoot.value.setupMode) found.push('Secure Boot    on')
  else
    warnings.push('Secure Boot is off: root can load kernels and modules from memory, which nothing measures')
  const boot = await readBoot(files)
  const lockdown = boot.seen ? parameter(boot.value, 'lockdown') : undefined
  if (lockdown !== undefined) found.push(`lockdown       ${lockdown}`)
  const cgroup = await readCgroup(files)
  if (!cgroup.seen) missing.push('no cgroup v2 hierarchy: boot without systemd.unified_cgroup_hierarchy=0')
  else {
    const { path, controllers } = cgroup.value
    found.push(`cgroup v2      ${path}: ${controllers.join(' ') || 'no controllers'}`)
    const lacking = lackingControllers(cgroup.value)
    if (lacking.length > 0)
      warnings.push(
        `the cgroup v2 hierarchy lacks ${lacking.join(', ')}: artifacts that limit what it controls are denied. Take cgroup_disable= and cgroup v1 mounts out of the boot`,
      )
  }
  const { nodes } = await readAccelerators(files)
  if (nodes.length === 0) found.push('accelerators   none')
  else found.push(`accelerators   ${nodes.map(({ path }) => path).join(' ')}`)
  const open = nodes.filter(({ mode }) => (mode & 0o006) !== 0)
  if (open.length > 0)
    warnings.push(
      `everybody may open ${open.map(({ path }) => path).join(' ')}, also past Writ: docs/gpu.md says how to close them`,
    )
}
