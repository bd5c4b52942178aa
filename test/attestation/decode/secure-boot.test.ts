import { hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { decodeEvents, GUID } from '../../../attestation/eventlog/decode/index.ts'
import { parseEventLog, type TcgEvent } from '../../../attestation/eventlog/index.ts'
import { readSecureBoot, type SecureBootFacts } from '../../../attestation/eventlog/secure-boot/index.ts'
import { fixture } from '../recorded-host.ts'
import {
  EV_EFI_ACTION,
  EV_EFI_VARIABLE_AUTHORITY,
  EV_EFI_VARIABLE_DRIVER_CONFIG,
  EV_IPL,
  EV_SEPARATOR,
  u32le,
} from '../tcg-log.ts'
import { guid, loggedEvent, signatureList, u64le, variableData } from './event-data.ts'

const SHA256 = 'c1c41626-504c-4092-aca9-41f936934328'
const OWNER = guid('77fa9abd-0359-4d32-bd60-28f4e78f784b')
const owned = (byte: number): Buffer => Buffer.concat([OWNER, Buffer.alloc(32, byte)])
const keys = (...bytes: number[]): Buffer => signatureList(SHA256, bytes.map(owned))

const config = (name: string, value: Uint8Array, namespace: string = GUID.globalVariable): TcgEvent =>
  loggedEvent(EV_EFI_VARIABLE_DRIVER_CONFIG, variableData(namespace, name, value), { pcr: 7 })
const secureBoot = (on: number): TcgEvent => config('SecureBoot', Buffer.of(on))
const db = (value: Uint8Array): TcgEvent => config('db', value, GUID.imageSecurityDatabase)
const dbx = (value: Uint8Array): TcgEvent => config('dbx', value, GUID.imageSecurityDatabase)
const separator = loggedEvent(EV_SEPARATOR, u32le(0), { pcr: 7 })
const authority = (
  value: Uint8Array,
  name = 'db',
  namespace: string = GUID.imageSecurityDatabase,
): TcgEvent => loggedEvent(EV_EFI_VARIABLE_AUTHORITY, variableData(namespace, name, value), { pcr: 7 })
const image = (which: string): TcgEvent =>
  loggedEvent(0x80000003, u64le(0, 0, 0, 0), { pcr: 4, digestOf: Buffer.from(which) })
const action = (text: string): TcgEvent => loggedEvent(EV_EFI_ACTION, Buffer.from(text), { pcr: 7 })
const shimList = loggedEvent(EV_IPL, Buffer.from('MokList\0'), { pcr: 14, digestOf: Buffer.of(1) })

/** The facts of a log of these events, numbered in order. */
function factsOf(...events: TcgEvent[]): SecureBootFacts {
  return readSecureBoot(
    decodeEvents(
      events.map((event, index) => ({ ...event, index })),
      'sha256',
    ),
  )
}

const enrolled = [
  secureBoot(1),
  config('PK', keys(1)),
  config('KEK', keys(2)),
  db(keys(3, 4)),
  dbx(keys(9)),
  separator,
]
const codes = (facts: SecureBootFacts): string[] => facts.problems.map(({ code }) => code)
/** Which event authorised each image. */
const pairs = (facts: SecureBootFacts): [number, number | null][] =>
  facts.images.map(({ event, authority: by }) => [event, by?.event ?? null])

describe('the state of Secure Boot', () => {
  it.each<[string, TcgEvent[], boolean | null]>([
    ['is on when measured as 1', [secureBoot(1), separator], true],
    ['is off when measured as 0', [secureBoot(0), separator], false],
    ['is unknown when not measured', [separator], null],
    ['is unknown when the variable is not set', [config('SecureBoot', Buffer.alloc(0)), separator], null],
    ['is unknown for two bytes', [config('SecureBoot', Buffer.of(1, 0)), separator], null],
    ['is unknown for a 2', [secureBoot(2), separator], null],
    [
      'does not follow another namespace',
      [config('SecureBoot', Buffer.of(1), GUID.shimLock), separator],
      null,
    ],
    ['does not follow what comes after the separator', [separator, secureBoot(1)], null],
    ['does not follow another register', [{ ...secureBoot(1), pcr: 11 }, separator], null],
    [
      'does not follow what is no configuration',
      [authority(Buffer.of(1), 'SecureBoot', GUID.globalVariable)],
      null,
    ],
    ['keeps the first of two', [secureBoot(0), secureBoot(1), separator], false],
    [
      'does not follow what no digest binds',
      [{ ...secureBoot(1), data: secureBoot(0).data }, separator],
      null,
    ],
  ])('%s', (_, events, enabled) => {
    expect(factsOf(...events).enabled).toBe(enabled)
  })

  it('is believed to be off, never on, where nothing binds the name', () => {
    const nameless = (on: number): TcgEvent =>
      loggedEvent(EV_EFI_VARIABLE_DRIVER_CONFIG, secureBoot(on).data, { pcr: 7, digestOf: Buffer.of(on) })
    expect(factsOf(nameless(0), separator).enabled).toBe(false)
    expect(factsOf(nameless(1), separator).enabled).toBeNull()
  })
})

describe('a separator under the name of something else', () => {
  // Types are not measured: the host extends the register by himself, and hides where the firmware had ended.
  const hidden = [EV_EFI_ACTION, EV_IPL, EV_EFI_VARIABLE_AUTHORITY].flatMap(type => [
    { ...separator, type },
    { ...separator, type, data: Buffer.from('UEFI') },
  ])

  it.each(hidden)('ends what is believed of Secure Boot (%#)', event => {
    const facts = factsOf(event, secureBoot(1), db(keys(3)))
    expect(facts.enabled).toBeNull()
    expect(facts.db).toBeNull()
    expect(codes(facts)).toContain('SECURE_BOOT_UNREADABLE')
  })
})

describe('the keys of Secure Boot', () => {
  it('are what was measured before the separator', () => {
    const facts = factsOf(...enrolled, authority(owned(3)), image('a'))
    expect(facts.problems).toEqual([])
    expect(facts.pk?.imageDigests).toEqual([{ algorithm: 'sha256', digest: '01'.repeat(32) }])
    expect(facts.db?.imageDigests.map(({ digest }) => digest.slice(0, 2))).toEqual(['03', '04'])
    expect(facts.dbx?.event).toBe(4)
    expect(facts.dbt).toBeNull()
  })

  it.each<[string, string, TcgEvent[]]>([
    [
      'a second db',
      'SECURE_BOOT_VARIABLE',
      [...enrolled.slice(0, 5), db(keys(5)), separator, authority(owned(3))],
    ],
    ['a db after the separator', 'SECURE_BOOT_VARIABLE', [...enrolled, db(keys(5)), authority(owned(3))]],
    [
      'a db that no digest binds',
      'SECURE_BOOT_UNREADABLE',
      [...enrolled.slice(0, 3), { ...db(keys(3)), data: db(keys(5)).data }, separator],
    ],
    [
      'an event that belongs elsewhere',
      'SECURE_BOOT_UNREADABLE',
      [...enrolled, loggedEvent(EV_IPL, Buffer.of(1), { pcr: 7 })],
    ],
    ['no PK', 'SECURE_BOOT_KEYS_MISSING', [...enrolled.filter((_, i) => i !== 1), authority(owned(3))]],
    [
      'an empty KEK',
      'SECURE_BOOT_KEYS_MISSING',
      [...enrolled.with(2, config('KEK', Buffer.alloc(0))), authority(owned(3))],
    ],
    ['nothing that was verified', 'SECURE_BOOT_AUTHORITY_MISSING', enrolled],
    [
      'an authority that db does not have',
      'SECURE_BOOT_AUTHORITY_UNKNOWN',
      [...enrolled, authority(owned(5))],
    ],
    [
      'an authority that dbx has',
      'SECURE_BOOT_FORBIDDEN',
      [...enrolled.with(3, db(keys(3, 9))), authority(owned(9))],
    ],
    ['a debugger', 'SECURE_BOOT_DEBUGGER', [...enrolled, authority(owned(3)), action('UEFI Debug Mode')]],
  ])('with %s are reported', (_, code, events) => {
    expect(codes(factsOf(...events))).toContain(code)
  })

  it('an image whose digest dbx has is reported', () => {
    const forbidden = image('forbidden')
    const digest = forbidden.digests.get('sha256') ?? Buffer.alloc(0)
    const list = signatureList(SHA256, [Buffer.concat([OWNER, digest])])
    const facts = factsOf(...enrolled.with(4, dbx(list)), authority(owned(3)), image('fine'), forbidden)
    expect(facts.problems).toMatchObject([{ code: 'SECURE_BOOT_FORBIDDEN', at: 'event 8' }])
  })

  it('a certificate whose to-be-signed part dbx has is reported', () => {
    const log = parseEventLog(fixture('debian13-uki-secureboot', 'eventlog.bin'))
    const authority = readSecureBoot(decodeEvents(log.events, 'sha256')).authorities[0]
    if (authority?.entry.kind !== 'certificate') throw new Error('no certificate')
    const { der } = authority.entry.certificate
    // Behind a header of four bytes, with a header of four bytes itself.
    const signed = hash('sha256', der.subarray(4, 8 + der.readUInt16BE(6)), 'buffer')
    const x509Sha256 = '3bd2a492-96c0-4079-b420-fcf98ef103ed'
    const revoking = (digest: Buffer): Buffer =>
      signatureList(x509Sha256, [Buffer.concat([OWNER, digest, Buffer.alloc(16)])])
    const events = (list: Buffer): TcgEvent[] =>
      log.events.map(event => (event.index === 8 ? { ...dbx(list), index: 8 } : event))
    const of = (list: Buffer): string[] => codes(readSecureBoot(decodeEvents(events(list), 'sha256')))
    expect(of(revoking(signed))).toEqual(['SECURE_BOOT_FORBIDDEN'])
    expect(of(revoking(hash('sha256', der, 'buffer')))).toEqual([])
  })

  it('are not asked for where Secure Boot is off', () => {
    expect(factsOf(secureBoot(0), separator).problems).toEqual([])
  })

  it('say whether devices may reach the memory', () => {
    expect(factsOf(action('DMA Protection Disabled'), separator).dmaProtectionDisabled).toBe(true)
    const unbound = { ...action('DMA Protection Enabled!'), data: Buffer.from('DMA Protection Disabled') }
    expect(factsOf(unbound, separator).dmaProtectionDisabled).toBe(false)
  })
})

describe('the authority of an image', () => {
  const shims = (byte: number): TcgEvent => authority(Buffer.alloc(32, byte), 'Shim', GUID.shimLock)

  it('is logged by firmware before the image', () => {
    const facts = factsOf(...enrolled, authority(owned(3)), image('a'), authority(owned(4)), image('b'))
    expect(pairs(facts)).toEqual([
      [7, 6],
      [9, 8],
    ])
  })

  it('is logged once: an image without one may rely on one that was logged before', () => {
    const facts = factsOf(...enrolled, authority(owned(3)), image('a'), image('b'))
    expect(pairs(facts)).toEqual([
      [7, 6],
      [8, null],
    ])
  })

  it('is logged by shim right behind the image, or before it', () => {
    const behind = factsOf(
      ...enrolled,
      authority(owned(3)),
      image('shim'),
      shimList,
      image('grub'),
      shims(7),
      image('linux'),
    )
    expect(pairs(behind)).toEqual([
      [7, 6],
      [9, 10],
      [11, null],
    ])
    const before = factsOf(...enrolled, authority(owned(3)), image('shim'), shimList, shims(7), image('grub'))
    expect(pairs(before)).toEqual([
      [7, 6],
      [10, 9],
    ])
  })

  it('counts only when a digest binds it', () => {
    const forged = { ...authority(owned(3)), data: authority(owned(4)).data }
    const facts = factsOf(...enrolled, forged, image('a'))
    expect(facts.authorities).toEqual([])
    expect(pairs(facts)).toEqual([[7, null]])
    expect(codes(facts)).toEqual(['SECURE_BOOT_UNREADABLE', 'SECURE_BOOT_AUTHORITY_MISSING'])
  })

  it('is told apart by the separator', () => {
    const driver = factsOf(...enrolled.slice(0, 5), authority(owned(3)), separator, authority(owned(4)))
    expect(driver.authorities.map(({ phase }) => phase)).toEqual(['before-separator', 'after-separator'])
  })

  it('does not take the policy of shim for one', () => {
    const level = authority(Buffer.from('sbat,1,2023012900\nshim,2\n'), 'SbatLevel', GUID.shimLock)
    const trusted = authority(Buffer.of(1), 'MokListTrusted', GUID.shimLock)
    const facts = factsOf(...enrolled, authority(owned(3)), image('shim'), level, trusted)
    expect(facts.authorities).toHaveLength(1)
    expect(facts.sbatLevel).toMatchObject([{ component: 'sbat' }, { component: 'shim', generation: 2 }])
    expect(facts.mokListTrusted).toBe(true)
  })
})
