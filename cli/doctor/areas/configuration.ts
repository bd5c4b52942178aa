import type { PartialConfig } from '../../../configuration/daemon-file.ts'
import { sayProblem } from '../../../configuration/problem.ts'
import { Findings } from '../../config/findings.ts'
import { checkAgreement } from '../../config/launcher.ts'
import type { Unseen } from '../../probe/index.ts'
import { type AreaReport, defineArea } from '../area.ts'
import type { Host } from '../host.ts'

const CHECK = '`writ config check` says all that is wrong, with lines.'

export const CONFIGURATION = defineArea({
  name: 'configuration',
  title: 'the two configuration files: right, and right for each other',
  findings: {
    CONFIG_MISSING: {
      severity: 'error',
      what: 'a configuration file is not there',
      why: 'The units do not start without it.',
      todo: '`writ setup`, or `writ config default > FILE`.',
    },
    CONFIG_WRONG: {
      severity: 'error',
      what: 'a configuration file is wrong',
      why: 'The next start fails; a reload changes nothing.',
      todo: CHECK,
    },
    CONFIG_DISAGREES: {
      severity: 'error',
      what: 'the two files do not fit each other',
      why: 'The launcher refuses what the daemon asks for.',
      todo: CHECK,
    },
    CONFIG_FILE_MISSING: {
      severity: 'error',
      what: 'a file that the configuration names cannot be read',
      why: 'The next start fails.',
      todo: CHECK,
    },
    NO_REFERENCE_VALUES: {
      severity: 'warning',
      what: 'nothing says what a good host is',
      why: 'Without reference values no appraisal passes, and nothing is permitted.',
      todo: '`writ reference capture`, `writ reference sign`; then attestation.reference_values of writd.toml, or `writ reference load`.',
    },
    RECOVERY_AUTO: {
      severity: 'warning',
      what: 'a failed host recovers by itself (attestation.recovery = "auto")',
      why: 'Whoever tampered gets another try, and nobody has to look.',
      todo: 'Set it to "operator", where somebody can.',
    },
    SOCKET_FOR_ALL: {
      severity: 'warning',
      what: 'every user of the host may call the daemon (daemon.socket_access = "all")',
      why: "Artifacts' initiators, quotas and policy alone stand before a request.",
      todo: 'Set it to "group", and SocketMode=0660 of writd.socket, where that is enough.',
    },
  },
  async look(host, report) {
    const config = await host.config()
    if (config.seen) {
      const [first, ...more] = config.value.problems
      if (first !== undefined)
        report.found('CONFIG_WRONG', sayAll(first, more.length), { where: host.configPath })
    } else sayMissing(config, host.configPath, report)
    const launcher = await host.launcherConfig()
    if (launcher.seen) {
      const [first, ...more] = launcher.value.problems
      if (first !== undefined)
        report.found('CONFIG_WRONG', sayAll(first, more.length), { where: host.launcherPath })
    } else sayMissing(launcher, host.launcherPath, report)
    await lookAtAgreement(host, report)
    const values = await host.values()
    if (!config.seen && config.why === 'missing') report.skipRest('there is no configuration')
    else if (values.seen) await lookAtValues(host, values.value, report)
    else report.skipRest(values, { where: host.configPath, but: ['CONFIG_MISSING'] })
  },
})

type ConfigurationReport = AreaReport<keyof typeof CONFIGURATION.findings & string>

function sayAll(
  first: Parameters<typeof sayProblem>[0] & { readonly line?: number | undefined },
  more: number,
): string {
  const line = first.line === undefined ? '' : `line ${first.line}: `
  return `${line}${sayProblem(first)}${more === 0 ? '' : `, and ${more} more`}`
}

function sayMissing(look: Unseen, where: string, report: ConfigurationReport): void {
  if (look.why === 'missing') report.found('CONFIG_MISSING', 'there is no such file', { where })
  else if (look.why === 'failed') report.found('CONFIG_WRONG', look.reason, { where })
  else report.skip(['CONFIG_MISSING', 'CONFIG_WRONG'], look, where)
}

async function lookAtAgreement(host: Host, report: ConfigurationReport): Promise<void> {
  const launcher = report.need(['CONFIG_DISAGREES'], await host.launcher(), host.launcherPath)
  const values = report.need(['CONFIG_DISAGREES'], await host.values(), host.configPath)
  if (launcher === null || values === null) return
  const findings = new Findings(host.configPath, () => undefined)
  checkAgreement(values, launcher, host.launcherPath, findings)
  for (const { key, message } of findings.list)
    report.found('CONFIG_DISAGREES', `${key ?? ''} ${message}`, { where: host.configPath })
}

async function lookAtValues(
  host: Host,
  { trust, tpm, attestation, daemon }: PartialConfig,
  report: ConfigurationReport,
): Promise<void> {
  const named: readonly (readonly [key: string, path: string | undefined])[] = [
    ...(trust.governanceKeys ?? []).map(path => ['trust.governance_keys', path] as const),
    ...(tpm.hardwareRoots ?? []).map(path => ['tpm.hardware_roots', path] as const),
    ...(tpm.otherRoots ?? []).map(path => ['tpm.other_roots', path] as const),
    ['attestation.reference_values', attestation.referenceValues],
    ['trust.trust_roots', trust.trustRoots],
    ['trust.policy_bundle', trust.policyBundle],
  ]
  for (const [key, path] of named) {
    if (path === undefined) continue
    const file = await host.probes.files.stat(path)
    if (!file.seen && file.why !== 'missing') report.skip(['CONFIG_FILE_MISSING'], file, path)
    else if (!file.seen || file.value.kind !== 'file')
      report.found('CONFIG_FILE_MISSING', `${key}: ${file.seen ? 'it is no file' : file.reason}`, {
        where: path,
      })
  }
  const status = await host.status()
  const inForce = status.seen ? status.value.referenceValuesDigest : ''
  if (attestation.referenceValues === undefined && !status.seen && status.why === 'denied')
    report.skip(['NO_REFERENCE_VALUES'], status)
  else if (attestation.referenceValues === undefined && inForce === '')
    report.found('NO_REFERENCE_VALUES', 'the configuration names none, and no daemon says that it has any', {
      where: host.configPath,
    })
  if (attestation.recovery === 'auto')
    report.found('RECOVERY_AUTO', 'the file says so', { where: host.configPath })
  if (daemon.socketAccess === 'all')
    report.found('SOCKET_FOR_ALL', 'the file says so', { where: host.configPath })
}
