import { hash } from 'node:crypto'
import type {
  Appraisal,
  ReferenceDocument,
  ReferenceValues,
  WrittenReferenceValues,
} from '../../attestation/index.ts'
import { host, judge } from './judged.ts'
import { bootAggregate, type Parts } from './synthetic-host.ts'
import {
  EV_EFI_ACTION,
  EV_EFI_VARIABLE_AUTHORITY,
  EV_EFI_VARIABLE_DRIVER_CONFIG,
  EV_IPL,
  event,
  secureBoot,
  separator,
  u32le,
  variable,
} from './tcg-log.ts'

const EV_EVENT_TAG = 0x6
const EV_S_CRTM_VERSION = 0x8
const EV_EFI_VARIABLE_BOOT = 0x80000002
export const EV_APPLICATION = 0x80000003
const EV_FIRMWARE_BLOB = 0x80000008
const IMAGE_SECURITY = 'cbb219d73a3d9645a3bcdad00e67656f'
const X509 = 'a159c0a5e494a74a87b5ab155c2bf072'
const SHA256 = '2616c4c14c509240aca941f936934328'

export const sha256 = (data: string | Uint8Array): string => hash('sha256', data)
const utf16 = (text: string): Buffer => Buffer.from(text, 'utf16le')

/** One EFI_SIGNATURE_LIST with entries of one size. */
export function signatures(type: string, ...entries: readonly Buffer[]): Buffer {
  const size = 16 + (entries[0]?.length ?? 0)
  const owned = entries.flatMap(entry => [Buffer.alloc(16, 7), entry])
  const head = u32le(28 + size * entries.length, 0, size)
  return Buffer.concat([Buffer.from(type, 'hex'), head, ...owned])
}
export const certificates = (...names: string[]): Buffer => signatures(X509, ...names.map(certificate))
/** DER of a form that nothing but its fingerprint can be read of. */
export const certificate = (name: string): Buffer =>
  Buffer.concat([Buffer.of(0x30, name.length), Buffer.from(name)])
export const forbidden = (...names: string[]): Buffer =>
  signatures(SHA256, ...names.map(name => hash('sha256', name, 'buffer')))

export const database = (name: string, value: Buffer): Buffer =>
  event(
    7,
    EV_EFI_VARIABLE_DRIVER_CONFIG,
    variable(name, value, name.startsWith('db') ? IMAGE_SECURITY : undefined),
  )
export const authority = (name: string): Buffer =>
  event(
    7,
    EV_EFI_VARIABLE_AUTHORITY,
    variable('db', Buffer.concat([Buffer.alloc(16, 7), certificate(name)]), IMAGE_SECURITY),
  )
/** An image that is loaded: the log has where from, the digest is that of the image. */
export const image = (content: string, type = EV_APPLICATION): Buffer =>
  event(4, type, Buffer.alloc(32), { digestOf: Buffer.from(content) })
/** What is measured is not what the log has. */
const elsewhere = (pcr: number, type: number, data: Buffer, content: string | Buffer): Buffer =>
  event(pcr, type, data, { digestOf: Buffer.from(content) })
export const tagged = (id: number, text: string, content: string | Buffer): Buffer =>
  elsewhere(9, EV_EVENT_TAG, Buffer.concat([u32le(id, text.length), Buffer.from(text)]), content)
export const loadOptions = (text: string): Buffer =>
  tagged(0x8f3b22ed, 'LOADED_IMAGE::LoadOptions\0', utf16(`${text}\0`))
export const initrd = (content: string): Buffer => tagged(0x8f3b22ec, 'Linux initrd\0', content)
export const grubLine = (text: string): Buffer =>
  elsewhere(8, EV_IPL, Buffer.from(`kernel_cmdline: ${text}\0`), text)
export const blob = (content: string): Buffer => elsewhere(0, EV_FIRMWARE_BLOB, Buffer.alloc(16), content)
export const bootVariable = (name: string, value: string): Buffer =>
  event(1, EV_EFI_VARIABLE_BOOT, variable(name, utf16(value)))
export const action = (pcr: number, text: string): Buffer => event(pcr, EV_EFI_ACTION, Buffer.from(text))
export const CALLING = 'Calling EFI Application from Boot Option'
/** One section of a UKI: its name, then what is in it. */
export const section = (name: string, content: string): Buffer[] => [
  elsewhere(11, EV_IPL, utf16(`${name}\0`), `${name}\0`),
  elsewhere(11, EV_IPL, utf16(`${name}\0`), content),
]

/** Events by name, so that a test can say which one it changes. */
export type Boot = Readonly<Record<string, Buffer | readonly Buffer[]>>

const FIRMWARE: Boot = {
  crtm: event(0, EV_S_CRTM_VERSION, utf16('1.2\0')),
  blob1: blob('one'),
  blob2: blob('two'),
  secureBoot: secureBoot(1),
  PK: database('PK', certificates('owner')),
  KEK: database('KEK', certificates('owner')),
  db: database('db', certificates('vendor')),
  dbx: database('dbx', forbidden('revoked')),
  separator7: separator(7),
  bootOrder: bootVariable('BootOrder', 'a'),
  calling: action(4, CALLING),
  separators: [0, 1, 2, 3, 4, 5, 6].map(pcr => separator(pcr)),
  authority: authority('vendor'),
}
const EXIT: Boot = { exit: action(5, 'Exit Boot Services Returned with Success') }

/** shim, GRUB and a kernel. */
export const CLASSIC: Boot = {
  ...FIRMWARE,
  shim: image('shim'),
  grub: image('grub'),
  line: grubLine('root=/dev/sda quiet'),
  kernel: image('kernel'),
  initrd: initrd('initrd'),
  ...EXIT,
}

/** A unified kernel image. */
export const UKI: Boot = {
  ...FIRMWARE,
  uki: image('uki'),
  linux: section('.linux', 'kernel'),
  cmdline: section('.cmdline', 'root=/dev/sda'),
  options: loadOptions('root=/dev/sda'),
  initrd: initrd('initrd'),
  ...EXIT,
}

/** A host that booted so. */
export function bootedWith(boot: Boot, userspace: Parts['userspace'] = []): Parts {
  const events = Object.values(boot).flat() as Buffer[]
  return { events, userspace, ima: [bootAggregate(events), { path: '/bin/sh' }] }
}

/** Reference values that were captured of a boot. */
export function valuesOf(
  boot: Boot,
  change: (document: ReferenceDocument) => void = () => {},
  userspace: Parts['userspace'] = [],
): WrittenReferenceValues {
  return host.reference(change, bootedWith(boot, userspace))
}

export function judgeBoot(
  boot: Boot,
  reference: ReferenceValues,
  userspace: Parts['userspace'] = [],
): Appraisal {
  return judge(bootedWith(boot, userspace), { reference })
}

/** The same boot without some of its events. */
export function without(boot: Boot, ...names: string[]): Boot {
  return Object.fromEntries(Object.entries(boot).filter(([name]) => !names.includes(name)))
}

/** The same with others right after one of them. */
export function insertedAfter(boot: Boot, name: string, more: Boot): Boot {
  return Object.fromEntries(
    Object.entries(boot).flatMap(entry => (entry[0] === name ? [entry, ...Object.entries(more)] : [entry])),
  )
}
