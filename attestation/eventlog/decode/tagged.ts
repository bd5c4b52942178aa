import { coverage, type Measured } from './binding.ts'
import { type Field, field } from './field.ts'
import { SliceReader, wholeOf } from './slice.ts'
import { asciiText, utf16TextIfAny } from './text.ts'

export interface TaggedFields {
  readonly id: Field<number | null>
  readonly name: Field<string | null>
  readonly text: Field<string | null>
  readonly data: Field<Buffer>
}

/** drivers/firmware/efi/libstub/efistub.h of Linux; src/fundamental/tpm2-pcr.h of systemd. */
const TAGS: ReadonlyMap<number, string> = new Map([
  [0x8f3b22ec, 'linux-initrd'],
  [0x8f3b22ed, 'linux-load-options'],
  [0xf5bc582a, 'systemd-boot-configuration'],
  [0x6c46f751, 'systemd-devicetree-addon'],
  [0x49dffe0f, 'systemd-initrd-addon'],
  [0xdac08e1a, 'systemd-microcode-addon'],
  [0x13aed6db, 'systemd-uki-profile'],
  [0xd5cb7cbc, 'systemd-smbios-1'],
  [0xe0d47bc8, 'systemd-smbios-2'],
  [0xc0b3bd23, 'systemd-smbios-11'],
])
/** What Linux before 6.17 writes into the log of a confidential machine: the text, without id and size. */
const UNTAGGED: ReadonlyMap<string, string> = new Map([
  ['LOADED_IMAGE::LoadOptions', 'linux-load-options'],
  ['Linux initrd', 'linux-initrd'],
])
const HEADER_BYTES = 8

/**
 * A TCG_PCClientTaggedEvent (PFP 1.06, section 10.4.2.3). Linux and systemd measure something that is not in the log (an initrd, the load
 * options, an add-on) and write what it is; others measure the tagged data.
 */
export function decodeTagged(data: Buffer, by: Measured): TaggedFields {
  const untagged = UNTAGGED.get(asciiText(data) ?? '')
  if (untagged !== undefined) {
    const covered = coverage(data, by)
    const whole = <T>(value: T): Field<T> => field(value, covered, 0, data.length)
    return { id: whole(null), name: whole(untagged), text: whole(asciiText(data)), data: whole(data) }
  }
  const covered = coverage(data, by, [{ from: HEADER_BYTES, to: data.length }])
  const reader = new SliceReader(wholeOf(data), 'TCG_PCClientTaggedEvent', covered)
  const id = reader.field(() => reader.u32le('taggedEventID'))
  const size = reader.u32le('taggedEventDataSize')
  const tagged = reader.field(() => reader.bytes(size, 'taggedEventData'))
  reader.end()
  return {
    id,
    name: { value: TAGS.get(id.value) ?? null, bound: id.bound },
    text: { value: asciiText(tagged.value) ?? utf16TextIfAny(tagged.value), bound: tagged.bound },
    data: tagged,
  }
}
