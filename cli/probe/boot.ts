import { type Look, lookFurther, seen, type Unseen, unseen, valueIn } from './look.ts'
import type { FileProbe } from './probes.ts'

/** Variables of the EFI global GUID (UEFI 2.10, section 3.3), as efivarfs names them. */
const EFI_VARIABLES = '/sys/firmware/efi/efivars'
const EFI_GLOBAL = '8be4df61-93ca-11d2-aa0d-00e098032b8c'
/** Attributes in front of the value (Documentation/filesystems/efivarfs.rst). */
const ATTRIBUTE_BYTES = 4

/** How the machine was booted. */
export interface BootFacts {
  readonly commandLine: string
  /** Words of the command line, those in quotes as one; `name` or `name=value`. */
  readonly parameters: readonly string[]
}

/** @returns the kernel's command line as it was booted with */
export async function readBoot(files: FileProbe): Promise<Look<BootFacts>> {
  return lookFurther(await files.read('/proc/cmdline'), bytes => {
    const commandLine = bytes.toString('utf8').trimEnd()
    return { commandLine, parameters: commandLine.match(/(?:"[^"]*"|[^\s"])+/g) ?? [] }
  })
}

/** The last value that a parameter has on the command line; undefined where it is not there, empty for one without a value. */
export function parameter({ parameters }: BootFacts, name: string): string | undefined {
  const found = parameters.findLast(word => word === name || word.startsWith(`${name}=`))
  return found === undefined ? undefined : found.slice(name.length + 1)
}

/** Whether the kernel was booted with the policy that measures from the first program on, alone or beside others (kernel-parameters.txt). */
export function hasTcbPolicy(boot: BootFacts): boolean {
  return (
    parameter(boot, 'ima_tcb') !== undefined ||
    parameter(boot, 'ima_policy')?.split('|').includes('tcb') === true
  )
}

export interface SecureBootFacts {
  /** False on a machine that was booted by a BIOS, or whose firmware does not show its variables. */
  readonly efi: boolean
  readonly enabled: boolean
  /** Whether whoever is there may set the platform key; null: not known. */
  readonly setupMode: boolean | null
}

/** What the firmware's variables say; what was measured is in the event log, and that alone is evidence. */
export async function readSecureBoot(files: FileProbe): Promise<Look<SecureBootFacts>> {
  const directory = await files.stat('/sys/firmware/efi')
  if (!directory.seen && directory.why === 'missing')
    return seen({ efi: false, enabled: false, setupMode: false })
  const enabled = await variable(files, 'SecureBoot')
  const setupMode = await variable(files, 'SetupMode')
  if (!enabled.seen) return withoutVariable(files, enabled)
  return seen({ efi: true, enabled: enabled.value, setupMode: valueIn(setupMode) })
}

/** A firmware that shows other variables has no Secure Boot; where none is shown nobody knows. */
async function withoutVariable(files: FileProbe, enabled: Unseen): Promise<Look<SecureBootFacts>> {
  if (enabled.why !== 'missing') return enabled
  const shown = await files.list(EFI_VARIABLES)
  if (shown.seen && shown.value.length > 0) return seen({ efi: true, enabled: false, setupMode: false })
  return unseen(
    'missing',
    'the variables of the firmware are not mounted: mount -t efivarfs efivarfs /sys/firmware/efi/efivars',
  )
}

async function variable(files: FileProbe, name: string): Promise<Look<boolean>> {
  const bytes = await files.read(`${EFI_VARIABLES}/${name}-${EFI_GLOBAL}`)
  if (!bytes.seen) return bytes
  return bytes.value.length === ATTRIBUTE_BYTES + 1
    ? seen(bytes.value[ATTRIBUTE_BYTES] === 1)
    : unseen('failed', `the variable ${name} of the firmware is not of one byte`)
}
