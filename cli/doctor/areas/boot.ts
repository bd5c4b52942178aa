import { EVENT_LOG, parameter, readSecureBoot, valueIn } from '../../probe/index.ts'
import { type AreaReport, defineArea } from '../area.ts'
import type { Host } from '../host.ts'
import { referenceInForce } from '../reference.ts'

/** Parameters that put somebody else in charge of the boot, or take a wall away. */
const RISKY: readonly { readonly parameter: RegExp; readonly why: string }[] = [
  {
    parameter: /^(?:rd)?init=(?!\/(?:usr\/)?lib\/systemd\/systemd$|\/s?bin\/init$)/,
    why: 'another first program than systemd',
  },
  { parameter: /^rd\.break/, why: 'a shell before the system starts' },
  { parameter: /^systemd\.debug[-_]shell/, why: 'a shell of root without a password' },
  { parameter: /^(?:apparmor|selinux|security|lsm)=0?$/, why: 'security modules are off' },
  { parameter: /^(?:mitigations=off|nopti|nosmep|nosmap)$/, why: 'protections of the processor are off' },
  { parameter: /^module\.sig_enforce=0$/, why: 'unsigned modules are taken' },
]

export const BOOT = defineArea({
  name: 'boot',
  title: 'the boot: measured, by a firmware that checks what it starts',
  hiddenInContainers: true,
  findings: {
    EVENT_LOG_MISSING: {
      severity: 'error',
      what: "the kernel shows no log of the firmware's",
      why: 'Nobody can say what the PCRs stand for, and the appraisal fails.',
      todo: 'Boot by UEFI, with the TPM enabled in the firmware; `mount -t securityfs securityfs /sys/kernel/security`, where that is not done.',
    },
    EVENT_LOG_MALFORMED: {
      severity: 'error',
      what: "the firmware's log is damaged or cut",
      why: 'A log that does not explain the PCRs to its last byte fails.',
      todo: 'See `writ eventlog show`; update the firmware. docs/event-logs.md has known defects.',
    },
    EVENT_LOG_NO_SHA256: {
      severity: 'error',
      what: "the firmware's log has no SHA-256 digests",
      why: 'Writ quotes the SHA-256 bank.',
      todo: 'Enable the SHA-256 bank in the firmware, and reboot.',
    },
    NOT_UEFI: {
      severity: 'warning',
      what: 'the machine was not booted by UEFI',
      why: 'There is no Secure Boot, and mostly no usable log.',
      todo: 'Switch the firmware from legacy (CSM) to UEFI.',
    },
    SECURE_BOOT_OFF: {
      severity: 'warning',
      what: 'Secure Boot is off',
      why: 'The firmware starts any image; it is measured, but nothing keeps unsigned modules and kexec out.',
      todo: 'Enable Secure Boot in the firmware, then capture reference values again.',
    },
    SECURE_BOOT_SETUP: {
      severity: 'error',
      what: 'Secure Boot is in setup mode',
      why: 'Whoever boots the machine can put own keys into the firmware.',
      todo: 'Enrol a platform key (restore the factory keys, or your own).',
    },
    LOCKDOWN_OFF: {
      severity: 'warning',
      what: 'the kernel is not locked down',
      why: 'Root can load unsigned modules and kernels from memory, which IMA cannot measure.',
      todo: "Boot with Secure Boot (Debian's kernel locks itself then), or add `lockdown=integrity` to the command line.",
    },
    COMMAND_LINE_RISKY: {
      severity: 'warning',
      what: 'the command line has a parameter for emergencies',
      why: 'It opens what the rest of the host closes.',
      todo: 'Take it out of the boot entry, and reboot.',
    },
    COMMAND_LINE_UNLISTED: {
      severity: 'error',
      what: 'the command line is none that the reference values accept',
      why: 'The next appraisal fails, and governed work ends.',
      todo: 'Boot the entry that is listed, or `writ reference capture`, `writ reference diff`, then sign the new values.',
    },
  },
  async look(host, report) {
    await lookAtEventLog(host, report)
    await lookAtSecureBoot(host, report)
    await lookAtCommandLine(host, report)
  },
})

type BootReport = AreaReport<keyof typeof BOOT.findings & string>

async function lookAtEventLog(host: Host, report: BootReport): Promise<void> {
  const where = valueIn(await host.launcher())?.event_log ?? EVENT_LOG
  const log = await host.eventLog()
  if (!log.seen) {
    if (log.why === 'missing') report.found('EVENT_LOG_MISSING', 'there is no such file', { where })
    else if (log.why === 'failed') report.found('EVENT_LOG_MALFORMED', log.reason, { where })
    report.skip(['EVENT_LOG_MISSING', 'EVENT_LOG_MALFORMED', 'EVENT_LOG_NO_SHA256'], log, where)
  } else if (log.value.format === 'empty') report.found('EVENT_LOG_MISSING', 'it has no event', { where })
  else if (!log.value.banks.includes('sha256'))
    report.found('EVENT_LOG_NO_SHA256', `it has ${log.value.declared.map(({ name }) => name).join(', ')}`, {
      where,
    })
}

async function lookAtSecureBoot({ probes }: Host, report: BootReport): Promise<void> {
  const secureBoot = await readSecureBoot(probes.files)
  if (!secureBoot.seen) report.skip(['NOT_UEFI', 'SECURE_BOOT_OFF', 'SECURE_BOOT_SETUP'], secureBoot)
  else if (!secureBoot.value.efi) {
    report.found('NOT_UEFI', 'there is no /sys/firmware/efi')
    report.skip(['SECURE_BOOT_OFF', 'SECURE_BOOT_SETUP'], 'it takes UEFI')
  } else {
    if (!secureBoot.value.enabled) report.found('SECURE_BOOT_OFF', 'the firmware says so')
    if (secureBoot.value.setupMode === null)
      report.skip(['SECURE_BOOT_SETUP'], 'the firmware does not show its SetupMode')
    else if (secureBoot.value.setupMode) report.found('SECURE_BOOT_SETUP', 'the firmware says so')
  }
  const path = '/sys/kernel/security/lockdown'
  const lockdown = await probes.files.read(path)
  if (!lockdown.seen && lockdown.why !== 'missing') report.skip(['LOCKDOWN_OFF'], lockdown, path)
  else if (!lockdown.seen || !/\[(?:integrity|confidentiality)\]/.test(lockdown.value.toString('latin1')))
    report.found(
      'LOCKDOWN_OFF',
      lockdown.seen ? lockdown.value.toString().trim() : 'the kernel has no lockdown',
      { where: path },
    )
}

async function lookAtCommandLine(host: Host, report: BootReport): Promise<void> {
  const where = '/proc/cmdline'
  const boot = report.need(['COMMAND_LINE_RISKY', 'COMMAND_LINE_UNLISTED'], await host.boot(), where)
  if (boot === null) return
  for (const word of boot.parameters) {
    const risk = RISKY.find(({ parameter: of }) => of.test(word))
    if (risk !== undefined) report.found('COMMAND_LINE_RISKY', `${word}: ${risk.why}`, { where })
  }
  if (parameter(boot, 'debugfs') === 'on')
    report.found('COMMAND_LINE_RISKY', 'debugfs=on: kernel internals can be written', { where })
  const values = report.need(['COMMAND_LINE_UNLISTED'], await referenceInForce(host))
  if (values === null) return
  const { commandLines } = values.document
  if (commandLines === 'any') return
  // Of one that is named by its digest alone this cannot be said here; boot loaders add to what the kernel shows.
  const texts = commandLines.flatMap(line => ('text' in line ? [normal(line.text)] : []))
  if (texts.length < commandLines.length)
    report.skip(['COMMAND_LINE_UNLISTED'], 'the reference values name command lines by digest')
  else if (!texts.some(text => normal(boot.commandLine).endsWith(text)))
    report.found('COMMAND_LINE_UNLISTED', boot.commandLine, { where })
}

function normal(text: string): string {
  return text.trim().replace(/\s+/g, ' ')
}
