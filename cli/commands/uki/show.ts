import type { Command } from 'commander'
import {
  type HashAlgorithm,
  type HexDigests,
  readUki,
  type UkiProfileReference,
  type UkiReference,
  ukiReference,
} from '../../../attestation/index.ts'
import { PHASE_HELP, readPhases } from '../../boot-phases.ts'
import { addCommand, addNote, setAction } from '../../command.ts'
import { withImage } from '../../image-file.ts'
import { MALFORMED, reportMalformed } from '../../malformed.ts'
import { printable } from '../../output.ts'
import { collect } from '../../workload.ts'

/** The banks that firmware in use has. */
const BANKS = ['sha1', 'sha256', 'sha384'] as const satisfies readonly HashAlgorithm[]
const FORM = {
  'stub|null': 'text: what the image says started it',
  'osRelease|null': 'text',
  'uname|null': 'text',
  image: 'json: Authenticode digest of the file by bank (PCR 4)',
  'kernel|null': 'json: that of the kernel in it, which older stubs start through the firmware (PCR 4)',
  profiles: [
    {
      profile: 'number',
      'name|null': 'text',
      'cmdline|null': 'text',
      sections: [{ name: 'text', size: 'number: bytes that are measured', digests: 'json: by bank' }],
      kernelEvents: {
        'commandLine|null': 'json: by bank; what the kernel measures of it (PCR 9)',
        'initrd|null': 'json: by bank; the initrd with what the stub adds to it (PCR 9)',
      },
      pcr11: [{ phase: 'text', values: 'json: by bank' }],
    },
  ],
} as const

export function addUkiShow(parent: Command): void {
  const command = addCommand(
    parent,
    'show <file>',
    'Show the parts of a unified kernel image, and what a machine measures that starts it.',
    `writ uki show /boot/efi/EFI/Linux/debian.efi
     writ uki show uki.efi --phase sysinit:ready --json`,
    [{ fields: FORM }, { when: 'when the file is no unified kernel image', fields: MALFORMED }],
  ).option('--phase <path>', PHASE_HELP, collect)
  addNote(
    command,
    'PCR 4 gets the Authenticode digest, PCR 11 each part and then each phase, PCR 9 what the kernel is given if nothing beside the image is. A part that the machine chooses (.dtbauto, .efifw) makes several values of PCR 11.',
  )
  addNote(command, 'The exit status is 1 when the file is no unified kernel image.')
  setAction<{ phase?: string[] }>(command, async ({ args, options, output }) => {
    const [path = ''] = args
    const phases = readPhases(options.phase)
    try {
      const shown = withImage(path, 'a unified kernel image', image =>
        ukiReference(readUki(image), { banks: BANKS, phases }),
      )
      output.result(shown, () => linesOf(shown))
      return undefined
    } catch (error) {
      return reportMalformed(error, output)
    }
  })
}

function linesOf({ stub, osRelease, uname, image, kernel, profiles }: UkiReference): string[] {
  return [
    `system       ${printable(osRelease ?? 'not said')}`,
    `kernel       ${printable(uname ?? 'not said')}`,
    `stub         ${printable(stub ?? 'not said')}`,
    `image        ${inSha256(image)}`,
    `its kernel   ${kernel === null ? 'no EFI image' : inSha256(kernel)}`,
    ...profiles.flatMap(profile => profileLines(profile, profiles.length > 1)),
  ]
}

function profileLines(
  { profile, name, cmdline, sections, kernelEvents, pcr11 }: UkiProfileReference,
  several: boolean,
): string[] {
  const heading = several ? [`profile ${profile}${name === null ? '' : ` ${printable(name)}`}`] : []
  return [
    ...heading,
    `command line ${cmdline === null ? 'not in the image' : printable(cmdline)}`,
    ...sections.map(part => `${part.name.padEnd(12)} ${inSha256(part.digests)}  ${part.size} bytes`),
    ...eventLine('its line', kernelEvents.commandLine),
    ...eventLine('its initrd', kernelEvents.initrd),
    ...pcr11.map(({ phase, values }) => `PCR 11       ${inSha256(values)}  ${phase || 'after the stub'}`),
  ]
}

/** An event that the kernel measures, if there is one. */
function eventLine(name: string, digests: HexDigests | null): string[] {
  return digests === null ? [] : [`${name.padEnd(12)} ${inSha256(digests)}  PCR 9`]
}

function inSha256({ sha256 = '' }: HexDigests): string {
  return `sha256:${sha256}`
}
