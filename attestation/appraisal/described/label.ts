import type { DecodedEvent } from '../../eventlog/decode/index.ts'
import { eventTypeName } from '../../eventlog/event-type.ts'

/** Most characters of a label. */
const MAX_LABEL = 160

/** Text from a log as one line. */
export function oneLine(text: string): string {
  const line = text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ').trim()
  return line.length > MAX_LABEL ? `${line.slice(0, MAX_LABEL)}…` : line
}

/** A name for people of what was measured, made of what the log says: nothing of it decides anything. */
export function labelOf(decoded: DecodedEvent, type: number): string {
  return oneLine(textOf(decoded) ?? '') || eventTypeName(type)
}

/** Whether the log says that a command line was measured. */
export function claimOf(decoded: DecodedEvent): 'command-line' | null {
  const said =
    (decoded.kind === 'ipl' && decoded.form === 'kernel-command-line') ||
    (decoded.kind === 'tagged' && decoded.name.value === 'linux-load-options')
  return said ? 'command-line' : null
}

function textOf(decoded: DecodedEvent): string | null {
  switch (decoded.kind) {
    case 'variable':
    case 'variable-boot':
    case 'variable-authority':
      return `variable ${decoded.name.value}`
    case 'image-load':
      return decoded.devicePath.value === null
        ? 'an image from memory'
        : (decoded.devicePath.value.file ?? `image ${decoded.devicePath.value.text}`)
    case 'gpt':
      return 'partition table'
    case 'ipl':
      return iplText(decoded)
    case 'tagged':
      return decoded.text.value ?? decoded.name.value
    case 'crtm-version':
      return `CRTM version ${decoded.version.value ?? ''}`
    case 'firmware-blob':
      return `firmware blob ${decoded.description.value ?? ''}`
    case 'handoff-tables':
      return `tables ${decoded.description.value ?? decoded.tables.value.map(({ name, guid }) => name ?? guid).join(', ')}`
    case 'action':
    case 'post-code':
      return decoded.text.value
    case 'separator':
      return 'separator'
    case 'unknown':
    case 'undecodable':
      return null
    default:
      return 'text' in decoded ? (decoded.text.value ?? decoded.kind) : decoded.kind
  }
}

function iplText({ form, text }: Extract<DecodedEvent, { kind: 'ipl' }>): string | null {
  switch (form) {
    case 'grub-command':
      return `GRUB: ${text.value}`
    case 'kernel-command-line':
      return `command line: ${text.value}`
    case 'module-command-line':
      return `module: ${text.value}`
    case 'uki-section-name':
      return `name of ${text.value}`
    default:
      return text.value
  }
}
