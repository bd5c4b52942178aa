import type { DecodedEvent, SignatureEntry, VariableContents } from '../../attestation/index.ts'

/** Most bytes of plain data that are shown in hexadecimal. */
const MAX_SHOWN_BYTES = 24

/** What an event says, in one line. Text in it comes from the host and is not yet safe for a terminal. */
export function summaryOf(decoded: DecodedEvent): string {
  switch (decoded.kind) {
    case 'separator':
      return decoded.meaning.value === 'other' ? hex(decoded.data.value) : decoded.meaning.value
    case 'action':
    case 'post-code':
      return decoded.text.value
    case 'variable':
    case 'variable-boot':
    case 'variable-authority':
      return `${decoded.name.value} = ${contents(decoded.contents.value)}`
    case 'image-load':
      return decoded.devicePath.value?.file ?? decoded.devicePath.value?.text ?? 'from nowhere that is said'
    case 'gpt': {
      const names = decoded.partitions.value.map(({ name }) => name || '(unnamed)').join(', ')
      return `disk ${decoded.diskGuid.value}: ${names}`
    }
    case 'ipl':
      return decoded.text.value ?? hex(decoded.data.value)
    case 'tagged':
      return `${decoded.name.value ?? 'tag'}: ${decoded.text.value ?? hex(decoded.data.value)}`
    case 'crtm-version':
      return decoded.version.value ?? hex(decoded.data.value)
    case 'firmware-blob': {
      const { description, base, length } = decoded
      const where = `0x${base.value.toString(16)}, ${length.value} bytes`
      return description.value === null ? where : `${description.value}: ${where}`
    }
    case 'handoff-tables':
      return decoded.tables.value.map(({ name, guid }) => name ?? guid).join(', ')
    case 'spdm':
    case 'nv-index-instance':
      return `${decoded.deviceType.value} ${decoded.devicePath.value?.text ?? ''}`
    case 'spec-id':
      return `${decoded.signature.value} ${decoded.version.value}, errata ${decoded.errata.value}`
    case 'startup-locality':
      return `StartupLocality ${decoded.locality.value}`
    case 'sp800-155':
      return `platform ${decoded.platform?.value.platformModel ?? decoded.referenceManifest.value}`
    case 'h-crtm-component':
    case 'nv-index-dynamic':
      return decoded.description.value
    case 'no-action-unknown':
      return decoded.signature.value ?? hex(decoded.data.value)
    case 'undecodable':
      return `not of its form: ${decoded.reason}`
    case 'unknown':
      return hex(decoded.data.value)
    case 'nonhost':
      return memory(decoded.memoryEncryption.value) ?? decoded.text.value ?? hex(decoded.data.value)
    default:
      return decoded.text.value ?? hex(decoded.data.value)
  }
}

function memory(kind: string | null): string | null {
  return kind === null ? null : `memory encryption: ${kind}`
}

function hex(data: Buffer): string {
  const shown = data.subarray(0, MAX_SHOWN_BYTES).toString('hex')
  return data.length > MAX_SHOWN_BYTES ? `${shown}… (${data.length} bytes)` : shown
}

function contents(value: VariableContents): string {
  switch (value.form) {
    case 'absent':
      return '(not set)'
    case 'flag':
      return value.on ? 'on' : 'off'
    case 'number':
      return String(value.number)
    case 'bits':
      return value.names.join(' ') || '0'
    case 'order':
      return value.options.join(' ')
    case 'load-option':
      return `${value.option.description} ${value.option.devicePaths.map(({ text }) => text).join(', ')}`
    case 'signatures':
      return signatures(value.lists.flatMap(({ entries }) => entries))
    case 'signature':
      return signature(value.entry)
    case 'sbat':
      return value.entries.map(({ component, generation }) => `${component},${generation}`).join(' ')
    case 'guids':
      return value.guids.join(' ')
    case 'text':
      return value.text
    case 'bytes':
      return hex(value.bytes)
  }
}

/** Certificates by name, the rest by number. */
function signatures(entries: readonly SignatureEntry[]): string {
  const named = entries.filter(({ kind }) => kind === 'certificate').map(signature)
  const rest = entries.length - named.length
  if (rest > 0) named.push(`${rest} digests`)
  return named.join('; ') || '(empty)'
}

/** One entry of a database of keys, in a line. */
export function signature(entry: SignatureEntry): string {
  if (entry.kind === 'certificate') {
    return entry.certificate.subject?.replaceAll('\n', ', ') ?? `certificate ${entry.certificate.sha256}`
  }
  return entry.kind === 'other' ? hex(entry.data) : `${entry.algorithm} ${entry.digest}`
}
