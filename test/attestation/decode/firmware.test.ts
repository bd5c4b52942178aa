import { hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { decodedEventJson, decodeEvent } from '../../../attestation/eventlog/decode/index.ts'
import { EV_NO_ACTION, EV_SEPARATOR, u16le, u32le } from '../tcg-log.ts'
import { decodedAs, END_OF_PATH, guid, loggedEvent, node, u64le, utf16 } from './event-data.ts'

const EV_POST_CODE = 1
const EV_S_CRTM_VERSION = 8
const EV_NONHOST_INFO = 0x11
const EV_POST_CODE2 = 0x13
const EV_EFI_BOOT_SERVICES_APPLICATION = 0x80000003
const EV_EFI_GPT_EVENT = 0x80000006
const EV_EFI_PLATFORM_FIRMWARE_BLOB = 0x80000008
const EV_EFI_HANDOFF_TABLES = 0x80000009
const EV_EFI_PLATFORM_FIRMWARE_BLOB2 = 0x8000000a
const EV_EFI_HANDOFF_TABLES2 = 0x8000000b
const EV_EFI_HCRTM_EVENT = 0x80000010
const EV_EFI_SPDM_FIRMWARE_BLOB = 0x800000e1
const SMBIOS3 = 'f2fd1544-9794-4a2c-992e-e5bbcf20e394'
const elsewhere = { digestOf: Buffer.from('something else') }
const described = (text: string): Buffer => Buffer.concat([Buffer.of(text.length), Buffer.from(text)])

describe('a separator', () => {
  it.each([
    [u32le(0), 'zero'],
    [u32le(0xffffffff), 'ones'],
    [u32le(1), 'error'],
    [Buffer.of(0), 'other'],
  ])('says what it means', (data, meaning) => {
    expect(decodedAs('separator', EV_SEPARATOR, data).meaning).toEqual({ value: meaning, bound: true })
  })

  it('of a firmware error has the digest of 1, and data that nothing binds', () => {
    const data = Buffer.from('no memory')
    expect(decodedAs('separator', EV_SEPARATOR, data, { digestOf: u32le(1) })).toMatchObject({
      meaning: { value: 'error', bound: true },
      data: { value: data, bound: false },
    })
  })

  it('with another digest is not bound', () => {
    expect(decodedAs('separator', EV_SEPARATOR, u32le(0), elsewhere).meaning).toEqual({
      value: 'zero',
      bound: false,
    })
  })
})

describe('what firmware says of itself', () => {
  it.each([
    [utf16('N1FET43W\0'), 'N1FET43W'],
    [Buffer.of(0, 0), ''],
    [Buffer.from('1efb6b540c1d5540a4ad4ef4bf17b83a', 'hex'), '546bfb1e-1d0c-4055-a4ad-4ef4bf17b83a'],
    [Buffer.of(1, 2, 3), null],
  ])('a version is text or a GUID', (data, version) => {
    expect(decodedAs('crtm-version', EV_S_CRTM_VERSION, data).version).toEqual({
      value: version,
      bound: true,
    })
  })

  it('code is somewhere in memory, and the digest is that of the code', () => {
    const data = u64le(0xff130000, 0xa80000)
    for (const type of [EV_POST_CODE, EV_EFI_PLATFORM_FIRMWARE_BLOB]) {
      expect(decodedAs('firmware-blob', type, data, elsewhere)).toMatchObject({
        measured: 'elsewhere',
        description: { value: null },
        base: { value: 0xff130000n, bound: false },
        length: { value: 0xa80000n, bound: false },
      })
    }
    const second = Buffer.concat([described('Fv(A)\0'), data])
    for (const type of [EV_POST_CODE2, EV_EFI_PLATFORM_FIRMWARE_BLOB2]) {
      expect(decodedAs('firmware-blob', type, second, elsewhere).description).toEqual({
        value: 'Fv(A)',
        bound: false,
      })
    }
    expect(decodedAs('post-code', EV_POST_CODE, Buffer.from('ACPI DATA'), elsewhere).text.value).toBe(
      'ACPI DATA',
    )
    expect(decodedAs('post-code', EV_POST_CODE2, Buffer.from('ACPI DATA'), elsewhere).text.value).toBe(
      'ACPI DATA',
    )
    decodedAs('undecodable', EV_EFI_PLATFORM_FIRMWARE_BLOB, data.subarray(1))
    decodedAs('undecodable', EV_EFI_PLATFORM_FIRMWARE_BLOB2, data)
  })

  it('tables are named', () => {
    const table = Buffer.concat([u64le(1), guid(SMBIOS3), u64le(0x1000)])
    const tables = { value: [{ guid: SMBIOS3, name: 'SMBIOS3', address: 0x1000n }], bound: false }
    expect(decodedAs('handoff-tables', EV_EFI_HANDOFF_TABLES, table, elsewhere)).toMatchObject({ tables })
    expect(
      decodedAs(
        'handoff-tables',
        EV_EFI_HANDOFF_TABLES2,
        Buffer.concat([described('T\0'), table]),
        elsewhere,
      ),
    ).toMatchObject({ description: { value: 'T' }, tables })
    decodedAs('undecodable', EV_EFI_HANDOFF_TABLES, Buffer.concat([u64le(1n << 60n), table]))
    decodedAs('undecodable', EV_EFI_HANDOFF_TABLES, Buffer.concat([table, Buffer.of(0)]))
  })

  it('an H-CRTM event names what the hardware measured', () => {
    expect(decodedAs('h-crtm', EV_EFI_HCRTM_EVENT, Buffer.from('HCRTM'), elsewhere).text).toEqual({
      value: 'HCRTM',
      bound: false,
    })
  })

  it.each([
    [0, 'none'],
    [1, 'amd-sev'],
    [3, 'intel-tdx'],
    [4, 'amd-sev-snp'],
    [77, 'unknown'],
  ])('Google’s says with %i what encrypts the memory', (number, value) => {
    const data = Buffer.concat([Buffer.from('GCE NonHostInfo\0'), Buffer.of(number), Buffer.alloc(15)])
    expect(decodedAs('nonhost', EV_NONHOST_INFO, data).memoryEncryption).toEqual({ value, bound: true })
    expect(decodedAs('nonhost', EV_NONHOST_INFO, data, elsewhere).memoryEncryption.bound).toBe(false)
  })
})

describe('an image', () => {
  const path = Buffer.concat([node(4, 4, utf16('\\a.efi\0')), END_OF_PATH])
  const load = (size: number | bigint = path.length, rest = path): Buffer =>
    Buffer.concat([u64le(0x1000, 0x2000, 0, size), rest])

  it('is bound by its own digest, and nothing that the log says of it is', () => {
    expect(decodedAs('image-load', EV_EFI_BOOT_SERVICES_APPLICATION, load(), elsewhere)).toMatchObject({
      measured: 'elsewhere',
      image: 'application',
      digest: { value: hash('sha256', 'something else'), bound: true },
      address: { value: 0x1000n, bound: false },
      devicePath: { value: { text: '\\a.efi' }, bound: false },
    })
  })

  it('may have no path, and what shim logs behind it', () => {
    expect(
      decodedAs('image-load', EV_EFI_BOOT_SERVICES_APPLICATION, load(0, Buffer.alloc(9))).devicePath.value,
    ).toBeNull()
    decodedAs('undecodable', EV_EFI_BOOT_SERVICES_APPLICATION, load(0, Buffer.alloc(10)))
    decodedAs('undecodable', EV_EFI_BOOT_SERVICES_APPLICATION, load(1n << 62n))
    decodedAs('undecodable', EV_EFI_BOOT_SERVICES_APPLICATION, load(path.length - 1))
  })
})

describe('a partition table', () => {
  const header = (entrySize = 128): Buffer =>
    Buffer.concat([
      Buffer.from('EFI PART'),
      u32le(0x10000, 92, 0, 0),
      u64le(1, 99, 34, 90),
      guid(SMBIOS3),
      u64le(2),
      u32le(128, entrySize, 0),
    ])
  const entry = Buffer.concat([guid(SMBIOS3), guid(SMBIOS3), u64le(40, 50, 4), Buffer.alloc(72)])
  entry.write('ESP', 56, 'utf16le')

  it('is bound whole', () => {
    expect(decodedAs('gpt', EV_EFI_GPT_EVENT, Buffer.concat([header(), u64le(1), entry]))).toMatchObject({
      diskGuid: { value: SMBIOS3, bound: true },
      firstUsableLba: { value: 34n },
      partitions: {
        value: [{ type: SMBIOS3, firstLba: 40n, lastLba: 50n, attributes: 4n, name: 'ESP' }],
        bound: true,
      },
    })
  })

  it.each([
    ['without its signature', Buffer.concat([Buffer.alloc(8), header().subarray(8), u64le(0)])],
    ['with more partitions than bytes', Buffer.concat([header(), u64le(1n << 40n), entry])],
    ['with entries of no size', Buffer.concat([header(0), u64le(1n << 40n)])],
    ['with bytes behind it', Buffer.concat([header(), u64le(1), entry, Buffer.of(0)])],
  ])('%s is undecodable', (_, data) => {
    decodedAs('undecodable', EV_EFI_GPT_EVENT, data)
  })
})

describe('EV_NO_ACTION', () => {
  const names = Buffer.concat(['Maker\0', 'Model\0', '1\0', 'Firm\0'].map(described))
  const platform = Buffer.concat([u32le(0x2b79), guid(SMBIOS3)])
  const locator = (type: number, bytes: Buffer): Buffer => Buffer.concat([u32le(type, bytes.length), bytes])
  const third = Buffer.concat([
    Buffer.from('SP800-155 Event3'),
    platform,
    names,
    u32le(7),
    described('2.0\0'),
    locator(1, Buffer.from('https://example.org/rim')),
    locator(3, Buffer.concat([guid(SMBIOS3), utf16('Rim\0')])),
  ])

  it('names the reference manifest of a platform, in three forms, and binds nothing', () => {
    expect(decodedAs('sp800-155', EV_NO_ACTION, third)).toMatchObject({
      measured: 'nothing',
      version: 3,
      vendorId: { value: 0x2b79, bound: false },
      referenceManifest: { value: SMBIOS3 },
      platform: {
        value: { platformManufacturer: 'Maker', platformModel: 'Model', firmwareManufacturerId: 7 },
      },
      referenceManifestAt: { value: { form: 'uri', uri: 'https://example.org/rim' }, bound: false },
      platformCertificateAt: { value: { form: 'variable', guid: SMBIOS3, name: 'Rim' } },
    })
    const first = Buffer.concat([Buffer.from('SP800-155 Event\0'), platform])
    expect(decodedAs('sp800-155', EV_NO_ACTION, first)).toMatchObject({ version: 1, platform: null })
    const second = Buffer.concat([
      Buffer.from('SP800-155 Event2'),
      platform,
      names,
      u32le(7),
      described('2.0\0'),
    ])
    expect(decodedAs('sp800-155', EV_NO_ACTION, second)).toMatchObject({
      version: 2,
      platform: { value: { firmwareVersion: '2.0' } },
      referenceManifestAt: null,
    })
    // Google's firmware pads with zeros; anything else behind it is wrong.
    decodedAs('sp800-155', EV_NO_ACTION, Buffer.concat([third, Buffer.alloc(6)]))
    decodedAs('undecodable', EV_NO_ACTION, Buffer.concat([third, Buffer.of(0, 1)]))
    decodedAs('undecodable', EV_NO_ACTION, third.subarray(0, -1))
  })

  it('says from which locality the TPM was started', () => {
    const data = Buffer.concat([Buffer.from('StartupLocality\0'), Buffer.of(3)])
    expect(decodedAs('startup-locality', EV_NO_ACTION, data).locality).toEqual({ value: 3, bound: false })
  })

  it('says what an H-CRTM measured', () => {
    const measurement = Buffer.concat([Buffer.of(0, 0x0b), Buffer.alloc(32, 5)])
    const data = Buffer.concat([
      Buffer.from('H-CRTM CompMeas\0'),
      described('H-CRTM'),
      Buffer.of(0),
      u16le(measurement.length),
      measurement,
    ])
    expect(decodedAs('h-crtm-component', EV_NO_ACTION, data)).toMatchObject({
      description: { value: 'H-CRTM' },
      format: { value: 0 },
      measurement: { value: measurement, bound: false },
    })
  })

  it('says what went into an NV index', () => {
    const dynamic = Buffer.concat([
      Buffer.from('NvIndexDynamic '),
      Buffer.of(0),
      u16le(1),
      Buffer.alloc(6),
      u64le(9),
      u16le(15),
      Buffer.from('SPDM CHALLENGE\0'),
      u16le(2),
      Buffer.of(1, 2),
    ])
    expect(decodedAs('nv-index-dynamic', EV_NO_ACTION, dynamic)).toMatchObject({
      version: { value: 1 },
      uid: { value: 9n },
      description: { value: 'SPDM CHALLENGE' },
      data: { value: Buffer.of(1, 2) },
    })
    const instance = Buffer.concat([Buffer.from('NvIndexInstance\0'), u16le(1), Buffer.alloc(6), device])
    expect(decodedAs('nv-index-instance', EV_NO_ACTION, instance)).toMatchObject({
      authentication: { value: 'success', bound: false },
    })
  })

  it('of an unknown kind is bytes', () => {
    expect(
      decodedAs('no-action-unknown', EV_NO_ACTION, Buffer.from('Something else entirely')),
    ).toMatchObject({
      signature: { value: 'Something else e', bound: false },
    })
    expect(decodedAs('no-action-unknown', EV_NO_ACTION, Buffer.alloc(0)).data.value).toEqual(Buffer.alloc(0))
  })
})

const devicePath = Buffer.concat([node(1, 1, Buffer.of(0, 4)), END_OF_PATH])
const device = Buffer.concat([
  Buffer.from('SPDM Device Sec2'),
  u16le(2),
  Buffer.of(0, 0),
  u32le(36 + devicePath.length),
  u32le(1, 0, 8),
  u64le(1, devicePath.length),
  devicePath,
  Buffer.of(1, 2, 3, 4, 5, 6, 7, 8),
])

describe('a device', () => {
  it('says what it runs, in two forms', () => {
    expect(decodedAs('spdm', EV_EFI_SPDM_FIRMWARE_BLOB, device)).toMatchObject({
      area: 'blob',
      version: { value: 2, bound: true },
      deviceType: { value: 'pci', bound: true },
      authentication: { value: 'success', bound: true },
      devicePath: { value: { text: 'Pci(0x4,0x0)' }, bound: true },
      body: { value: Buffer.of(1, 2, 3, 4, 5, 6, 7, 8), bound: true },
    })
    const first = Buffer.concat([
      Buffer.from('SPDM Device Sec\0'),
      u16le(1),
      u16le(30),
      u32le(2, 2),
      Buffer.of(9),
    ])
    expect(decodedAs('spdm', EV_EFI_SPDM_FIRMWARE_BLOB, first)).toMatchObject({
      version: { value: 1 },
      deviceType: { value: 'usb' },
      authentication: { value: null },
      body: { value: Buffer.of(9) },
    })
    decodedAs('undecodable', EV_EFI_SPDM_FIRMWARE_BLOB, device.subarray(0, 40))
    decodedAs('undecodable', EV_EFI_SPDM_FIRMWARE_BLOB, Buffer.alloc(64))
  })
})

describe('any event', () => {
  it('of an unknown type is its bytes', () => {
    expect(decodedAs('unknown', 0x8401, Buffer.of(1))).toEqual({
      kind: 'unknown',
      measured: 'data',
      type: 0x8401,
      data: { value: Buffer.of(1), bound: true },
    })
  })

  it('is bound by nothing in a bank that has no digest, or that nobody can compute', () => {
    const event = loggedEvent(EV_SEPARATOR, u32le(0))
    expect(decodeEvent(event, 'sha384')).toMatchObject({ measured: 'nothing', meaning: { bound: false } })
    expect(decodeEvent(event, '0x0099')).toMatchObject({ measured: 'nothing', meaning: { bound: false } })
  })

  it('as JSON keeps what 53 bits do not hold, and bytes in hex', () => {
    const json = decodedEventJson(
      decodeEvent(loggedEvent(EV_EFI_PLATFORM_FIRMWARE_BLOB, u64le((1n << 63n) + 1n, 2)), 'sha256'),
    )
    expect(json).toEqual({
      kind: 'firmware-blob',
      measured: 'data',
      description: { value: null, bound: true },
      base: { value: '9223372036854775809', bound: true },
      length: { value: '2', bound: true },
    })
    const data = decodedEventJson(decodedAs('unknown', 0x8401, Buffer.of(0xab)))
    expect(JSON.parse(JSON.stringify(data))).toMatchObject({ data: { value: 'ab', bound: true } })
  })
})
