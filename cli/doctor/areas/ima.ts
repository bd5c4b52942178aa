import { gapsText, judgeImaPolicy } from '../../ima-policy/judgement.ts'
import { MAX_IMA_POLICY_BYTES } from '../../ima-policy/rules.ts'
import {
  type BootFacts,
  grubHas,
  hasTcbPolicy,
  IMA_POLICY,
  type ImaFacts,
  parameter,
  readBootLoader,
  valueIn,
  whereToAdd,
} from '../../probe/index.ts'
import { type AreaReport, defineArea } from '../area.ts'
import type { Host } from '../host.ts'

/** Entries from which on the log takes some 50 MB of kernel memory (packaging/ima/ima-policy). */
const MANY_ENTRIES = 100_000

export const IMA = defineArea({
  name: 'ima',
  title: 'IMA: measures what runs, with the right hash and policy',
  hiddenInContainers: true,
  findings: {
    IMA_MISSING: {
      severity: 'error',
      what: 'the kernel has no IMA',
      why: 'What is executed leaves no trace that could be judged.',
      todo: 'Boot a kernel with CONFIG_IMA (Debian has it); `mount -t securityfs securityfs /sys/kernel/security`, where that is not done.',
    },
    IMA_UNREADABLE: {
      severity: 'error',
      what: "IMA's log is not one",
      why: 'Evidence without a whole log fails.',
      todo: 'Look at the path in launchd.conf (`ima_log`), and at `writ ima show`.',
    },
    IMA_HASH: {
      severity: 'error',
      what: 'IMA does not measure by SHA-256',
      why: 'Reference values list SHA-256 digests; a list of SHA-1 digests can be forged.',
      todo: 'Add `ima_hash=sha256` to the kernel command line, and reboot.',
    },
    IMA_BOOT_POLICY: {
      severity: 'error',
      what: 'the kernel command line gives IMA no policy',
      why: 'Nothing is measured before /etc/ima/ima-policy is loaded, and nothing at all without that.',
      todo: 'Add `ima_policy=tcb ima_hash=sha256` to the kernel command line, have that in the reference values, and reboot.',
    },
    IMA_POLICY_ABSENT: {
      severity: 'warning',
      what: 'there is no /etc/ima/ima-policy',
      why: 'Code that runs from memory file systems is not measured, and root can load rules unseen.',
      todo: '`mkdir -p /etc/ima && cp /usr/share/writ/ima-policy /etc/ima/`, and reboot.',
    },
    IMA_POLICY_UNUSED: {
      severity: 'warning',
      what: 'the policy was not loaded in this boot',
      why: 'The file alone does nothing: systemd loads it before its first unit, and IMA measures it then.',
      todo: 'Reboot. If it is so again: `systemctl --version` has to show +IMA.',
    },
    IMA_POLICY_CHANGED: {
      severity: 'warning',
      what: 'the policy is another than the one that was loaded',
      why: 'What the file says now comes into force at the next boot, and the host fails then unless reference values have it.',
      todo: 'Have it in the reference values (`writ reference add`), then reboot; or restore it.',
    },
    IMA_POLICY_BLIND: {
      severity: 'error',
      what: 'the policy does not measure all code that is executed',
      why: 'What is executed unmeasured leaves no trace that could be judged: the host is called ATTESTED whatever runs.',
      todo: 'Take the shipped rules: `cp /usr/share/writ/ima-policy /etc/ima/`; have it in the reference values (`writ reference add`), then reboot.',
    },
    IMA_POLICY_LESS: {
      severity: 'warning',
      what: 'the policy measures less than the shipped one',
      why: 'Code in memory file systems, what executions read, or what the kernel takes in leaves no trace.',
      todo: 'Compare it with /usr/share/writ/ima-policy, whose comments say what each rule is for; have a changed one in the reference values (`writ reference add`), then reboot.',
    },
    IMA_POLICY_UNJUDGED: {
      severity: 'warning',
      what: 'what the policy measures cannot be judged',
      why: 'The kernel takes nothing of a policy with a rule that it does not understand, and the log has its file all the same.',
      todo: 'Mend the line; `journalctl -k -g ima` says whether the kernel has taken it.',
    },
    IMA_POLICY_OPEN: {
      severity: 'warning',
      what: 'root can load another policy',
      why: 'Rules that are written by hand leave no trace.',
      todo: 'Load /etc/ima/ima-policy at boot: a kernel without CONFIG_IMA_WRITE_POLICY takes one once. Or use such a kernel.',
    },
    IMA_LOG_LARGE: {
      severity: 'warning',
      what: 'the log has very many entries',
      why: 'It takes memory of the kernel until the next boot, and somebody executes ever new files.',
      todo: 'See with `writ ima show --list` what adds to it; a reboot empties it.',
    },
  },
  async look(host, report) {
    await lookAtCommandLine(host, report)
    const ima = await host.ima()
    if (!ima.seen) {
      if (ima.why === 'missing')
        report.found('IMA_MISSING', 'there is no log of IMA', { where: '/sys/kernel/security/ima' })
      else if (ima.why === 'failed') report.found('IMA_UNREADABLE', ima.reason)
      report.skip(
        [
          'IMA_MISSING',
          'IMA_UNREADABLE',
          'IMA_HASH',
          'IMA_POLICY_UNUSED',
          'IMA_POLICY_CHANGED',
          'IMA_POLICY_OPEN',
          'IMA_LOG_LARGE',
        ],
        ima,
      )
    } else lookAtLog(ima.value, report)
    await lookAtPolicy(host, ima.seen ? ima.value : null, report)
  },
})

type ImaReport = AreaReport<keyof typeof IMA.findings & string>

async function lookAtCommandLine(host: Host, report: ImaReport): Promise<void> {
  const boot = report.need(['IMA_BOOT_POLICY'], await host.boot(), '/proc/cmdline')
  if (boot === null) return
  if (hasTcbPolicy(boot)) return
  const policy = parameter(boot, 'ima_policy')
  const where = { where: '/proc/cmdline', todo: await howToAdd(host, boot) }
  if (policy === undefined) report.found('IMA_BOOT_POLICY', 'the command line has no ima_policy=tcb', where)
  else report.found('IMA_BOOT_POLICY', `the command line has ima_policy=${policy}`, where)
}

/** By what has started this kernel; what is in its configuration already wants a boot only. */
async function howToAdd({ probes: { files } }: Host, boot: BootFacts): Promise<string> {
  const loader = await readBootLoader(files, boot)
  if (loader === 'grub' && (await grubHas(files, 'ima_policy=tcb')) === true)
    return "GRUB's configuration has it: reboot, with the entry that it takes by itself."
  return `Add \`ima_policy=tcb ima_hash=sha256\` ${whereToAdd(loader)}; reboot. Reference values that name the command line as it is now have to have that one first (docs/reference-values.md).`
}

function lookAtLog({ hash, entries, policyOpen }: ImaFacts, report: ImaReport): void {
  if (hash === null) report.skip(['IMA_HASH'], 'the log has no entry')
  else if (hash !== 'sha256') report.found('IMA_HASH', `its first entry has ${hash}`)
  const where = '/sys/kernel/security/ima/policy'
  if (policyOpen === null)
    report.skip(['IMA_POLICY_OPEN'], 'whether there is such a file cannot be seen', where)
  else if (policyOpen)
    report.found('IMA_POLICY_OPEN', 'securityfs has the file through which one is loaded', { where })
  if (entries > MANY_ENTRIES) report.found('IMA_LOG_LARGE', `it has ${entries} entries`)
}

async function lookAtPolicy(host: Host, ima: ImaFacts | null, report: ImaReport): Promise<void> {
  const { probes } = host
  const policy = await probes.files.stat(IMA_POLICY)
  if (!policy.seen) {
    if (policy.why === 'missing')
      report.found('IMA_POLICY_ABSENT', `there is no ${IMA_POLICY}`, { where: IMA_POLICY })
    report.skip(
      ['IMA_POLICY_ABSENT', 'IMA_POLICY_UNUSED', 'IMA_POLICY_CHANGED', ...OF_RULES],
      policy,
      IMA_POLICY,
    )
    return
  }
  await lookAtRules(host, report)
  if (ima === null) {
    report.skip(OF_RULES, 'whether it was loaded cannot be seen', IMA_POLICY)
    return
  }
  if (ima.policy === null) {
    report.found('IMA_POLICY_UNUSED', 'IMA has not measured it in this boot', { where: IMA_POLICY })
    report.skip(['IMA_POLICY_CHANGED', ...OF_RULES], 'none was loaded', IMA_POLICY)
    return
  }
  const digest = valueIn(await probes.files.sha256(IMA_POLICY))
  if (digest === null || !ima.policy.startsWith('sha256:'))
    report.skip(['IMA_POLICY_CHANGED', ...OF_RULES], 'its digest could not be compared', IMA_POLICY)
  else if (ima.policy !== `sha256:${digest}`) {
    report.found('IMA_POLICY_CHANGED', `IMA measured ${ima.policy}, the file has sha256:${digest}`, {
      where: IMA_POLICY,
    })
    report.skip(OF_RULES, 'the one that was loaded is another', IMA_POLICY)
  }
}

const OF_RULES = ['IMA_POLICY_BLIND', 'IMA_POLICY_LESS', 'IMA_POLICY_UNJUDGED'] as const

/** What the policy that is there measures. Good is only one that was loaded, which is looked at after this. */
async function lookAtRules(host: Host, report: ImaReport): Promise<void> {
  const where = { where: IMA_POLICY }
  const bytes = report.need(
    OF_RULES,
    await host.probes.files.read(IMA_POLICY, MAX_IMA_POLICY_BYTES),
    IMA_POLICY,
  )
  if (bytes === null) return
  const judged = judgeImaPolicy(bytes, valueIn(await host.launcher())?.uids)
  if (judged.gaps === null) {
    report.found('IMA_POLICY_UNJUDGED', judged.why, where)
    report.skip(['IMA_POLICY_BLIND', 'IMA_POLICY_LESS'], 'its rules cannot be judged', IMA_POLICY)
    return
  }
  const of = (isSerious: boolean) => judged.gaps.filter(({ serious }) => serious === isSerious)
  if (of(true).length > 0) report.found('IMA_POLICY_BLIND', gapsText(of(true)), where)
  if (of(false).length > 0) report.found('IMA_POLICY_LESS', gapsText(of(false)), where)
}
