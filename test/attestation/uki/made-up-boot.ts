import { peImage, ukiImage } from '../../support/pe-image.ts'
import { bootAggregate, type Parts, parts } from '../synthetic-host.ts'
import { EV_EFI_ACTION, EV_IPL, event, secureBoot, separator, u32le } from '../tcg-log.ts'

const EV_EFI_BOOT_SERVICES_APPLICATION = 0x80000003
const EV_EVENT_TAG = 6
const COMMAND_LINE = 'root=/dev/vda2 quiet'
/** LINUX_EFI_INITRD_MEDIA and LOADED_IMAGE tags (kernel: include/linux/efi.h). */
const TAGS = { 'Linux initrd': 0x8f3b22ec, 'LOADED_IMAGE::LoadOptions': 0x8f3b22ed } as const

const kernel = peImage([{ name: '.text', data: Buffer.alloc(600, 5) }])
/** A made-up image with a kernel that is an EFI image itself. */
export const uki = (initrd: string, cmdline = COMMAND_LINE): Buffer =>
  ukiImage(
    [
      ['.linux', kernel],
      ['.osrel', 'PRETTY_NAME="Test OS 1"\n'],
      ['.cmdline', cmdline],
      ['.initrd', initrd],
    ],
    { stub: '256' },
  )

/** What firmware, stub and kernel log of an image: the same bytes, hashed here and not by the prediction. */
export function boot(
  image: Buffer,
  { initrd, cmdline = COMMAND_LINE }: { initrd: string; cmdline?: string },
): Parts {
  const range = (bytes: Buffer): Buffer => {
    // Everything but checksum and certificate entry, which are at fixed places in these images.
    const optional = 0x80 + 24
    return Buffer.concat([
      bytes.subarray(0, optional + 64),
      bytes.subarray(optional + 68, optional + 144),
      bytes.subarray(optional + 152),
    ])
  }
  const started = (bytes: Buffer): Buffer =>
    event(4, EV_EFI_BOOT_SERVICES_APPLICATION, Buffer.alloc(32), { digestOf: range(bytes) })
  const part = (name: string, data: Buffer | string): Buffer[] => [
    event(11, EV_IPL, Buffer.from(`${name}\0`, 'utf16le'), { digestOf: Buffer.from(`${name}\0`) }),
    event(11, EV_IPL, Buffer.from(`${name}\0`, 'utf16le'), { digestOf: Buffer.from(data) }),
  ]
  const tagged = (name: keyof typeof TAGS, data: Buffer): Buffer =>
    event(9, EV_EVENT_TAG, Buffer.concat([u32le(TAGS[name], name.length + 1), Buffer.from(`${name}\0`)]), {
      digestOf: data,
    })
  const events = [
    ...[0, 1, 2, 3, 4, 5, 6].map(pcr => separator(pcr)),
    secureBoot(1),
    separator(7),
    started(image),
    ...part('.linux', kernel),
    ...part('.osrel', 'PRETTY_NAME="Test OS 1"\n'),
    ...part('.cmdline', cmdline),
    ...part('.initrd', initrd),
    started(kernel),
    tagged('LOADED_IMAGE::LoadOptions', Buffer.from(`${cmdline}\0`, 'utf16le')),
    tagged('Linux initrd', Buffer.from(initrd)),
    event(5, EV_EFI_ACTION, Buffer.from('Exit Boot Services Returned with Success')),
  ]
  return { ...parts(), events, ima: [bootAggregate(events)] }
}
