import { describe, expect, it } from 'vitest'
import { GUID, type VariableContents } from '../../../attestation/eventlog/decode/index.ts'
import {
  EV_EFI_VARIABLE_AUTHORITY,
  EV_EFI_VARIABLE_DRIVER_CONFIG,
  EV_NO_ACTION,
  u16le,
  u32le,
} from '../tcg-log.ts'
import { decodedAs, END_OF_PATH, guid, node, u64le, utf16, variableData } from './event-data.ts'

const EV_EFI_VARIABLE_BOOT = 0x80000002
const config = (namespace: string, name: string, value: Uint8Array): VariableContents =>
  decodedAs('variable', EV_EFI_VARIABLE_DRIVER_CONFIG, variableData(namespace, name, value)).contents.value

describe('what binds a variable', () => {
  const data = variableData(GUID.globalVariable, 'SecureBoot', Buffer.of(1))

  it('a digest of the whole structure binds all of it', () => {
    expect(decodedAs('variable', EV_EFI_VARIABLE_DRIVER_CONFIG, data)).toMatchObject({
      measured: 'data',
      guid: { value: GUID.globalVariable, bound: true },
      name: { value: 'SecureBoot', bound: true },
      contents: { value: { form: 'flag', on: true }, bound: true },
    })
  })

  it('a digest of the value leaves the name to whoever writes the log', () => {
    expect(
      decodedAs('variable', EV_EFI_VARIABLE_DRIVER_CONFIG, data, { digestOf: Buffer.of(1) }),
    ).toMatchObject({
      measured: 'part',
      guid: { bound: false },
      name: { bound: false },
      data: { bound: true },
      contents: { bound: true },
    })
  })

  it('another digest binds nothing', () => {
    expect(
      decodedAs('variable', EV_EFI_VARIABLE_DRIVER_CONFIG, data, { digestOf: Buffer.of(0) }),
    ).toMatchObject({
      measured: 'elsewhere',
      name: { bound: false },
      contents: { bound: false },
    })
  })

  it('shim may log one byte more than it measures, and pads what it measures', () => {
    const logged = Buffer.concat([variableData(GUID.shimLock, 'Shim', Buffer.alloc(32, 7)), Buffer.alloc(6)])
    const authority = decodedAs('variable-authority', EV_EFI_VARIABLE_AUTHORITY, logged, {
      digestOf: logged.subarray(0, -1),
    })
    expect(authority).toMatchObject({ name: { value: 'Shim', bound: true }, contents: { bound: true } })
    // No firmware does that with configuration.
    expect(decodedAs('undecodable', EV_EFI_VARIABLE_DRIVER_CONFIG, logged).reason).toMatch(/a variable of/)
    const more = Buffer.concat([logged, Buffer.alloc(1)])
    expect(decodedAs('undecodable', EV_EFI_VARIABLE_AUTHORITY, more).reason).toMatch(/a variable of/)
  })

  it('a type is not measured: the same bytes as EV_NO_ACTION are bound by nothing', () => {
    expect(decodedAs('no-action-unknown', EV_NO_ACTION, data)).toMatchObject({
      measured: 'nothing',
      data: { bound: false },
    })
  })
})

describe('what a variable says', () => {
  it.each([
    ['SecureBoot', Buffer.of(0), { form: 'flag', on: false }],
    ['SetupMode', Buffer.of(1), { form: 'flag', on: true }],
    ['SecureBoot', Buffer.of(2), { form: 'bytes', bytes: Buffer.of(2) }],
    ['SecureBoot', Buffer.of(1, 0), { form: 'bytes', bytes: Buffer.of(1, 0) }],
    ['PK', Buffer.alloc(0), { form: 'absent' }],
    ['BootOrder', Buffer.of(1, 0, 0x0a, 0), { form: 'order', options: ['0001', '000A'] }],
    ['BootNext', u16le(3), { form: 'number', number: 3 }],
    [
      'OsIndications',
      u64le(5),
      { form: 'bits', bits: 5n, names: ['boot-to-firmware-ui', 'file-capsule-delivery'] },
    ],
    ['SignatureSupport', guid(GUID.shimLock), { form: 'guids', guids: [GUID.shimLock] }],
    ['PlatformLang', Buffer.from('en\0'), { form: 'text', text: 'en' }],
    ['Unheard', Buffer.of(1), { form: 'bytes', bytes: Buffer.of(1) }],
  ])('%s', (name, value, contents) => {
    expect(config(GUID.globalVariable, name, value)).toEqual(contents)
  })

  it('depends on the namespace: another SecureBoot is not the firmware’s', () => {
    expect(config(GUID.shimLock, 'SecureBoot', Buffer.of(1))).toEqual({ form: 'bytes', bytes: Buffer.of(1) })
    expect(config(GUID.globalVariable, 'secureboot', Buffer.of(1))).toEqual({
      form: 'bytes',
      bytes: Buffer.of(1),
    })
  })

  it('of the boot loader is text', () => {
    expect(config(GUID.bootLoader, 'LoaderInfo', utf16('systemd-boot 257\0'))).toEqual({
      form: 'text',
      text: 'systemd-boot 257',
    })
  })

  it('of shim is SBAT', () => {
    const text = 'sbat,1,2023012900\nshim,2\ngrub,3\n'
    const data = variableData(GUID.shimLock, 'SbatLevel', Buffer.from(text))
    expect(decodedAs('variable-authority', EV_EFI_VARIABLE_AUTHORITY, data).contents.value).toEqual({
      form: 'sbat',
      entries: [
        { component: 'sbat', generation: 1, rest: ['2023012900'] },
        { component: 'shim', generation: 2, rest: [] },
        { component: 'grub', generation: 3, rest: [] },
      ],
    })
    const broken = variableData(GUID.shimLock, 'SbatLevel', Buffer.from('sbat,1,2023012900\nshim\n'))
    expect(decodedAs('variable-authority', EV_EFI_VARIABLE_AUTHORITY, broken).contents.value.form).toBe(
      'bytes',
    )
  })

  it('as an authority is a certificate or a digest, with or without its owner', () => {
    const owner = Buffer.alloc(16, 0xab)
    const authority = (value: Buffer): VariableContents =>
      decodedAs(
        'variable-authority',
        EV_EFI_VARIABLE_AUTHORITY,
        variableData(GUID.imageSecurityDatabase, 'db', value),
      ).contents.value
    const der = Buffer.of(0x30, 2, 5, 0)
    expect(authority(der)).toMatchObject({
      entry: { kind: 'certificate', owner: null, certificate: { der } },
    })
    expect(authority(Buffer.concat([owner, der]))).toMatchObject({
      entry: { kind: 'certificate', owner: 'abababab-abab-abab-abab-abababababab', certificate: { der } },
    })
    expect(authority(Buffer.concat([owner, Buffer.alloc(32, 1)]))).toMatchObject({
      entry: { kind: 'image-digest', algorithm: 'sha256', digest: '01'.repeat(32) },
    })
    expect(authority(Buffer.concat([owner, der, Buffer.of(0)]))).toMatchObject({ form: 'bytes' })
  })
})

describe('a boot option', () => {
  const path = Buffer.concat([
    node(1, 1, Buffer.of(2, 0x1f)),
    node(4, 4, utf16('\\EFI\\a.efi\0')),
    END_OF_PATH,
  ])
  const option = (over: { pathBytes?: number; description?: Buffer } = {}): Buffer =>
    Buffer.concat([
      u32le(1),
      u16le(over.pathBytes ?? path.length),
      over.description ?? utf16('Linux\0'),
      path,
      utf16('quiet\0'),
    ])
  const boot = (value: Buffer): Buffer => variableData(GUID.globalVariable, 'Boot0001', value)

  it('says what is loaded, from where and with which arguments', () => {
    const { contents } = decodedAs('variable-boot', EV_EFI_VARIABLE_BOOT, boot(option()))
    expect(contents.value).toMatchObject({
      form: 'load-option',
      option: {
        active: true,
        description: 'Linux',
        devicePaths: [{ text: 'Pci(0x1F,0x2)/\\EFI\\a.efi', file: '\\EFI\\a.efi' }],
        optionalData: utf16('quiet\0'),
      },
    })
  })

  it('is bound by the value alone in EV_EFI_VARIABLE_BOOT', () => {
    expect(
      decodedAs('variable-boot', EV_EFI_VARIABLE_BOOT, boot(option()), { digestOf: option() }),
    ).toMatchObject({
      name: { value: 'Boot0001', bound: false },
      contents: { bound: true },
    })
  })

  it.each([
    ['a description without an end', option({ description: utf16('Linux') }).subarray(0, 16)],
    ['a path that is longer than the option', option({ pathBytes: 0xffff })],
    ['a path that is cut off', option({ pathBytes: path.length - 2 })],
  ])('with %s is not decoded', (_, value) => {
    expect(decodedAs('undecodable', EV_EFI_VARIABLE_BOOT, boot(value)).offset).toBeGreaterThan(0)
  })
})

describe('a variable that is none', () => {
  const header = (units: bigint | number, size: bigint | number): Buffer =>
    Buffer.concat([guid(GUID.globalVariable), u64le(units, size)])

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['a header that is cut off', header(1, 1).subarray(0, 31)],
    ['a name of 2^63 units', header(1n << 63n, 0)],
    ['a value of 2^64-1 bytes', Buffer.concat([header(2, (1n << 64n) - 1n), utf16('PK')])],
    ['a value that is longer than the event', Buffer.concat([header(2, 5), utf16('PK'), Buffer.of(1)])],
    ['bytes behind the value', Buffer.concat([header(2, 1), utf16('PK'), Buffer.of(1, 2)])],
    ['a NUL inside its name', Buffer.concat([header(3, 0), utf16('P\0K')])],
  ])('%s is undecodable, with its bytes', (_, data) => {
    const decoded = decodedAs('undecodable', EV_EFI_VARIABLE_DRIVER_CONFIG, data)
    expect(decoded.data).toEqual({ value: data, bound: true })
    expect(decoded.reason).toBeTruthy()
  })
})
