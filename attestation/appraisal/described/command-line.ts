import { hash } from 'node:crypto'
import { COMMAND_LINE_PCRS, TEXT_PCRS } from '../../reference/enforced.ts'
import type { BootFiles, CommandLines } from '../../reference/statements.ts'
import { type Ledger, oneOf } from './ledger.ts'

const FILES_PCR = 9

/**
 * The digests that one command line is measured with: GRUB measures its text (grub-core/commands/efi/tpm.c), the kernel's stub and systemd-stub
 * the UTF-16 of the load options with the NUL at its end (drivers/firmware/efi/libstub/efi-stub-helper.c; src/boot/stub.c).
 */
export function commandLineDigests(text: string): readonly string[] {
  return [text, `${text}\0`].flatMap(form => [
    hash('sha256', form),
    hash('sha256', Buffer.from(form, 'utf16le')),
  ])
}

/**
 * The command lines that were measured. At least one of the listed has to be: a kernel whose command line nobody measured may have had any. `any` opens
 * PCR 8 and 12 wholly, and in PCR 9 one event, since nothing that is measured tells a command line from a file there.
 */
export function judgeCommandLines(ledger: Ledger, said: CommandLines, files: BootFiles): void {
  const pcrs = COMMAND_LINE_PCRS.filter(pcr => ledger.isDescribed(pcr))
  if (said === 'any') {
    for (const pcr of TEXT_PCRS) ledger.take(pcr, () => true)
    takeOneUnlisted(ledger, files)
    return
  }
  if (said.length === 0 || pcrs.length === 0) return
  const known = new Set(said.flatMap(line => ('text' in line ? commandLineDigests(line.text) : line.digests)))
  const measured = pcrs.flatMap(pcr => ledger.take(pcr, ({ digest }) => known.has(digest)))
  if (measured.length > 0) return
  const expected = oneOf(said.map(line => ('text' in line ? line.text : line.name)))
  const at = pcrs.map(pcr => `PCR ${pcr}`).join(', ')
  ledger.fail('COMMAND_LINE_MISSING', 'none of the listed command lines was measured', at, expected)
}

function takeOneUnlisted(ledger: Ledger, files: BootFiles): void {
  if (files === 'any') return
  const listed = new Set(files.flatMap(({ digests }) => digests))
  let taken = false
  ledger.take(FILES_PCR, ({ digest }) => {
    if (taken || listed.has(digest)) return false
    taken = true
    return true
  })
}

/** What was read to boot: kernels, initial RAM disks. `any` opens all that is left of PCR 9. */
export function judgeBootFiles(ledger: Ledger, said: BootFiles): void {
  if (said === 'any') {
    ledger.take(FILES_PCR, () => true)
    return
  }
  const known = new Set(said.flatMap(({ digests }) => digests))
  const measured = ledger.take(FILES_PCR, ({ digest }) => known.has(digest))
  const seen = new Set(measured.map(({ digest }) => digest))
  for (const { name, digests, optional } of said) {
    if (optional || digests.some(digest => seen.has(digest))) continue
    ledger.fail('PCR_EVENT_MISSING', `${name} was not measured`, `PCR ${FILES_PCR}`, oneOf(digests))
  }
}
