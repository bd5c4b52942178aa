import type { BootFacts } from './boot.ts'
import { valueIn } from './look.ts'
import type { FileProbe } from './probes.ts'

/** `stub`: systemd-stub, of a unified kernel image. */
export type BootLoader = 'grub' | 'stub' | 'systemd-boot'

/** Variables of the boot loader interface, which GRUB sets in newer versions only (systemd, "The Boot Loader Interface"). */
const LOADER_GUID = '4a67b082-0a4c-41cf-b6c7-440b29bb8c4f'
const VARIABLES = '/sys/firmware/efi/efivars'
const GRUB_CONFIGURATION = '/boot/grub/grub.cfg'
/** It grows with the kernels that are installed. */
const MOST_BYTES = 4 << 20

/** What has started the kernel, as far as it left a trace; null where it left none. */
export async function readBootLoader(files: FileProbe, boot: BootFacts | null): Promise<BootLoader | null> {
  // GRUB puts it before whatever it is told (grub-core/loader/i386/linux.c).
  if (boot?.parameters.some(word => word.startsWith('BOOT_IMAGE=')) === true) return 'grub'
  if ((await files.stat(`${VARIABLES}/StubInfo-${LOADER_GUID}`)).seen) return 'stub'
  return (await files.stat(`${VARIABLES}/LoaderInfo-${LOADER_GUID}`)).seen ? 'systemd-boot' : null
}

/** Whether GRUB starts a kernel with this at the next boot; null where its configuration cannot be read. */
export async function grubHas(files: FileProbe, parameter: string): Promise<boolean | null> {
  const text = valueIn(await files.read(GRUB_CONFIGURATION, MOST_BYTES))?.toString('utf8')
  const lines = text?.match(/^[ \t]*linux(?:efi)?[ \t].*$/gm)
  if (lines === undefined || lines === null) return null
  return lines.some(line => line.split(/\s+/).includes(parameter))
}

const HOW: Readonly<Record<BootLoader, string>> = {
  grub: 'to GRUB_CMDLINE_LINUX in /etc/default/grub, then `update-grub`',
  stub: 'to /etc/kernel/cmdline, and build the unified kernel image anew',
  'systemd-boot':
    'to /etc/kernel/cmdline, then `kernel-install add "$(uname -r)" "/boot/vmlinuz-$(uname -r)"`',
}

/** How something gets onto the kernel's command line: the end of a sentence that begins with what is to be added. */
export function whereToAdd(loader: BootLoader | null): string {
  if (loader !== null) return HOW[loader]
  return "to the kernel's command line (GRUB: GRUB_CMDLINE_LINUX in /etc/default/grub, then `update-grub`; unified kernel image: /etc/kernel/cmdline, and build it anew)"
}
