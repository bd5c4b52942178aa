import { coverage, type Measured } from './binding.ts'
import { malformed } from './error.ts'
import type { Field } from './field.ts'
import { GUID_BYTES, guidText } from './guid.ts'
import { SliceReader, wholeOf } from './slice.ts'

export interface GptPartition {
  readonly type: string
  /** Zero in EV_EFI_GPT_EVENT2, which leaves out what identifies one disk. */
  readonly guid: string
  readonly firstLba: bigint
  readonly lastLba: bigint
  readonly attributes: bigint
  readonly name: string
}

/** A UEFI_GPT_DATA structure (PFP 1.06, section 10.4.3): the partition table of the disk that was booted from. */
export interface GptFields {
  readonly diskGuid: Field<string>
  readonly firstUsableLba: Field<bigint>
  readonly lastUsableLba: Field<bigint>
  readonly partitions: Field<readonly GptPartition[]>
}

/** UEFI 2.10, section 5.3.2 and 5.3.3. */
const SIGNATURE = 'EFI PART'
const HEADER_BYTES = 92
const MIN_ENTRY_BYTES = 128
const NAME_BYTES = 72
/** Tables have room for 128 as a rule. */
const MAX_PARTITIONS = 4096

export function decodeGpt(data: Buffer, by: Measured): GptFields {
  const reader = new SliceReader(wholeOf(data), 'UEFI_GPT_DATA', coverage(data, by))
  if (reader.bytes(8, 'Signature').toString('latin1') !== SIGNATURE)
    throw malformed('no partition table header', 0)
  reader.u32le('Revision')
  const headerSize = reader.u32le('HeaderSize')
  if (headerSize !== HEADER_BYTES) throw malformed(`a partition table header of ${headerSize} bytes`, 12)
  // HeaderCRC32, Reserved, MyLBA, AlternateLBA.
  reader.bytes(24, 'header')
  const firstUsableLba = reader.field(() => reader.u64le('FirstUsableLBA'))
  const lastUsableLba = reader.field(() => reader.u64le('LastUsableLBA'))
  const diskGuid = reader.field(() => guidText(reader.bytes(GUID_BYTES, 'DiskGUID')))
  // PartitionEntryLBA, NumberOfPartitionEntries.
  reader.bytes(12, 'header')
  const entrySize = reader.u32le('SizeOfPartitionEntry')
  reader.u32le('PartitionEntryArrayCRC32')
  if (entrySize < MIN_ENTRY_BYTES) throw malformed(`partition entries of ${entrySize} bytes`, 84)
  const partitions = reader.field(() => {
    const count = reader.size64(
      'NumberOfPartitions',
      Math.min(MAX_PARTITIONS, Math.floor(reader.remaining / entrySize)),
    )
    return Array.from({ length: count }, () => readPartition(reader, entrySize))
  })
  reader.end()
  return { diskGuid, firstUsableLba, lastUsableLba, partitions }
}

function readPartition(reader: SliceReader, entrySize: number): GptPartition {
  const type = guidText(reader.bytes(GUID_BYTES, 'PartitionTypeGUID'))
  const guid = guidText(reader.bytes(GUID_BYTES, 'UniquePartitionGUID'))
  const firstLba = reader.u64le('StartingLBA')
  const lastLba = reader.u64le('EndingLBA')
  const attributes = reader.u64le('Attributes')
  const name = reader.bytes(NAME_BYTES, 'PartitionName').toString('utf16le').split('\0', 1)[0] ?? ''
  reader.bytes(entrySize - MIN_ENTRY_BYTES, 'reserved')
  return { type, guid, firstLba, lastLba, attributes, name }
}
