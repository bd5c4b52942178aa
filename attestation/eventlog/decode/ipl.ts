import { isUtf8 } from 'node:buffer'
import { coverage, isMeasured, type Measured } from './binding.ts'
import { type Coverage, type Field, field } from './field.ts'
import { asciiText, MAX_TEXT_BYTES, utf16TextIfAny } from './text.ts'

/**
 * What a boot loader measured as EV_IPL. Each loader uses the type for whatever it likes:
 *
 * - `grub-command`, `kernel-command-line`, `module-command-line`: a text that GRUB ran or passed on, or the load options that
 *   systemd-boot and systemd-stub passed on. Where the text is bound it is what was measured.
 * - `uki-section`: a section of a unified kernel image that systemd-stub measured: its name first (bound), then its contents (only in
 *   the digest; which section it is follows from the event before).
 * - `file`: the digest is that of a file; its path is what the loader says.
 * - `shim-variable`: the digest is that of a variable's value; its name is what shim says.
 * - `text` and `bytes`: anything else.
 */
export type IplForm =
  | 'grub-command'
  | 'kernel-command-line'
  | 'module-command-line'
  | 'uki-section-name'
  | 'uki-section-contents'
  | 'file'
  | 'shim-variable'
  | 'text'
  | 'bytes'

export interface IplFields {
  readonly form: IplForm
  /** The command, path or name by the form; null for `bytes`. */
  readonly text: Field<string | null>
  readonly data: Field<Buffer>
}

/**
 * GRUB measures the text without the prefix (grub-core/commands/tpm.c, grub_tpm_verify_string); so does the one of Red Hat Enterprise
 * Linux 8, with other prefixes, and with the terminating NUL for commands.
 */
const PREFIXES: readonly (readonly [string, IplForm])[] = [
  ['grub_cmd: ', 'grub-command'],
  ['grub_cmd ', 'grub-command'],
  ['kernel_cmdline: ', 'kernel-command-line'],
  ['grub_kernel_cmdline ', 'kernel-command-line'],
  ['module_cmdline: ', 'module-command-line'],
  ['grub_module_cmdline ', 'module-command-line'],
]
const LONGEST_PREFIX = Math.max(...PREFIXES.map(([prefix]) => prefix.length))
/** What shim measures into PCR 14 (shim, mok.c). */
const SHIM_VARIABLES: ReadonlySet<string> = new Set([
  'MokList',
  'MokListX',
  'MokSBState',
  'MokDBState',
  'MokIgnoreDB',
  'MokListTrusted',
  'MokPolicy',
  'SbatLevel',
])
/** Where load options are measured: by systemd-stub in PCR 12, by older systemd-boot in 8, by both in register 3 of a confidential machine. */
const COMMAND_LINE_PCRS: readonly number[] = [3, 8, 12]

export function decodeIpl(data: Buffer, by: Measured, pcr: number): IplFields {
  return (
    decodePrefixed(data, by) ??
    decodeAscii(data, by) ??
    decodeUtf16(data, by, pcr) ??
    plain('bytes', null, data, coverage(data, by))
  )
}

function plain(form: IplForm, text: string | null, data: Buffer, covered: Coverage | null): IplFields {
  return { form, text: field(text, covered, 0, data.length), data: field(data, covered, 0, data.length) }
}

function decodePrefixed(data: Buffer, by: Measured): IplFields | null {
  const head = data.toString('latin1', 0, LONGEST_PREFIX)
  const found = PREFIXES.find(([prefix]) => head.startsWith(prefix))
  if (found === undefined) return null
  const [prefix, form] = found
  const from = prefix.length
  // The text ends with the log entry or with a NUL, which may have been measured or not; Alibaba's GRUB logs a byte of whatever behind it.
  const nul = data.indexOf(0, from)
  const to = nul < 0 ? data.length : nul
  const covered = coverage(data, by, [
    { from, to },
    { from, to: Math.min(to + 1, data.length) },
  ])
  // What was measured behind a NUL must not hide there.
  const hides = covered !== null && covered.to > to + 1
  const text = hides ? null : exactText(data.subarray(from, to))
  return { form, text: field(text, covered, from, to), data: field(data, covered, 0, data.length) }
}

/** UTF-8, null for what is none: two commands that differ must not read the same. */
function exactText(bytes: Buffer): string | null {
  return bytes.length <= MAX_TEXT_BYTES && isUtf8(bytes) ? bytes.toString('utf8') : null
}

function decodeUtf16(data: Buffer, by: Measured, pcr: number): IplFields | null {
  // systemd-boot 250 and before drops the last byte, a zero, of what it measured (src/boot/efi/measure.c).
  if (data.length > MAX_TEXT_BYTES) return null
  const cut = data.length % 2 === 1 && isMeasured(Buffer.concat([data, Buffer.alloc(1)]), by)
  const text = utf16TextIfAny(cut ? Buffer.concat([data, Buffer.alloc(1)]) : data)
  if (text === null) return null
  const covered = cut || by.data ? { from: 0, to: data.length } : null
  if (covered !== null)
    return plain(COMMAND_LINE_PCRS.includes(pcr) ? 'kernel-command-line' : 'text', text, data, covered)
  if (!text.startsWith('.')) return plain('text', text, data, null)
  // systemd-stub measures the name in ASCII with its NUL, then the contents, and writes the name in UTF-16 both times.
  // Only ASCII: what Latin-1 cuts off would let another name have the same digest.
  const isName = /^[\x20-\x7e]+$/.test(text) && isMeasured(Buffer.from(`${text}\0`, 'latin1'), by)
  return {
    form: isName ? 'uki-section-name' : 'uki-section-contents',
    text: { value: text, bound: isName },
    data: { value: data, bound: isName },
  }
}

function decodeAscii(data: Buffer, by: Measured): IplFields | null {
  const text = asciiText(data)
  if (text === null) return null
  const covered = coverage(data, by, data.at(-1) === 0 ? [{ from: 0, to: data.length - 1 }] : [])
  if (covered !== null) {
    return {
      form: 'text',
      text: field(text, covered, 0, covered.to),
      data: field(data, covered, 0, data.length),
    }
  }
  const form: IplForm = SHIM_VARIABLES.has(text) ? 'shim-variable' : isPath(text) ? 'file' : 'text'
  return plain(form, text, data, null)
}

/** `/boot/grub/grub.cfg`, `(hd0,gpt2)/grub.cfg`, and how Red Hat's GRUB names what it loads. */
function isPath(text: string): boolean {
  return /^(\([^)]*\))?\//.test(text) || text.startsWith('grub_linuxefi ')
}

/** Whether a text is what the Linux stub got as its load options, which it measures in UTF-16 (LOADED_IMAGE::LoadOptions). */
export function isLoadOptions(text: string, by: Measured): boolean {
  const bytes = Buffer.from(text, 'utf16le')
  return isMeasured(Buffer.concat([bytes, Buffer.alloc(2)]), by) || isMeasured(bytes, by)
}
