import type { DevicePath } from './device-path/index.ts'
import type { Field } from './field.ts'
import type { GptFields } from './gpt.ts'
import type { IplFields } from './ipl.ts'
import type { NoActionEvent } from './no-action.ts'
import type { SpdmFields } from './spdm.ts'
import type { VariableFields } from './variable.ts'

/**
 * What the digest of an event is the hash of: all of its data, a part of them, something that is not in the log (an image, a file), or
 * nothing, because the event extends no PCR.
 */
export type MeasuredWhat = 'data' | 'part' | 'elsewhere' | 'nothing'

/** An event whose data are a text or plain bytes. */
export interface NoteFields {
  /** The data as text, null where they are none. */
  readonly text: Field<string | null>
  readonly data: Field<Buffer>
}

/** Where firmware found what it measured; the digest is that of what stood there. */
export interface BlobFields {
  readonly description: Field<string | null>
  readonly base: Field<bigint>
  readonly length: Field<bigint>
}

/** PFP 1.06, section 10.4.1: 0 and 0xFFFFFFFF are separators, 1 says that firmware met an error. */
export type SeparatorMeaning = 'zero' | 'ones' | 'error' | 'other'

export interface HandoffTable {
  readonly guid: string
  /** Its name, null for one that is not known. */
  readonly name: string | null
  readonly address: bigint
}

/** An event, read by its type. The type is not measured: it selects a reading, and `bound` says which parts of it are attested. */
export type DecodedEvent = { readonly measured: MeasuredWhat } & (
  | { readonly kind: 'separator'; readonly meaning: Field<SeparatorMeaning>; readonly data: Field<Buffer> }
  | { readonly kind: 'action'; readonly text: Field<string> }
  /** Configuration: EV_EFI_VARIABLE_DRIVER_CONFIG, and the policy of SPDM. */
  | ({ readonly kind: 'variable' } & VariableFields)
  | ({ readonly kind: 'variable-boot' } & VariableFields)
  /** What an image was verified with. */
  | ({ readonly kind: 'variable-authority' } & VariableFields)
  | {
      readonly kind: 'image-load'
      readonly image: 'application' | 'boot-driver' | 'runtime-driver'
      /** The measured digest in hex: the image's Authenticode digest, if the log tells the truth about what was measured. */
      readonly digest: Field<string>
      readonly address: Field<bigint>
      readonly length: Field<bigint>
      readonly linkTimeAddress: Field<bigint>
      /** Null when firmware did not say where the image came from. */
      readonly devicePath: Field<DevicePath | null>
    }
  | ({ readonly kind: 'gpt' } & GptFields)
  | ({ readonly kind: 'ipl' } & IplFields)
  | {
      readonly kind: 'tagged'
      /** Null in logs of confidential machines, where Linux writes the text alone. */
      readonly id: Field<number | null>
      /** Whose tag it is, null for one that is not known. The name follows from `id`. */
      readonly name: Field<string | null>
      readonly text: Field<string | null>
      readonly data: Field<Buffer>
    }
  | { readonly kind: 'crtm-version'; readonly version: Field<string | null>; readonly data: Field<Buffer> }
  | (
      | { readonly kind: 'post-code'; readonly text: Field<string> }
      | ({ readonly kind: 'firmware-blob' } & BlobFields)
    )
  | {
      readonly kind: 'handoff-tables'
      readonly description: Field<string | null>
      readonly tables: Field<readonly HandoffTable[]>
    }
  | NoteEvent
  | ({
      readonly kind: 'nonhost'
      readonly area: 'code' | 'config' | 'info'
      /** What Google's firmware says that encrypts the memory; null in any other event. */
      readonly memoryEncryption: Field<MemoryEncryption | null>
    } & NoteFields)
  | ({ readonly kind: 'spdm'; readonly area: 'blob' | 'config' } & SpdmFields)
  | NoActionEvent
  /** A type that this reader has no form for. */
  | { readonly kind: 'unknown'; readonly type: number; readonly data: Field<Buffer> }
  | {
      readonly kind: 'undecodable'
      /** The name of the type whose form the data do not have. */
      readonly typeName: string
      readonly reason: string
      /** Where in the data, as far as known. */
      readonly offset: number | null
      readonly data: Field<Buffer>
    }
)

export type NoteKind =
  | 'crtm-contents'
  | 'cpu-microcode'
  | 'platform-config'
  | 'table-of-devices'
  | 'compact-hash'
  | 'omit-boot-device-events'
  | 'preboot-cert'
  | 'ipl-partition-data'
  /** Firmware before TPM2_Startup; the digest is that of what was measured into PCR 0 by the hardware. */
  | 'h-crtm'

/** One member for each kind, so that a kind selects one. */
type NoteEvent = { [K in NoteKind]: { readonly kind: K } & NoteFields }[NoteKind]

export type MemoryEncryption = 'none' | 'amd-sev' | 'amd-sev-es' | 'intel-tdx' | 'amd-sev-snp' | 'unknown'

/** One kind of decoded event. */
export type DecodedKind<K extends DecodedEvent['kind']> = Extract<DecodedEvent, { kind: K }>
