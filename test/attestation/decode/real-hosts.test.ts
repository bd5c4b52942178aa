import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { decodeEvents, type LoggedEvent } from '../../../attestation/eventlog/decode/index.ts'
import {
  ANY_EVENT_LOG,
  type EventLog,
  parseEventLog,
  type RegisterKind,
  replayEventLog,
} from '../../../attestation/eventlog/index.ts'
import { readSecureBoot, type SecureBootFacts } from '../../../attestation/eventlog/secure-boot/index.ts'
import { RECORDED_EVIDENCE } from '../../support/recorded-evidence.ts'

const root = join(RECORDED_EVIDENCE ?? '/', 'eventlog')
const FOLDERS = [
  'ccel',
  'go-attestation',
  'go-eventlog',
  'go-tpm-tools',
  'ima-evm-utils',
  'keylime',
  'keylime-tests',
]
const MORE = ['rust-keylime', 'tcglog-parser', 'tpm2-tools']

interface RealLog {
  readonly name: string
  readonly kind: RegisterKind
  readonly log: EventLog
  readonly events: readonly LoggedEvent[]
}

function readLog(name: string): RealLog | null {
  try {
    const log = parseEventLog(readFileSync(join(root, name)), ANY_EVENT_LOG)
    const kind = name.startsWith('ccel/') ? 'cc' : 'tpm'
    return { name, kind, log, events: decodeEvents(log.events, bankOf(log)) }
  } catch {
    // Some of the files are there because they are no logs.
    return null
  }
}

function bankOf(log: EventLog): 'sha1' | 'sha256' | 'sha384' {
  return log.banks.includes('sha256') ? 'sha256' : log.banks.includes('sha384') ? 'sha384' : 'sha1'
}

const logs: readonly RealLog[] =
  RECORDED_EVIDENCE === undefined
    ? []
    : [...FOLDERS, ...MORE].flatMap(folder =>
        readdirSync(join(root, folder))
          .filter(file => file.endsWith('.bin'))
          .flatMap(file => readLog(`${folder}/${file}`) ?? []),
      )

const factsOf = (name: string): SecureBootFacts => {
  const found = logs.find(log => log.name === name)
  if (found === undefined) throw new Error(`${name} is no log`)
  return readSecureBoot(found.events, found.kind)
}

describe.skipIf(RECORDED_EVIDENCE === undefined)('logs of real machines (WRIT_FIXTURES)', () => {
  it('decode in full', () => {
    expect(logs.length).toBeGreaterThan(25)
    const undecodable = logs.flatMap(({ name, events }) =>
      events.flatMap(({ event, decoded }) =>
        decoded.kind === 'undecodable' ? [`${name} ${event.index}`] : [],
      ),
    )
    expect(undecodable).toEqual([])
  })

  it('have bound what every loader’s commands, command lines and variables say', () => {
    const unbound = logs.flatMap(({ name, events }) =>
      events.flatMap(({ event, decoded }) => {
        const isCommand = decoded.kind === 'ipl' && /command/.test(decoded.form) && !decoded.text.bound
        const isVariable =
          decoded.kind.startsWith('variable') && 'contents' in decoded && !decoded.contents.bound
        return isCommand || isVariable ? [`${name} ${event.index}`] : []
      }),
    )
    expect(unbound).toEqual([])
  })

  it('have the state of Secure Boot that the replay reads', () => {
    for (const { name, log, kind, events } of logs) {
      const replayed = replayEventLog(log, bankOf(log), { registers: kind }).secureBoot
      expect(readSecureBoot(events, kind).enabled, name).toBe(replayed)
    }
  })

  it('give no false alarm', () => {
    const alarms = logs.flatMap(({ name, events, kind }) =>
      readSecureBoot(events, kind).problems.map(({ code }) => `${name} ${code}`),
    )
    expect([...new Set(alarms)]).toEqual([
      // Firmware for TPM 1.2 that measures the values of variables alone: nothing binds their names.
      'go-eventlog/linux_tpm12.bin SECURE_BOOT_UNREADABLE',
      // One event that was cut out of a log.
      'tpm2-tools/event-uefivar.bin SECURE_BOOT_KEYS_MISSING',
      'tpm2-tools/event-uefivar.bin SECURE_BOOT_AUTHORITY_MISSING',
    ])
  })

  it.each<[string, [number, string | null][]]>([
    [
      'go-tpm-tools/debian-10.bin',
      [
        [21, 'CN=Microsoft Corporation UEFI CA 2011'],
        [22, 'CN=Debian Secure Boot CA'],
        [24, null],
      ],
    ],
    [
      'go-tpm-tools/rhel8-uefi.bin',
      [
        [23, 'CN=Microsoft Corporation UEFI CA 2011'],
        [26, 'CN=Red Hat Secure Boot CA 5'],
        [77, null],
      ],
    ],
    [
      'keylime/binary_bios_measurements-secureboot.bin',
      [
        [14, null],
        [29, 'CN=Microsoft Corporation UEFI CA 2011'],
        [35, 'CN=Red Hat Secure Boot CA 5'],
        [93, null],
      ],
    ],
    [
      'ima-evm-utils/test_binary_bios_measurements.bin',
      [
        [40, 'CN=Microsoft Corporation UEFI CA 2011'],
        [42, 'CN=Canonical Ltd. Master Certificate Authority'],
        [44, null],
        [45, 'CN=Secure Boot Signing'],
      ],
    ],
  ])('%s says what verified which image', (name, expected) => {
    const pairs = factsOf(name).images.map(({ event, authority }) => {
      const subject = authority?.entry.kind === 'certificate' ? authority.entry.certificate.subject : null
      return [event, /CN=[^,]*/.exec(subject ?? '')?.[0] ?? null]
    })
    expect(pairs).toEqual(expected)
  })
})
