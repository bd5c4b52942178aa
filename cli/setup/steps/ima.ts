import { existsSync, statSync } from 'node:fs'
import { mkdir, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { sha256Hex } from '../../../encoding/digest.ts'
import { shippedFile } from '../../../encoding/shipped.ts'
import { CliError } from '../../error.ts'
import { readDocument, writeDocument } from '../../files.ts'
import { MAX_IMA_POLICY_BYTES } from '../../ima-policy/rules.ts'
import {
  type BootFacts,
  type BootLoader,
  grubHas,
  hasTcbPolicy,
  type ImaFacts,
  parameter,
  readBoot,
  readBootLoader,
  readIma,
  whereToAdd,
} from '../../probe/index.ts'
import { acceptedLess } from '../ima-policy.ts'
import { type Done, done, type Step, type StepContext, skipped, toDo, type WaitingFor } from '../step.ts'
import { systemCommand } from '../system-command.ts'

/** What the kernel's command line needs, so that initrd, systemd's start and the policy itself are measured (packaging/ima/ima-policy). */
export const BOOT_OPTIONS = [
  ['ima_policy', 'tcb'],
  ['ima_hash', 'sha256'],
] as const
const OPTIONS_TEXT = BOOT_OPTIONS.map(([name, value]) => `${name}=${value}`).join(' ')
/** Read by update-grub after /etc/default/grub. */
const GRUB_FILE = '50-writ.cfg'
const GRUB_PATIENCE_MS = 300_000

/** Has the host boot with IMA measuring what it has to. */
export const ima: Step = {
  name: 'ima',
  title: 'IMA',
  why: 'The kernel measures whatever is executed, by a policy that is loaded at the boot and cannot be changed afterwards.',
  async look(context) {
    const { answers, stage } = context
    if (answers.places.ima_log === 'none') return skipped('IMA is left out by the answers')
    if (answers.ima.policy === 'leave')
      return done([], [`the IMA policy is left as it is by the answers: it may measure less than it should`])
    const installed = existsSync(answers.places.ima_policy)
    const less = await acceptedLess(context)
    const now = stage === 'image' ? null : await bootOf(context)
    const loaded = installed ? await loadedPolicy(context, now?.measured ?? null) : 'no'
    if (installed && now !== null && now.measured === null && now.lacking === '')
      requireNewerThanBoot(answers.places.ima_policy, now)
    const grub = await grubWork(context, now?.lacking ?? OPTIONS_TEXT)
    const will = [
      ...(installed ? [] : [`install the IMA policy: ${answers.places.ima_policy}`]),
      ...(grub === null ? [] : [`add ${OPTIONS_TEXT} to the configuration of GRUB: ${grub}`]),
    ]
    const lacking = grub === null && !grubDone(context, now?.bootedMs) ? (now?.lacking ?? '') : ''
    const isBooted = stage === 'image' || (loaded === 'yes' && now?.lacking === '')
    const waiting = isBooted
      ? undefined
      : waitFor(lacking || (loaded === 'by another hash' ? 'ima_hash=sha256' : ''), now?.loader)
    const warnings = [
      ...less,
      ...(stage === 'image' && grub === null && !grubDone(context)
        ? [`the kernel of this image has to be booted with ${OPTIONS_TEXT}`]
        : []),
      ...(now?.isWithoutTcb === true ? [WITHOUT_TCB] : []),
    ]
    if (will.length > 0) return toDo(will, () => carryOut(context, installed, grub, waiting), [], warnings)
    const found = [`policy         ${answers.places.ima_policy}${await standing(context, loaded)}`]
    return waiting === undefined ? done(found, warnings) : { state: 'waiting', found, warnings, ...waiting }
  },
}

const WITHOUT_TCB =
  "this kernel was booted without ima_policy=tcb, which the answers accept: what the initrd and systemd's start executed before the policy was loaded is not measured"

/** This boot: what of the command line is missing, and the digest of the policy that was loaded. */
interface Boot {
  /** But for what the answers go without. */
  readonly lacking: string
  readonly isWithoutTcb: boolean
  readonly measured: string | null
  /** What started the kernel; null where that is not known. */
  readonly loader: BootLoader | null
  /** When, in milliseconds since 1970; null where that is not known. */
  readonly bootedMs: number | null
}

async function bootOf({ answers, probes }: StepContext): Promise<Boot> {
  const log = await readIma(probes.files, [], answers.places.ima_log)
  if (!log.seen)
    throw new CliError('HOST_UNFIT', `cannot read IMA's log ${answers.places.ima_log}: ${log.reason}`, {
      at: answers.places.ima_log,
    })
  const boot = await readBoot(probes.files)
  const clock = await probes.kernel.clock()
  const facts = boot.seen ? boot.value : null
  const isWithoutTcb = answers.ima.boot === 'without' && (facts === null || !hasTcbPolicy(facts))
  return {
    lacking: lackingOptions(facts, log.value, isWithoutTcb),
    isWithoutTcb,
    measured: log.value.policy,
    loader: await readBootLoader(probes.files, boot.seen ? boot.value : null),
    bootedMs: clock.seen ? clock.value.now - clock.value.sinceBoot * 1000 : null,
  }
}

/** What the command line lacks of what IMA needs. The hash is as it should be where the log says so, whatever says it. */
export function lackingOptions(boot: BootFacts | null, log: ImaFacts | null, isWithoutTcb = false): string {
  const hash = log?.hash ?? (boot === null ? undefined : parameter(boot, 'ima_hash'))
  return [
    ...(isWithoutTcb || (boot !== null && hasTcbPolicy(boot)) ? [] : ['ima_policy=tcb']),
    ...(hash === 'sha256' ? [] : ['ima_hash=sha256']),
  ].join(' ')
}

type Loaded = 'yes' | 'no' | 'another' | 'by another hash'

/** Whether this boot has loaded the policy that is there, by what IMA has measured of it. */
async function loadedPolicy({ answers }: StepContext, measured: string | null): Promise<Loaded> {
  if (measured === null) return 'no'
  if (!measured.startsWith('sha256:')) return 'by another hash'
  const bytes = await readDocument(answers.places.ima_policy, 'the IMA policy', MAX_IMA_POLICY_BYTES)
  return measured === `sha256:${sha256Hex(bytes)}` ? 'yes' : 'another'
}

/** What is to be known of a policy that is there, for people. */
async function standing({ answers }: StepContext, loaded: Loaded): Promise<string> {
  if (loaded === 'another') return ' was changed after the boot'
  const bytes = await readDocument(answers.places.ima_policy, 'the IMA policy', MAX_IMA_POLICY_BYTES)
  const own = bytes.equals(shippedFile('imaPolicy')) ? '' : ", which is this host's own"
  return `${own}${loaded === 'no' ? '' : ', loaded in this boot'}`
}

/** @throws CliError where this boot should have loaded it, and did not */
function requireNewerThanBoot(policy: string, { bootedMs, isWithoutTcb }: Boot): void {
  if (bootedMs === null || statSync(policy).mtimeMs > bootedMs) return
  const unmeasured = isWithoutTcb ? ' (or it did unmeasured, as without ima_policy=tcb)' : ''
  throw new CliError('HOST_UNFIT', `this boot did not load ${policy}, which was there${unmeasured}`, {
    at: policy,
    next: 'Does `systemctl --version` say +IMA, and `journalctl -b` why? To go on without: ima.policy = "leave".',
  })
}

const grubFile = ({ answers }: StepContext) => join(answers.places.grub, GRUB_FILE)
/** Whether the next boot has it. One that came after the file and has it not was by another entry, or another boot loader. */
const grubDone = (context: StepContext, bootedMs: number | null = null) =>
  context.answers.ima.boot === 'grub' &&
  existsSync(grubFile(context)) &&
  (bootedMs === null || statSync(grubFile(context)).mtimeMs > bootedMs)

/** The file for GRUB that is to be written; null if none is. @throws CliError where it was asked for, and there is no GRUB */
async function grubWork(context: StepContext, lacking: string): Promise<string | null> {
  const { answers } = context
  if (answers.ima.boot !== 'grub' || lacking === '') return null
  // Written by a run that was ended before update-grub was.
  const untold = (await grubHas(context.probes.files, 'ima_policy=tcb')) === false
  if (existsSync(grubFile(context)) && !untold) return null
  if (existsSync(answers.places.grub)) return grubFile(context)
  throw new CliError('HOST_UNFIT', `there is no ${answers.places.grub}: GRUB does not boot this host`, {
    at: answers.places.grub,
    next: `Add ${OPTIONS_TEXT} to the command line in the way of your boot loader, and leave ima.boot at "say".`,
  })
}

function waitFor(lacking: string, loader: BootLoader | null = null): { for: WaitingFor; next: string } {
  if (lacking === '')
    return { for: 'REBOOT', next: 'Reboot, and run `writ setup` again: it goes on from here.' }
  return {
    for: 'BOOT_OPTIONS',
    next: `Add ${lacking} ${whereToAdd(loader)}; reboot, and run \`writ setup\` again.${lacking.includes('ima_policy') ? ' To go on without ima_policy=tcb, which measures less: ima.boot = "without".' : ''}`,
  }
}

async function carryOut(
  context: StepContext,
  installed: boolean,
  grub: string | null,
  waiting: { for: WaitingFor; next: string } | undefined,
): Promise<Done> {
  const { ima_policy } = context.answers.places
  const did: string[] = []
  if (!installed) {
    await mkdir(dirname(ima_policy), { recursive: true, mode: 0o755 })
    await writeDocument(ima_policy, shippedFile('imaPolicy'))
    did.push(`policy         ${ima_policy}`)
  }
  if (grub !== null) {
    if (!existsSync(grub))
      await writeDocument(
        grub,
        `# What IMA needs from the first instruction on: see ${ima_policy}.\nGRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX ${OPTIONS_TEXT}"\n`,
      )
    did.push(`command line   ${grub}`)
    const failure = await systemCommand('update-grub', [], GRUB_PATIENCE_MS)
    if (failure !== null) {
      // Else the next run would take it for done.
      await unlink(grub)
      throw new CliError('HOST_UNFIT', `update-grub failed: ${failure}`, {
        at: grub,
        next: 'See what update-grub says when it is run by hand, and run `writ setup` again.',
      })
    }
  }
  return { did, ...(waiting === undefined ? {} : { waiting }) }
}
