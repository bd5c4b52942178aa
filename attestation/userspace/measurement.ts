import type { UserspaceEvent } from './record.ts'

/**
 * What a record's content says, by its own words (systemd, docs/TPM2_PCR_MEASUREMENTS.md). It is as trustworthy as the content:
 * bound where a digest binds that.
 */
export type Measurement =
  | { readonly kind: 'phase'; readonly phase: string }
  | { readonly kind: 'machine-id'; readonly machineId: string }
  | { readonly kind: 'filesystem'; readonly mountPoint: string; readonly fields: FileSystemFields }
  | { readonly kind: 'volume-key'; readonly volume: string; readonly uuid: string }
  | {
      readonly kind: 'keyslot'
      readonly volume: string
      readonly uuid: string
      readonly mechanism: string
      readonly slot: string
    }
  | {
      readonly kind: 'dm-verity'
      readonly device: string
      readonly rootHash: string
      readonly signers: readonly string[]
    }
  /** Null where the machine has no product UUID. */
  | { readonly kind: 'product-id'; readonly productId: string | null }
  | { readonly kind: 'login'; readonly user: string; readonly record: string }
  | { readonly kind: 'nvpcr-init'; readonly anchor: NvPcrInit }
  | { readonly kind: 'nvpcr-separator' }
  | { readonly kind: 'os-separator' }
  | { readonly kind: 'other'; readonly text: string }

/** How a file system's partition is described; a field is empty where there is nothing to say. */
export interface FileSystemFields {
  readonly type: string
  readonly uuid: string
  readonly label: string
  readonly partitionUuid: string
  readonly partitionType: string
  readonly partitionLabel: string
}

/** How an NvPCR begins: by its first value (systemd 259 to 261), or by the Name of the NV index (262), whose first value is known. */
export interface NvPcrInit {
  readonly name: string
  readonly nvIndex: number
  readonly state: { readonly algorithm: string; readonly value: string } | null
  readonly tpmName: string | null
}

const KERNEL_BOOT_PCR = 11
const HEX = /^[0-9a-f]+$/

/** Reads what a record says it measured. Never fails: what is not understood is `other`. */
export function readMeasurement({ content, pcr }: UserspaceEvent): Measurement {
  const other: Measurement = { kind: 'other', text: content }
  const colon = content.indexOf(':')
  if (colon < 0) return readWord(content, pcr === KERNEL_BOOT_PCR)
  const rest = content.slice(colon + 1)
  switch (content.slice(0, colon)) {
    case 'machine-id':
      return { kind: 'machine-id', machineId: rest }
    case 'file-system':
      return readFileSystem(rest) ?? other
    case 'cryptsetup': {
      const [volume, uuid, ...more] = fieldsOf(rest)
      if (volume === undefined || uuid === undefined || more.length > 0) return other
      return { kind: 'volume-key', volume, uuid }
    }
    case 'cryptsetup-keyslot': {
      const [volume, uuid, mechanism, slot, ...more] = fieldsOf(rest)
      if (volume === undefined || uuid === undefined || mechanism === undefined) return other
      return slot === undefined || more.length > 0
        ? other
        : { kind: 'keyslot', volume, uuid, mechanism, slot }
    }
    case 'verity': {
      const [device, rootHash, signers = ''] = fieldsOf(rest)
      if (device === undefined || rootHash === undefined || !HEX.test(rootHash)) return other
      return { kind: 'dm-verity', device, rootHash, signers: signers === '' ? [] : signers.split(',') }
    }
    case 'product-id':
      return { kind: 'product-id', productId: rest === 'missing' ? null : rest }
    case 'login': {
      const end = rest.indexOf(':')
      return end < 0
        ? other
        : { kind: 'login', user: unescapeField(rest.slice(0, end)), record: rest.slice(end + 1) }
    }
    case 'nvpcr-init': {
      const anchor = readNvPcrInit(rest)
      return anchor === null ? other : { kind: 'nvpcr-init', anchor }
    }
    default:
      return other
  }
}

function readWord(word: string, isKernelBoot: boolean): Measurement {
  if (word === 'nvpcr-separator' || word === 'os-separator') return { kind: word }
  // An operator may measure words of his own (systemd-pcrextend WORD); there they are phases too.
  if (isKernelBoot && word !== '') return { kind: 'phase', phase: word }
  return { kind: 'other', text: word }
}

function readFileSystem(text: string): Measurement | null {
  const fields = fieldsOf(text)
  const [mountPoint, type, uuid, label, partitionUuid, partitionType, partitionLabel] = fields
  if (fields.length !== 7 || mountPoint === undefined || type === undefined || uuid === undefined) return null
  if (label === undefined || partitionUuid === undefined || partitionType === undefined) return null
  if (partitionLabel === undefined) return null
  const described = { type, uuid, label, partitionUuid, partitionType, partitionLabel }
  return { kind: 'filesystem', mountPoint, fields: described }
}

function readNvPcrInit(text: string): NvPcrInit | null {
  const match =
    /^([^:]+):0x([0-9a-f]{1,8}):(?:(sha1|sha256|sha384|sha512):([0-9a-f]+)|([0-9a-f]{8,132}))$/.exec(text)
  if (match === null) return null
  const [, name = '', handle = '', algorithm, value, tpmName] = match
  const state = algorithm === undefined || value === undefined ? null : { algorithm, value }
  return { name, nvIndex: Number.parseInt(handle, 16), state, tpmName: tpmName ?? null }
}

function fieldsOf(text: string): string[] {
  return text.split(':').map(unescapeField)
}

/** systemd's xescape(): colons and what cannot be printed as `\xHH`, in UTF-8. */
function unescapeField(field: string): string {
  if (!field.includes('\\x')) return field
  const bytes = field.replace(/\\x([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
  // Each escape is one byte; what was not escaped is ASCII, or is left as it is.
  return /^[\0-\xff]*$/.test(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes
}
