import { describe, expect, it } from 'vitest'
import { decodeEvents, GUID } from '../../../attestation/eventlog/decode/index.ts'
import { readSecureBoot } from '../../../attestation/eventlog/secure-boot/index.ts'
import { EV_EFI_VARIABLE_DRIVER_CONFIG } from '../tcg-log.ts'
import { decodedAs, guid, loggedEvent, signatureList, variableData } from './event-data.ts'

const SHA256 = 'c1c41626-504c-4092-aca9-41f936934328'
const X509 = 'a5c059a1-94e4-4aa7-87b5-ab155c2bf072'
const OWNER = '77fa9abd-0359-4d32-bd60-28f4e78f784b'
const entry = (data: Uint8Array): Buffer => Buffer.concat([guid(OWNER), data])
const digest = (byte: number, size = 32): Buffer => entry(Buffer.alloc(size, byte))

const db = (...lists: Uint8Array[]): Buffer =>
  variableData(GUID.imageSecurityDatabase, 'db', Buffer.concat(lists))

const entriesOf = (...lists: Uint8Array[]): unknown => {
  const { contents } = decodedAs('variable', EV_EFI_VARIABLE_DRIVER_CONFIG, db(...lists))
  return contents.value.form === 'signatures' ? contents.value.lists.flatMap(list => list.entries) : contents
}

const reasonOf = (...lists: Uint8Array[]): string =>
  decodedAs('undecodable', EV_EFI_VARIABLE_DRIVER_CONFIG, db(...lists)).reason

describe('a signature database', () => {
  it('is read entry by entry', () => {
    expect(
      entriesOf(signatureList(SHA256, [digest(1), digest(2)]), signatureList(SHA256, [digest(3)])),
    ).toEqual(
      [1, 2, 3].map(byte => ({
        kind: 'image-digest',
        owner: OWNER,
        algorithm: 'sha256',
        digest: Buffer.alloc(32, byte).toString('hex'),
      })),
    )
  })

  it.each([
    ['826ca512-cf10-4ac9-b187-be01496631bd', 20, 'sha1'],
    ['0b6e5233-a65c-44c9-9407-d9ab83bfc8bd', 28, 'sha224'],
    ['ff3e5307-9fd0-48c9-85f1-8ad56c701e01', 48, 'sha384'],
    ['093e0fae-a6c4-4f50-9f1b-d41e2b89c19a', 64, 'sha512'],
  ])('takes digests of type %s with their size only', (type, size, algorithm) => {
    expect(entriesOf(signatureList(type, [digest(7, size)]))).toMatchObject([
      { kind: 'image-digest', algorithm },
    ])
    expect(reasonOf(signatureList(type, [digest(7, size + 1)]))).toMatch(/signatures of \d+ bytes/)
  })

  it('tells the digest of a certificate from that of an image, with the time of its revocation', () => {
    const type = '3bd2a492-96c0-4079-b420-fcf98ef103ed'
    const data = Buffer.concat([Buffer.alloc(32, 9), Buffer.alloc(16, 1)])
    expect(entriesOf(signatureList(type, [entry(data)]))).toEqual([
      {
        kind: 'certificate-digest',
        owner: OWNER,
        algorithm: 'sha256',
        digest: '09'.repeat(32),
        revoked: Buffer.alloc(16, 1),
      },
    ])
  })

  it('describes what is no certificate by its fingerprint, and trusts nothing else of it', () => {
    const [certificate] = entriesOf(signatureList(X509, [entry(Buffer.of(0x30, 0x03, 1, 2, 3))])) as unknown[]
    expect(certificate).toMatchObject({ kind: 'certificate', certificate: { subject: null, serial: null } })
  })

  it('keeps entries of types that it does not know as bytes', () => {
    const type = '00000000-1111-2222-3333-444444444444'
    expect(entriesOf(signatureList(type, [entry(Buffer.of(1, 2, 3))]))).toEqual([
      { kind: 'other', owner: OWNER, data: Buffer.of(1, 2, 3) },
    ])
  })
})

describe('hash injection through SignatureHeaderSize', () => {
  // What a header swallows, another parser reads as an entry, and the other way round: both add up to the same list.
  const injected = Buffer.concat([guid(SHA256), Buffer.alloc(12), digest(0xbb)])

  it.each([
    [SHA256, 'a list of digests'],
    [X509, 'a list of certificates'],
    ['00000000-1111-2222-3333-444444444444', 'a list of a type that nobody knows'],
  ])('is refused in %s, %s', type => {
    const list = signatureList(type, [digest(1)], { header: injected })
    expect(reasonOf(list)).toMatch(/a header of \d+ bytes/)
    expect(reasonOf(signatureList(SHA256, [digest(1)]), list)).toMatch(/a header of \d+ bytes/)
  })

  it('is refused where the size is more than the list', () => {
    expect(reasonOf(signatureList(SHA256, [digest(1)], { headerSize: 0xffffffff }))).toMatch(/a header of/)
  })

  it('puts nothing into the keys that Secure Boot is judged by', () => {
    const data = db(signatureList(SHA256, [digest(1)], { header: injected }))
    const facts = readSecureBoot(
      decodeEvents([loggedEvent(EV_EFI_VARIABLE_DRIVER_CONFIG, data, { pcr: 7 })], 'sha256'),
    )
    expect(facts.db).toBeNull()
    expect(facts.problems).toMatchObject([{ code: 'SECURE_BOOT_UNREADABLE', at: 'event 1' }])
  })
})

describe('sizes of a signature database that do not come out even', () => {
  it.each([
    ['a signature that is cut off', signatureList(SHA256, [digest(1)], { listSize: 28 + 47 })],
    ['a size that does not divide the list', signatureList(SHA256, [digest(1), digest(2)], { size: 47 })],
    ['a size that has no room for an owner', signatureList(X509, [Buffer.alloc(16)], { size: 16 })],
    ['a size of zero', signatureList(X509, [digest(1)], { size: 0 })],
    ['a list without entries', signatureList(SHA256, [], { size: 48 })],
    ['a list that is smaller than its header', signatureList(SHA256, [digest(1)], { listSize: 27 })],
    ['a list that is larger than the variable', signatureList(SHA256, [digest(1)], { listSize: 28 + 96 })],
    ['a list of 4 GB', signatureList(SHA256, [digest(1)], { listSize: 0xffffffe0, size: 48 })],
    ['bytes behind the last list', Buffer.concat([signatureList(SHA256, [digest(1)]), Buffer.alloc(5)])],
  ])('%s is not decoded', (_, list) => {
    expect(reasonOf(list)).toBeTruthy()
  })

  it('a size that does not divide a list of a type that nobody knows is not decoded', () => {
    const odd = signatureList('00000000-1111-2222-3333-444444444444', [Buffer.alloc(20), Buffer.alloc(20)], {
      size: 19,
    })
    expect(reasonOf(odd)).toMatch(/a signature list of 40 bytes with signatures of 19/)
  })

  it('more entries than any database has are not decoded', () => {
    const tiny = '00000000-1111-2222-3333-444444444444'
    const signatures = (count: number): Buffer[] => Array.from({ length: count }, () => entry(Buffer.of(0)))
    expect(entriesOf(signatureList(tiny, signatures(4096)))).toHaveLength(4096)
    expect(reasonOf(signatureList(tiny, signatures(4097)))).toMatch(/more signatures/)
    expect(reasonOf(signatureList(tiny, signatures(4096)), signatureList(tiny, signatures(1)))).toMatch(
      /more/,
    )
    expect(reasonOf(signatureList(X509, signatures(257)))).toMatch(/more signatures/)
  })

  it('says at which byte of the event', () => {
    const decoded = decodedAs(
      'undecodable',
      EV_EFI_VARIABLE_DRIVER_CONFIG,
      db(signatureList(SHA256, [digest(1)]), signatureList(SHA256, [digest(1)], { headerSize: 1 })),
    )
    // Behind the header of the variable, its name `db`, and the first list.
    expect(decoded).toMatchObject({ offset: 32 + 4 + 76, typeName: 'EV_EFI_VARIABLE_DRIVER_CONFIG' })
  })
})
