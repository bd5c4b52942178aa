import { describe, expect, it } from 'vitest'
import { EV_IPL, u32le } from '../tcg-log.ts'
import { decodedAs, utf16 } from './event-data.ts'

const EV_EVENT_TAG = 6
const ipl = (data: Uint8Array | string, digestOf?: Uint8Array | string, pcr = 8) =>
  decodedAs('ipl', EV_IPL, Buffer.from(data), {
    pcr,
    ...(digestOf === undefined ? {} : { digestOf: Buffer.from(digestOf) }),
  })

describe('what GRUB measures', () => {
  it.each([
    ['grub_cmd: ', 'grub-command', 'set root=hd0', 'set root=hd0'],
    ['grub_cmd ', 'grub-command', 'set root=hd0', 'set root=hd0\0'],
    ['kernel_cmdline: ', 'kernel-command-line', '/vmlinuz ro', '/vmlinuz ro'],
    ['grub_kernel_cmdline ', 'kernel-command-line', '/vmlinuz ro', '/vmlinuz ro'],
    ['module_cmdline: ', 'module-command-line', '/initrd', '/initrd'],
  ])('%s is not part of it, the text is', (prefix, form, text, measured) => {
    expect(ipl(`${prefix}${text}\0`, measured)).toMatchObject({
      form,
      measured: 'part',
      text: { value: text, bound: true },
      data: { bound: false },
    })
  })

  it('does not bind another text behind the same prefix', () => {
    expect(ipl('kernel_cmdline: /vmlinuz init=/bin/sh\0', '/vmlinuz ro')).toMatchObject({
      form: 'kernel-command-line',
      measured: 'elsewhere',
      text: { value: '/vmlinuz init=/bin/sh', bound: false },
    })
  })

  it('binds an empty command as such', () => {
    expect(ipl('grub_cmd: \0', '')).toMatchObject({ text: { value: '', bound: true } })
  })

  it('may be followed by a byte of whatever, which nothing binds', () => {
    const logged = Buffer.concat([Buffer.from('grub_cmd set a=b\0'), Buffer.of(0x75)])
    expect(ipl(logged, 'set a=b\0')).toMatchObject({
      text: { value: 'set a=b', bound: true },
      data: { bound: false },
    })
  })

  it('has no text where something was measured behind its end', () => {
    const logged = Buffer.from('kernel_cmdline: ro\0init=/bin/sh\0')
    expect(ipl(logged, logged)).toMatchObject({ text: { value: null }, data: { bound: true } })
    expect(ipl(logged, 'ro\0init=/bin/sh')).toMatchObject({ text: { value: 'ro', bound: false } })
  })

  it('that is no UTF-8 has no text, so that two commands never read the same', () => {
    const text = Buffer.of(0x61, 0xff)
    expect(ipl(Buffer.concat([Buffer.from('grub_cmd: '), text]), text)).toMatchObject({
      form: 'grub-command',
      text: { value: null, bound: true },
    })
  })

  it('has the digest of a file whose path nothing binds', () => {
    expect(ipl('(hd0,gpt2)/grub/grub.cfg\0', 'set timeout=0', 9)).toMatchObject({
      form: 'file',
      text: { value: '(hd0,gpt2)/grub/grub.cfg', bound: false },
    })
  })
})

describe('what shim measures', () => {
  it('is the value of a variable whose name nothing binds', () => {
    expect(ipl('MokList\0', 'the list', 14)).toMatchObject({
      form: 'shim-variable',
      text: { value: 'MokList', bound: false },
    })
  })
})

describe('what systemd measures', () => {
  const options = utf16('root=/dev/sda1 quiet\0')

  it.each([8, 12])('is the load options, as it writes them, in PCR %i', pcr => {
    expect(ipl(options, options, pcr)).toMatchObject({
      form: 'kernel-command-line',
      measured: 'data',
      text: { value: 'root=/dev/sda1 quiet', bound: true },
    })
  })

  it('is the load options where the last byte of the log is missing', () => {
    expect(ipl(options.subarray(0, -1), options)).toMatchObject({
      form: 'kernel-command-line',
      text: { value: 'root=/dev/sda1 quiet', bound: true },
    })
  })

  it('is no command line where another digest says so', () => {
    expect(ipl(options, utf16('quiet\0'), 12)).toMatchObject({ form: 'text', text: { bound: false } })
  })

  it('is the name of a section, then what is in it', () => {
    expect(ipl(utf16('.linux\0'), '.linux\0', 11)).toMatchObject({
      form: 'uki-section-name',
      text: { value: '.linux', bound: true },
    })
    expect(ipl(utf16('.linux\0'), 'MZ…', 11)).toMatchObject({
      form: 'uki-section-contents',
      text: { value: '.linux', bound: false },
    })
    expect(ipl(utf16('.cmdline\0'), '.linux\0', 11)).toMatchObject({ form: 'uki-section-contents' })
    // Cut to eight bits this reads `.linux`.
    expect(ipl(utf16('.\u016cinux\0'), '.linux\0', 11)).toMatchObject({ form: 'uki-section-contents' })
  })

  it('and everything else is text or bytes', () => {
    expect(ipl('hello', 'hello')).toMatchObject({ form: 'text', text: { value: 'hello', bound: true } })
    expect(ipl(Buffer.of(0xff, 0xfe, 0), Buffer.of(0xff, 0xfe, 0))).toMatchObject({
      form: 'bytes',
      text: { value: null, bound: true },
    })
  })
})

describe('a tagged event', () => {
  const tagged = (id: number, data: Buffer, size = data.length): Buffer =>
    Buffer.concat([u32le(id, size), data])

  it.each([
    [0x8f3b22ec, 'linux-initrd', Buffer.from('Linux initrd\0'), 'Linux initrd'],
    [
      0x8f3b22ed,
      'linux-load-options',
      Buffer.from('LOADED_IMAGE::LoadOptions\0'),
      'LOADED_IMAGE::LoadOptions',
    ],
    [0xf5bc582a, 'systemd-boot-configuration', utf16('loader.conf\0'), 'loader.conf'],
    [0x13aed6db, 'systemd-uki-profile', utf16('0\0'), '0'],
    [0x12345678, null, Buffer.from('x'), 'x'],
  ])('0x%s is the %s', (id, name, data, text) => {
    expect(
      decodedAs('tagged', EV_EVENT_TAG, tagged(id, data), { digestOf: Buffer.from('an initrd') }),
    ).toMatchObject({
      measured: 'elsewhere',
      id: { value: id, bound: false },
      name: { value: name, bound: false },
      text: { value: text, bound: false },
    })
  })

  it('may be measured without its header, which then is anybody’s', () => {
    const data = Buffer.from('settings')
    expect(decodedAs('tagged', EV_EVENT_TAG, tagged(1, data), { digestOf: data })).toMatchObject({
      id: { value: 1, bound: false },
      data: { value: data, bound: true },
    })
  })

  it('has no header in the log of a confidential machine', () => {
    expect(decodedAs('tagged', EV_EVENT_TAG, Buffer.from('Linux initrd\0'))).toMatchObject({
      id: { value: null },
      name: { value: 'linux-initrd' },
    })
  })

  it.each([
    ['a size beyond its end', tagged(1, Buffer.of(1), 0xffffffff)],
    ['bytes behind its data', tagged(1, Buffer.of(1, 2), 1)],
    ['half a header', Buffer.of(1, 0, 0)],
  ])('with %s is undecodable', (_, data) => {
    expect(decodedAs('undecodable', EV_EVENT_TAG, data)).toMatchObject({ typeName: 'EV_EVENT_TAG' })
  })
})
