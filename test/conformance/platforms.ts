// Writes docs/platforms.md from the recorded logs: test/conformance/platforms.ts FILE, with WRIT_FIXTURES.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  ANY_EVENT_LOG,
  decodeEvent,
  type EventLogJudgement,
  judgeEventLog,
  parseEventLog,
  type QuotedPcrs,
  readClaimedPcrs,
  readImaLog,
} from '../../attestation/index.ts'
import { RECORDED_EVIDENCE } from '../support/recorded-evidence.ts'

interface Entry {
  readonly path: string
  readonly kind: string
  readonly role: string
  readonly origin?: { readonly repo?: string }
  readonly expected: { readonly quoted?: Record<string, Record<string, string>>; readonly ccel?: boolean }
}

/** What recorded a log, by where the log is: what its name and its content say. */
const PLATFORMS: readonly (readonly [path: string, platform: string])[] = [
  ['debian13-uki', 'Debian 13, unified kernel image, OVMF'],
  ['debian13-uki-secureboot', 'Debian 13, unified kernel image, Secure Boot, OVMF'],
  ['go-attestation/coreos_36', 'Fedora CoreOS 36, Google shielded VM'],
  ['go-attestation/crypto_agile', 'a test machine of go-attestation'],
  ['go-eventlog/linux_tpm12', 'Linux, TPM 1.2'],
  ['go-tpm-tools/arch-linux', 'Arch Linux workstation'],
  ['go-tpm-tools/confidential-gke', 'Google confidential GKE node'],
  ['go-tpm-tools/cos-101', 'Container-Optimized OS 101, AMD SEV'],
  ['go-tpm-tools/cos-85', 'Container-Optimized OS 85, AMD SEV'],
  ['go-tpm-tools/debian-10', 'Debian 10, Google Compute Engine'],
  ['go-tpm-tools/glinux', 'gLinux workstation'],
  ['go-tpm-tools/rhel8', 'RHEL 8, Google Compute Engine'],
  ['go-tpm-tools/ubuntu-2104', 'Ubuntu 21.04, no dbx, Google Compute Engine'],
  ['go-tpm-tools/ubuntu-2204', 'Ubuntu 22.04, Intel TDX'],
  ['ima-evm-utils/', 'a test machine of ima-evm-utils'],
  ['keylime-tests/', 'virtual machine, swtpm'],
  ['keylime/binary_bios_measurements-secureboot', 'a test machine of Keylime, Secure Boot'],
  ['keylime/binary_bios_measurements.bin', 'a test machine of Keylime'],
  ['rust-keylime/', 'a test machine of rust-keylime'],
  ['tcglog-parser/binary', 'a test machine of tcglog-parser'],
  ['tpm2-tools/event-bootorder', 'a test machine of tpm2-tools, boot order'],
  ['tpm2-tools/event-postcode', 'a test machine of tpm2-tools, POST codes'],
  ['tpm2-tools/event-sd-boot', 'Fedora 37, systemd-boot'],
  ['tpm2-tools/event-uefi-sha1', 'a test machine of tpm2-tools, SHA-1 log'],
  ['ccel/CCEL_unpadded', 'a test machine of go-eventlog, CCEL'],
  ['ccel/cos-113', 'Container-Optimized OS 113, Intel TDX, CCEL'],
  ['ccel/trustee-CCEL_AAEL', 'Alibaba Cloud confidential VM, CCEL'],
  ['ccel/trustee-CCEL_data_grub', 'Intel TDX with GRUB, CCEL'],
  ['ccel/trustee-CCEL_data_ovmf', 'Intel TDX with OVMF, CCEL'],
  ['quote/gce-cos-85', 'Container-Optimized OS 85, with its quote'],
  ['quote/hpe-proliant', 'HPE ProLiant, with its quote'],
  ['quote/machine-rhel8', 'RHEL 8, with its quote'],
]

interface Recorded {
  readonly path: string
  readonly origin: string
  readonly bytes: Buffer
  readonly quoted: QuotedPcrs
  readonly cc: boolean
}

const hosts = join(import.meta.dirname, '../fixtures/hosts')
const manifest = (root: string): Entry[] =>
  JSON.parse(readFileSync(join(root, 'manifest.json'), 'utf8')).entries

function eventLogs(root: string): Recorded[] {
  const own = ['debian13-uki', 'debian13-uki-secureboot'].map(host => ({
    path: host,
    origin: 'recorded for this project',
    bytes: readFileSync(join(hosts, host, 'eventlog.bin')),
    quoted: firmwarePcrs(readClaimedPcrs(readFileSync(join(hosts, host, 'pcrread.txt')))),
    cc: false,
  }))
  const others = manifest(root)
    .filter(
      ({ path, kind, role }) => kind === 'eventlog' && role === 'case' && platformOf(path) !== undefined,
    )
    .map(({ path, origin, expected }) => ({
      path: path.replace(/^eventlog\//, ''),
      origin: origin?.repo ?? '',
      bytes: readFileSync(join(root, path)),
      quoted: quotedPcrs(expected.quoted ?? {}),
      cc: expected.ccel === true,
    }))
  return [...own, ...others]
}

/** Those that the firmware's log explains by itself: user space extends the others. */
function firmwarePcrs(banks: ReadonlyMap<string, ReadonlyMap<number, Uint8Array>>): QuotedPcrs {
  const sha256 = banks.get('sha256') ?? new Map<number, Uint8Array>()
  return new Map([['sha256', new Map([...sha256].filter(([pcr]) => pcr < 8))]])
}

function quotedPcrs(banks: Record<string, Record<string, string>>): QuotedPcrs {
  return new Map(
    Object.entries(banks).map(([bank, pcrs]) => [
      bank as 'sha256',
      new Map(Object.entries(pcrs).map(([pcr, hex]) => [Number(pcr), Buffer.from(hex, 'hex')])),
    ]),
  )
}

function platformOf(path: string): string | undefined {
  const short = path.replace(/^eventlog\//, '')
  return PLATFORMS.find(
    ([start]) => short === start || (!start.startsWith('debian') && short.startsWith(start)),
  )?.[1]
}

const row = (...cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`

function secureBootOf({ secureBoot }: EventLogJudgement): string {
  return secureBoot === null ? 'not said' : secureBoot ? 'on' : 'off'
}

interface KindCount {
  events: number
  logs: number
}

function readLog(log: Recorded, kinds: Map<string, KindCount>): string {
  const parsed = parseEventLog(log.bytes, ANY_EVENT_LOG)
  const judged = judgeEventLog(parsed, log.quoted, { registers: log.cc ? 'cc' : 'tpm' })
  const bank = judged.replays.at(-1)?.bank ?? 'sha1'
  const read = parsed.events.map(event => decodeEvent(event, bank).kind)
  for (const kind of new Set(read)) {
    const count = kinds.get(kind) ?? { events: 0, logs: 0 }
    count.logs++
    count.events += read.filter(other => other === kind).length
    kinds.set(kind, count)
  }
  const decoded = read.filter(kind => kind !== 'unknown' && kind !== 'undecodable').length
  return row(
    platformOf(log.path) ?? '',
    `\`${log.path}\` (${log.origin})`,
    parsed.format,
    parsed.declared.map(({ name }) => name).join(', '),
    parsed.events.length,
    decoded,
    secureBootOf(judged),
    judged.verdict,
  )
}

/** How the ASCII and binary lists of recorded machines read. */
function imaRows(root: string): string[] {
  const own = [
    { path: 'debian13-uki', bytes: readFileSync(join(hosts, 'debian13-uki/ima.bin')) },
    { path: 'debian13-uki (text)', bytes: readFileSync(join(hosts, 'debian13-uki/ima.ascii')) },
    { path: 'debian13-uki-secureboot', bytes: readFileSync(join(hosts, 'debian13-uki-secureboot/ima.bin')) },
  ]
  const others = manifest(root)
    .filter(({ path }) =>
      /^(?:quote\/(?:hpe|machine).*ima\.txt|ima\/(?:ima-evm-utils|keylime|keylime-tests|rust-keylime)\/[^/]*(?:measurements|ima_log|sha\d+|keyrings|signatures)\.txt)$/.test(
        path,
      ),
    )
    .filter(({ path }) => !path.includes('invalid'))
    .map(({ path }) => ({ path, bytes: readFileSync(join(root, path)) }))
  return [...own, ...others].map(({ path, bytes }) => {
    const log = readImaLog(bytes)
    const templates = new Set(Array.from({ length: log.length }, (_, i) => log.entry(i).template))
    return row(
      `\`${path}\``,
      path.endsWith('.txt') || path.endsWith('(text)') ? 'text' : 'binary',
      log.length,
      [...templates].sort().join(', '),
    )
  })
}

/** The page, from the recorded logs below `root` and those of the project. */
export function platformsPage(root: string): string {
  const kinds = new Map<string, KindCount>()
  const logs = eventLogs(root).map(log => readLog(log, kinds))
  const kindRows = [...kinds]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([kind, { events, logs: count }]) => row(kind, events, count))
  return `# Platforms: what was read

Logs of whole boots, recorded for this project or published by others, read and judged by the code that the daemon and \`writ eventlog show\` use. The page is
written by \`test/conformance/platforms.ts\`; a test compares it with the logs where they are at hand. The logs of other projects stay with them: they are named, not copied.

## Boot logs

*Decoded*: events whose data was read field by field; the others are shown as bytes. *Secure Boot*: as the firmware measured it before the separator of PCR 7, *not said* where it
measured nothing that a digest binds. *Verdict*: against the PCR values that came with the log, with no quirk turned on.

${[row('platform', 'log', 'format', 'banks', 'events', 'decoded', 'Secure Boot', 'verdict'), row('---', '---', '---', '---', '---:', '---:', '---', '---'), ...logs].join('\n')}

## Kinds of events in them

${[row('kind', 'events', 'logs'), row('---', '---:', '---:'), ...kindRows].join('\n')}

## IMA lists

${[row('list', 'form', 'entries', 'templates'), row('---', '---', '---:', '---'), ...imaRows(root)].join('\n')}
`
}

if (import.meta.main) {
  const [file] = process.argv.slice(2)
  if (file === undefined || RECORDED_EVIDENCE === undefined) {
    console.error('usage: WRIT_FIXTURES=DIR test/conformance/platforms.ts FILE')
    process.exit(2)
  }
  writeFileSync(file, platformsPage(RECORDED_EVIDENCE))
}
