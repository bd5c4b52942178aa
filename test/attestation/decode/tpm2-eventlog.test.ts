import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type DecodedEvent, decodeEvents } from '../../../attestation/eventlog/decode/index.ts'
import { ANY_EVENT_LOG, parseEventLog } from '../../../attestation/eventlog/index.ts'
import { RECORDED_EVIDENCE } from '../../support/recorded-evidence.ts'

const hasTool = spawnSync('tpm2_eventlog', ['--version']).status === 0
const hosts = resolve(import.meta.dirname, '../../fixtures/hosts')

/** What both tools say: `key: value` of each event, in order. */
const KEYS =
  /^(VariableName|UnicodeName|SignatureType|SignatureOwner|SignatureData|BlobBase|BlobLength|ImageLocationInMemory|ImageLengthInMemory|ImageLinkTimeAddress|DiskGUID|PartitionTypeGUID|UniquePartitionGUID|StartingLBA|EndingLBA|Attributes|Description|Boot[0-9A-Fa-f]{4})$/

/** Lines of the tool's YAML, each below the number of its event. */
function toolSays(file: string): Map<number, string[]> {
  const yaml = spawnSync('tpm2_eventlog', ['--eventlog-version=2', file], {
    encoding: 'utf8',
    maxBuffer: 16 << 20,
  }).stdout
  const events = new Map<number, string[]>()
  let lines: string[] = []
  for (const line of yaml.split('\n')) {
    // Logs of SHA-1 alone have no EventNum.
    if (line.startsWith('  PCRIndex:')) {
      lines = []
      events.set(events.size, lines)
    }
    const [, key = '', value = ''] = /^\s*(?:- )?(\w+)(?:: (.*))?$/.exec(line) ?? []
    if (KEYS.test(key)) lines.push(`${key}: ${value.replaceAll(/^["']|["']$/g, '')}`)
  }
  return events
}

const hex = (value: bigint): string => `0x${value.toString(16)}`

/** The same lines from what Writ decodes; null where the tool is known to be wrong or to say nothing. */
function writSays(decoded: DecodedEvent): string[] | null {
  switch (decoded.kind) {
    case 'variable':
    case 'variable-boot':
    case 'variable-authority':
      return [
        `VariableName: ${decoded.guid.value}`,
        `UnicodeName: ${decoded.name.value}`,
        ...contentsSay(decoded),
      ]
    case 'firmware-blob':
      return [`BlobBase: ${hex(decoded.base.value)}`, `BlobLength: ${hex(decoded.length.value)}`]
    case 'image-load':
      return [
        `ImageLocationInMemory: ${hex(decoded.address.value)}`,
        `ImageLengthInMemory: ${decoded.length.value}`,
        `ImageLinkTimeAddress: ${hex(decoded.linkTimeAddress.value)}`,
      ]
    case 'gpt':
      return [
        `DiskGUID: ${decoded.diskGuid.value}`,
        ...decoded.partitions.value.flatMap(partition => [
          `PartitionTypeGUID: ${partition.type}`,
          `UniquePartitionGUID: ${partition.guid}`,
          `StartingLBA: ${hex(partition.firstLba)}`,
          `EndingLBA: ${hex(partition.lastLba)}`,
          `Attributes: ${hex(partition.attributes)}`,
        ]),
      ]
    default:
      return null
  }
}

function contentsSay({ contents, kind }: Extract<DecodedEvent, { contents: unknown }>): string[] {
  const { value } = contents
  const data = (entry: Record<string, unknown>): string => {
    const {
      certificate,
      digest,
      data: raw,
    } = entry as { certificate?: { der: Buffer }; digest?: string; data?: Buffer }
    return `SignatureData: ${certificate?.der.toString('hex') ?? digest ?? raw?.toString('hex')}`
  }
  if (value.form === 'signatures') {
    return value.lists.flatMap(({ type, entries }) => [
      `SignatureType: ${type}`,
      ...entries.flatMap(entry => [`SignatureOwner: ${entry.owner}`, data({ ...entry })]),
    ])
  }
  if (value.form === 'signature') return [`SignatureOwner: ${value.entry.owner}`, data({ ...value.entry })]
  if (value.form === 'load-option') return [`Description: ${value.option.description}`]
  if (value.form === 'order' && kind === 'variable-boot')
    return value.options.map(option => `Boot${option.toLowerCase()}: `)
  return []
}

/**
 * The tool reads `db` only, and takes the first 16 bytes of a certificate for an owner where shim before 15.5 logs none. What is left to
 * compare then is the namespace and the name.
 */
function opaque(decoded: DecodedEvent): boolean {
  if (decoded.kind !== 'variable-authority') return false
  const { value } = decoded.contents
  const isOwned = value.form === 'signature' && value.entry.owner !== null
  return decoded.name.value !== 'db' || !isOwned
}

/** Compares every event of a log; gives how many were comparable. */
function compare(file: string): number {
  const log = parseEventLog(readFileSync(file), ANY_EVENT_LOG)
  const tool = toolSays(file)
  let compared = 0
  for (const { event, decoded } of decodeEvents(
    log.events,
    log.banks.includes('sha256') ? 'sha256' : 'sha1',
  )) {
    const ours = writSays(decoded)
    if (ours === null) continue
    compared++
    const theirs = tool.get(event.index) ?? []
    const names = opaque(decoded) ? 2 : Number.POSITIVE_INFINITY
    expect(ours.slice(0, names), `${file} event ${event.index}`).toEqual(theirs.slice(0, names))
  }
  return compared
}

describe.skipIf(!hasTool)('tpm2_eventlog (of tpm2-tools)', () => {
  it.each(['debian13-uki', 'debian13-uki-secureboot'])('reads the log of %s as Writ does', host => {
    expect(compare(join(hosts, host, 'eventlog.bin'))).toBeGreaterThan(10)
  })

  const real = RECORDED_EVIDENCE === undefined ? '/' : join(RECORDED_EVIDENCE, 'eventlog')
  const folders =
    RECORDED_EVIDENCE === undefined ? [] : ['go-tpm-tools', 'keylime', 'rust-keylime', 'tpm2-tools']
  const files = folders.flatMap(folder =>
    readdirSync(join(real, folder))
      .filter(file => file.endsWith('.bin') && !file.includes('bogus'))
      .map(file => join(real, folder, file)),
  )

  it.skipIf(files.length === 0)('reads the logs of real machines as Writ does (WRIT_FIXTURES)', () => {
    const compared = files.map(compare)
    expect(compared.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(250)
  })
})
