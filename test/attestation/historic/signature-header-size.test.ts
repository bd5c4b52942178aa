import { describe, expect, it } from 'vitest'
import { decodedEventJson, decodeEvent, parseEventLog } from '../../../attestation/index.ts'
import { EV_EFI_VARIABLE_DRIVER_CONFIG, event, specId, u32le, variable } from '../tcg-log.ts'

/**
 * Hash injection through SignatureHeaderSize: GHSA-9r4w-jg96-92mv (google/go-attestation pull request 502), google/go-eventlog pull request 34. Between the
 * header of an EFI_SIGNATURE_LIST and its entries there are SignatureHeaderSize bytes of the vendor's (UEFI 2.10, section 32.4.1). A reader that
 * does not skip them takes them for entries: digests of the attacker's choice in db.
 */
describe('hash injection through SignatureHeaderSize (GHSA-9r4w-jg96-92mv)', () => {
  const SHA256_GUID = Buffer.from('2616c4c14c509240aca941f936934328', 'hex')
  const IMAGE_SECURITY = 'cbb219d73a3d9645a3bcdad00e67656f'
  const OWNER = Buffer.alloc(16, 0x11)
  const injected = Buffer.alloc(32, 0x41)
  const enrolled = Buffer.alloc(32, 0x22)
  const list = (header: Buffer, entries: Buffer, headerSize = header.length) =>
    Buffer.concat([SHA256_GUID, u32le(28 + header.length + entries.length, headerSize, 48), header, entries])

  /** The digests that db is said to hold. */
  function digests(db: Buffer): string[] {
    const log = Buffer.concat([
      specId(),
      event(7, EV_EFI_VARIABLE_DRIVER_CONFIG, variable('db', db, IMAGE_SECURITY)),
    ])
    const [logged] = parseEventLog(log).events
    if (logged === undefined) throw new Error('no event')
    const found: string[] = []
    JSON.stringify(decodedEventJson(decodeEvent(logged, 'sha256')), (name, value) => {
      if (name === 'digest' && typeof value === 'string') found.push(value)
      return value
    })
    return found
  }

  it('reads the entries of a list without a header', () => {
    expect(digests(list(Buffer.alloc(0), Buffer.concat([OWNER, enrolled])))).toEqual([
      enrolled.toString('hex'),
    ])
  })

  // No type that UEFI defines has a header (section 32.4.1), so that a list with one is refused as a whole.
  it.each([
    ['alone', Buffer.alloc(0)],
    ['before an entry', Buffer.concat([OWNER, enrolled])],
  ])('takes nothing of the vendor’s bytes for an entry, %s', (_, entries) => {
    expect(digests(list(Buffer.concat([OWNER, injected]), entries))).not.toContain(injected.toString('hex'))
    expect(digests(list(Buffer.alloc(24, 0x41), entries))).not.toContain(injected.toString('hex'))
  })

  it.each([1, 47, 49, 0x7fffffff, 0xffffffff, 0xffffffe4])(
    'takes nothing of a list whose header is said to have %i bytes',
    size => {
      expect(digests(list(Buffer.alloc(0), Buffer.concat([OWNER, injected]), size))).toEqual([])
    },
  )
})
