import { describe, expect, it } from 'vitest'
import {
  decodeEvents,
  isLoadOptions,
  type LoggedEvent,
  measured,
} from '../../../attestation/eventlog/decode/index.ts'
import { parseEventLog } from '../../../attestation/eventlog/index.ts'
import { readSecureBoot } from '../../../attestation/eventlog/secure-boot/index.ts'
import { fixture } from '../recorded-host.ts'

const decodedLog = (host: string): readonly LoggedEvent[] =>
  decodeEvents(parseEventLog(fixture(host, 'eventlog.bin')).events, 'sha256')

/** What an event says, and in brackets what no digest binds. */
function line({ event, decoded }: LoggedEvent): string {
  const show = ({ value, bound }: { value: unknown; bound: boolean }): string =>
    bound ? `${value}` : `[${value}]`
  const head = `${event.pcr} ${decoded.kind}`
  switch (decoded.kind) {
    case 'variable':
    case 'variable-boot':
    case 'variable-authority':
      return `${head} ${show(decoded.name)} ${show({ ...decoded.contents, value: decoded.contents.value.form })}`
    case 'separator':
      return `${head} ${show(decoded.meaning)}`
    case 'action':
      return `${head} ${show(decoded.text)}`
    case 'ipl':
      return `${head} ${decoded.form} ${show(decoded.text)}`
    case 'tagged':
      return `${head} ${show(decoded.name)} ${show(decoded.text)}`
    case 'image-load':
      return `${head} ${show({ ...decoded.devicePath, value: decoded.devicePath.value?.text })}`
    case 'firmware-blob':
      return `${head} ${show(decoded.base)}+${show(decoded.length)}`
    case 'gpt':
      return `${head} ${show({ ...decoded.partitions, value: decoded.partitions.value.length })} partitions`
    case 'crtm-version':
      return `${head} "${decoded.version.value}"`
    default:
      return head
  }
}

const UKI_SECTIONS = ['linux', 'osrel', 'cmdline', 'initrd', 'uname', 'sbat'].flatMap(name => [
  `11 ipl uki-section-name .${name}`,
  `11 ipl uki-section-contents [.${name}]`,
])
const FIRMWARE = [
  '0 crtm-version ""',
  '0 firmware-blob [8519680]+[917504]',
  '0 firmware-blob [9437184]+[12582912]',
]
/** This firmware measures the value of a boot variable alone, so that its name is anybody's. */
const BOOT_OPTIONS = [
  '1 variable-boot [BootOrder] order',
  ...['0000', '0001', '0002', '0003'].map(number => `1 variable-boot [Boot${number}] load-option`),
]
const HANDOVER = [
  '4 action Calling EFI Application from Boot Option',
  ...[0, 1, 2, 3, 4, 5, 6].map(pcr => `${pcr} separator zero`),
  '4 action Returning from EFI Application from Boot Option',
  '4 action Calling EFI Application from Boot Option',
]
const LINUX = [
  '9 tagged [linux-load-options] [LOADED_IMAGE::LoadOptions]',
  '9 tagged [linux-initrd] [Linux initrd]',
  '5 action Exit Boot Services Invocation',
  '5 action Exit Boot Services Returned with Success',
]

describe('the boot log of a recorded host', () => {
  it('with Secure Boot decodes in full', () => {
    expect(decodedLog('debian13-uki-secureboot').map(line)).toEqual([
      ...FIRMWARE,
      '7 variable SecureBoot flag',
      '7 variable PK signatures',
      '7 variable KEK signatures',
      '7 variable db signatures',
      '7 variable dbx signatures',
      '7 separator zero',
      ...BOOT_OPTIONS,
      ...HANDOVER,
      '7 variable-authority db signature',
      '5 gpt 2 partitions',
      '4 image-load [PciRoot(0x0)/Pci(0x3,0x0)/HD(1,GPT,2E14233F-C18B-5A41-A050-E90C2292EF52,0x800,0x40000)/\\EFI\\BOOT\\BOOTX64.EFI]',
      ...UKI_SECTIONS,
      ...LINUX,
    ])
  })

  it('without Secure Boot decodes in full, and shows that the stub loads the kernel as an image of its own', () => {
    const lines = decodedLog('debian13-uki').map(line)
    expect(lines.slice(3, 9)).toEqual([
      '7 variable SecureBoot flag',
      '7 variable PK absent',
      '7 variable KEK absent',
      '7 variable db absent',
      '7 variable dbx absent',
      '7 separator zero',
    ])
    expect(lines.slice(-6)).toEqual([
      '11 ipl uki-section-contents [.sbat]',
      '4 image-load [VenMedia(55C5D1F8-04CD-46B5-8A20-E56CBB3052D0)]',
      ...LINUX,
    ])
  })

  it('says which certificate authorised the image', () => {
    const facts = readSecureBoot(decodedLog('debian13-uki-secureboot'))
    const subject = 'C=US, ST=Colorado, L=Fort Collins, O=SnakeOil'
    const certificate = expect.objectContaining({
      subject,
      issuer: subject,
      sha256: '282e8130b7070f107aaecc25d3992ca4440270860b09088792a5075fab0d13f8',
    })
    expect(facts).toMatchObject({
      enabled: true,
      problems: [],
      dmaProtectionDisabled: false,
      setupMode: null,
    })
    expect([facts.pk, facts.kek, facts.db].map(keys => keys?.certificates)).toEqual([
      [certificate],
      [certificate],
      [certificate],
    ])
    // What revokes nothing: the digest of no bytes.
    expect(facts.dbx?.imageDigests).toEqual([
      { algorithm: 'sha256', digest: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' },
    ])
    expect(facts.images).toMatchObject([
      {
        event: 27,
        register: 4,
        image: 'application',
        digest: '3dd22566bbd404728c1f8a3350b3301cb646efa21bd879a5b80f7f60e3e622f4',
        authority: {
          event: 25,
          phase: 'after-separator',
          database: 'db',
          entry: { kind: 'certificate', certificate },
        },
      },
    ])
  })

  it('without Secure Boot has no keys and no authority', () => {
    const facts = readSecureBoot(decodedLog('debian13-uki'))
    expect(facts).toMatchObject({ enabled: false, authorities: [], problems: [] })
    expect(facts.db?.lists).toEqual([])
    expect(facts.images.map(({ authority }) => authority)).toEqual([null, null])
  })

  it.each(['debian13-uki', 'debian13-uki-secureboot'])(
    '%s measured the command line that the kernel shows',
    host => {
      const options = decodedLog(host).find(
        ({ decoded }) => decoded.kind === 'tagged' && decoded.name.value === 'linux-load-options',
      )
      if (options === undefined) throw new Error('no load options')
      const by = measured(options.event, 'sha256')
      const text = fixture(host, 'cmdline.txt').toString('utf8').trimEnd()
      expect(isLoadOptions(text, by)).toBe(true)
      expect(isLoadOptions(`${text} init=/bin/sh`, by)).toBe(false)
    },
  )
})
