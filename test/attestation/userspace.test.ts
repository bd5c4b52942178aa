import { createHmac, hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  extendByUserspace,
  parseEventLog,
  parseUserspaceLog,
  readMeasurement,
  replayEventLog,
  replayNvPcrs,
  UserspaceLogError,
} from '../../attestation/index.ts'
import { fixture, readPcrText } from './recorded-host.ts'

const content = 'sysinit'
const digest = hash('sha256', content)
const good = {
  pcr: 11,
  digests: [{ hashAlg: 'sha256', digest }],
  content_type: 'systemd',
  content: { string: content },
}
const record = (value: unknown): Buffer =>
  Buffer.from(`\x1e${typeof value === 'string' ? value : JSON.stringify(value)}\n`)

/** A record as systemd writes it, in these banks. */
function measured(
  register: { pcr: number } | { nv_index: number } | { rtmr: number; mapped_pcr?: number },
  text: string,
  more: { banks?: readonly ('sha1' | 'sha256' | 'sha384')[]; content?: object } = {},
): Buffer {
  const digests = (more.banks ?? ['sha256']).map(bank => ({ hashAlg: bank, digest: hash(bank, text) }))
  const bootId = 'e172c2a5104c483ba0d8aae700d1359b'
  const said = { string: text, bootId, timestamp: 30249521, ...more.content }
  return record({ ...register, digests, content_type: 'systemd', content: said })
}

function errorOf(bytes: Buffer): UserspaceLogError | null {
  try {
    parseUserspaceLog(bytes)
  } catch (error) {
    if (error instanceof UserspaceLogError) return error
    throw error
  }
  return null
}
const codeOf = (bytes: Buffer): string => errorOf(bytes)?.code ?? 'PARSED'
const onlyEvent = (bytes: Buffer) => {
  const [event] = parseUserspaceLog(bytes).events
  if (event === undefined) throw new Error('no event')
  return event
}

describe('parseUserspaceLog', () => {
  it('reads the recorded log', () => {
    const { events, pending } = parseUserspaceLog(fixture('debian13-uki', 'userspace.jsonseq'))
    expect(events.map(({ pcr, content: text }) => [pcr, text.replace(/:.*/, '')])).toEqual([
      [15, 'machine-id'],
      [11, 'sysinit'],
      [11, 'ready'],
    ])
    expect(events.every(event => event.bound.has('sha1') && event.bound.has('sha256'))).toBe(true)
    expect(events.map(({ claims }) => claims.eventType)).toEqual(['machine-id', 'phase', 'phase'])
    expect(pending).toBeNull()
  })

  it('reads an empty log', () => {
    expect(parseUserspaceLog(Buffer.alloc(0))).toEqual({ events: [], pending: null })
  })

  it('labels content that the digest does not bind', () => {
    expect(onlyEvent(record({ ...good, content: { string: 'ready' } })).bound.size).toBe(0)
  })

  it('takes what it does not know, and binds none of it', () => {
    expect(codeOf(record({ ...good, content: { ...good.content, bootId: 'x', new: 1 } }))).toBe('PARSED')
    expect(codeOf(record({ ...good, recnum: 7, more: { new: [1] } }))).toBe('PARSED')
    const foreign = onlyEvent(record({ ...good, content_type: 'ima_template', content: 'deadbeef' }))
    expect([foreign.content, foreign.bound.size]).toEqual(['', 0])
    const odd = onlyEvent(record({ ...good, content: { string: 1, eventType: [], timestamp: 'x' } }))
    expect(odd.claims).toEqual({ eventType: null, nvIndexName: null, bootId: null, timestamp: null })
  })

  it('leaves out a bank that it does not know', () => {
    const unknown = { hashAlg: 'sm3_256', digest: '00'.repeat(32) }
    const event = onlyEvent(record({ ...good, digests: [unknown, ...good.digests] }))
    expect(Array.from(event.digests.keys())).toEqual(['sha256'])
    expect(codeOf(record({ ...good, digests: [unknown] }))).toBe('USERSPACE_LOG_MALFORMED')
  })

  it.each([
    ['a PCR of a late launch', { ...good, pcr: 17 }],
    ['a PCR that no TPM has', { ...good, pcr: 24 }],
    ['a PCR that is no number', { ...good, pcr: '11' }],
    ['a PCR that is no integer', { ...good, pcr: 11.5 }],
    ['no register', { ...good, pcr: undefined }],
    ['two registers', { ...good, nv_index: 0x1d10200 }],
    ['an NV index that is none', { ...good, pcr: undefined, nv_index: 11 }],
    ['an RTMR that is none', { ...good, pcr: undefined, rtmr: 4 }],
    ['no digest', { ...good, digests: [] }],
    ['a digest too short', { ...good, digests: [{ hashAlg: 'sha256', digest: digest.slice(2) }] }],
    [
      'a digest of an odd number of digits',
      { ...good, digests: [{ hashAlg: 'sha256', digest: `${digest}0` }] },
    ],
    ['a bank twice', { ...good, digests: [...good.digests, ...good.digests] }],
    ['a key twice', JSON.stringify(good).replace('{', '{"pcr":12,')],
    ['no JSON', 'hello'],
  ])('refuses a record with %s', (_, value) => {
    const error = errorOf(Buffer.concat([record(good), record(value)]))
    expect([error?.code, error?.at]).toEqual(['USERSPACE_LOG_MALFORMED', 'record 1'])
    expect(error?.offset).toBe(record(good).length)
  })

  it('refuses a log that misses a separator, or is too large', () => {
    const whole = record(good)
    expect(codeOf(whole.subarray(1))).toBe('USERSPACE_LOG_MALFORMED')
    expect(codeOf(Buffer.concat([whole, Buffer.from('\n')]))).toBe('USERSPACE_LOG_MALFORMED')
    expect(codeOf(Buffer.alloc((4 << 20) + 1, 0x1e))).toBe('USERSPACE_LOG_TOO_LARGE')
  })

  it('leaves out the last record while it is being written, and only that', () => {
    const log = Buffer.concat([record(good), measured({ pcr: 11 }, 'ready')])
    const first = record(good).length
    for (let end = first + 1; end < log.length; end++) {
      const { events, pending } = parseUserspaceLog(log.subarray(0, end))
      expect([events.length, pending]).toEqual([1, { offset: first, length: end - first }])
    }
    expect(codeOf(Buffer.concat([log.subarray(0, first + 9), record(good)]))).toBe('USERSPACE_LOG_MALFORMED')
    expect(codeOf(Buffer.concat([log.subarray(0, first - 1), Buffer.from('\x1e{')]))).toBe(
      'USERSPACE_LOG_MALFORMED',
    )
    expect(codeOf(Buffer.concat([Buffer.from('\x1e'), Buffer.alloc(70_000, 0x20)]))).toBe(
      'USERSPACE_LOG_MALFORMED',
    )
  })

  it('lets nothing but systemd’s separator extend what the firmware measures', () => {
    for (const pcr of [0, 4, 7]) {
      expect(codeOf(measured({ pcr }, 'os-separator', { banks: ['sha1', 'sha256'] }))).toBe('PARSED')
      const image = { ...good, pcr, content: { string: 'os-separator', eventType: 'os-separator' } }
      expect(codeOf(record(image))).toBe('USERSPACE_LOG_FIRMWARE_PCR')
      expect(codeOf(measured({ pcr }, 'sysinit'))).toBe('USERSPACE_LOG_FIRMWARE_PCR')
      const half = { hashAlg: 'sha1', digest: '00'.repeat(20) }
      const digests = [{ hashAlg: 'sha256', digest: hash('sha256', 'os-separator') }, half]
      expect(codeOf(record({ ...image, digests }))).toBe('USERSPACE_LOG_FIRMWARE_PCR')
    }
  })
})

describe('readMeasurement', () => {
  const uuid = '1e023a55-60f9-4b6b-9b80-67438dc5f065'
  const read = (text: string, pcr = 15) => readMeasurement(onlyEvent(measured({ pcr }, text)))

  it.each([
    ['sysinit', 11, { kind: 'phase', phase: 'sysinit' }],
    ['sysinit', 15, { kind: 'other', text: 'sysinit' }],
    ['machine-id:c481', 15, { kind: 'machine-id', machineId: 'c481' }],
    [`cryptsetup:root:${uuid}`, 15, { kind: 'volume-key', volume: 'root', uuid }],
    [
      `cryptsetup-keyslot:root:${uuid}:tpm2:1`,
      15,
      { kind: 'keyslot', volume: 'root', uuid, mechanism: 'tpm2', slot: '1' },
    ],
    ['product-id:4691', 15, { kind: 'product-id', productId: '4691' }],
    ['product-id:missing', 15, { kind: 'product-id', productId: null }],
    ['verity:usr:abcd:', 15, { kind: 'dm-verity', device: 'usr', rootHash: 'abcd', signers: [] }],
    [
      'verity:usr:abcd:1/A=,2/B=',
      15,
      { kind: 'dm-verity', device: 'usr', rootHash: 'abcd', signers: ['1/A=', '2/B='] },
    ],
    ['login:a\\x3ab:{"uid":1}', 15, { kind: 'login', user: 'a:b', record: '{"uid":1}' }],
    ['nvpcr-separator', 9, { kind: 'nvpcr-separator' }],
    ['os-separator', 13, { kind: 'os-separator' }],
    ['verity:usr:no digest', 15, { kind: 'other', text: 'verity:usr:no digest' }],
    ['cryptsetup:root', 15, { kind: 'other', text: 'cryptsetup:root' }],
    ['new:thing', 15, { kind: 'other', text: 'new:thing' }],
    ['', 11, { kind: 'other', text: '' }],
  ])('reads %s in PCR %i', (text, pcr, expected) => {
    expect(read(text, pcr)).toEqual(expected)
  })

  it('reads a file system with colons in its names', () => {
    expect(read(`file-system:/:ext4:${uuid}:a\\x3ab \\xc3\\xa4:p:t:root-x86-64`)).toEqual({
      kind: 'filesystem',
      mountPoint: '/',
      fields: {
        type: 'ext4',
        uuid,
        label: 'a:b ä',
        partitionUuid: 'p',
        partitionType: 't',
        partitionLabel: 'root-x86-64',
      },
    })
  })

  it('reads both forms of an NvPCR’s beginning', () => {
    const state = 'de3857f637c61e82f02e3722e1b207585fe9711045d863238904be8db10683f2'
    expect(read(`nvpcr-init:hardware:0x1d10200:sha256:${state}`, 9)).toEqual({
      kind: 'nvpcr-init',
      anchor: {
        name: 'hardware',
        nvIndex: 0x1d10200,
        state: { algorithm: 'sha256', value: state },
        tpmName: null,
      },
    })
    expect(read(`nvpcr-init:login:0x1d10203:000b${state}`, 9)).toEqual({
      kind: 'nvpcr-init',
      anchor: { name: 'login', nvIndex: 0x1d10203, state: null, tpmName: `000b${state}` },
    })
  })

  it('does not take a volume key for bound: its digest is keyed', () => {
    const string = `cryptsetup:root:${uuid}`
    const digests = [{ hashAlg: 'sha256', digest: createHmac('sha256', 'key').update(string).digest('hex') }]
    const event = onlyEvent(
      record({ ...good, pcr: 15, digests, content: { string, eventType: 'volume-key' } }),
    )
    expect([readMeasurement(event).kind, event.bound.size]).toEqual(['volume-key', 0])
  })
})

describe('extendByUserspace', () => {
  it.each(['debian13-uki', 'debian13-uki-secureboot'] as const)(
    '%s: all PCRs that systemd extends, in both banks',
    host => {
      const { events } = parseUserspaceLog(fixture(host, 'userspace.jsonseq'))
      for (const bank of ['sha1', 'sha256'] as const) {
        const boot = replayEventLog(parseEventLog(fixture(host, 'eventlog.bin')), bank)
        const pcrs = extendByUserspace(boot, events)
        const read = readPcrText(fixture(host, 'pcrread.txt').toString(), bank)
        for (const pcr of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15])
          expect([pcr, pcrs.get(pcr)?.toString('hex')]).toEqual([pcr, read.get(pcr)])
      }
    },
  )

  it('comes after the firmware, in each bank of its own, and only in PCRs', () => {
    const banks = ['sha1', 'sha256', 'sha384'] as const
    const log = Buffer.concat([
      measured({ pcr: 7 }, 'os-separator', { banks }),
      measured({ pcr: 12 }, 'os-separator', { banks }),
      measured({ nv_index: 0x1d10200 }, 'product-id:x', { content: { nvIndexName: 'hardware' } }),
      measured({ rtmr: 2, mapped_pcr: 11 }, 'sysinit', { banks: ['sha384'] }),
      measured({ pcr: 16 }, 'debug', { banks }),
    ])
    const { events } = parseUserspaceLog(log)
    expect(events.map(({ register, pcr }) => [register.kind, pcr])).toEqual([
      ['pcr', 7],
      ['pcr', 12],
      ['nv', null],
      ['rtmr', null],
      ['pcr', 16],
    ])
    for (const bank of banks) {
      const size = hash(bank, '', 'buffer').length
      const firmware = Buffer.alloc(size, 7)
      const boot = {
        bank,
        pcrs: new Map([7, 11, 12].map(pcr => [pcr, pcr === 7 ? firmware : Buffer.alloc(size)])),
      }
      const separator = hash(bank, 'os-separator', 'buffer')
      expect(extendByUserspace(boot, events)).toEqual(
        new Map([
          [7, hash(bank, Buffer.concat([firmware, separator]), 'buffer')],
          [11, Buffer.alloc(size)],
          [12, hash(bank, Buffer.concat([Buffer.alloc(size), separator]), 'buffer')],
        ]),
      )
    }
  })
})

describe('replayNvPcrs', () => {
  const HARDWARE = 0x1d10200
  const state = 'de3857f637c61e82f02e3722e1b207585fe9711045d863238904be8db10683f2'
  const init = measured({ pcr: 9 }, `nvpcr-init:hardware:0x1d10200:sha256:${state}`)
  const separator = measured({ pcr: 9 }, 'nvpcr-separator')
  const product = measured({ nv_index: HARDWARE }, 'product-id:4691', {
    content: { nvIndexName: 'hardware' },
  })
  const replay = (...records: Buffer[]) =>
    replayNvPcrs(parseUserspaceLog(Buffer.concat(records)).events, 'sha256')
  const extended = (start: Buffer, ...texts: string[]): Buffer =>
    texts.reduce<Buffer>(
      (value, text) => hash('sha256', Buffer.concat([value, hash('sha256', text, 'buffer')]), 'buffer'),
      start,
    )

  it('replays an index from the value that PCR 9 binds', () => {
    const [nvPcr, ...others] = replay(init, separator, product)
    expect(others).toEqual([])
    expect(nvPcr).toMatchObject({ nvIndex: HARDWARE, name: 'hardware', records: [2], trust: 'anchored' })
    expect(nvPcr?.value).toEqual(extended(Buffer.from(state, 'hex'), 'product-id:4691'))
  })

  it('replays an index that its Name anchors from zeros', () => {
    const [nvPcr] = replay(measured({ pcr: 9 }, `nvpcr-init:hardware:0x1d10200:000b${state}`), product)
    expect(nvPcr?.trust).toBe('anchored')
    const zeros = hash('sha256', Buffer.alloc(64), 'buffer')
    // What the index reads as, fresh, on every machine.
    expect(zeros.toString('hex')).toBe('f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b')
    expect(nvPcr?.value).toEqual(extended(zeros, 'product-id:4691'))
  })

  it('trusts nothing that is not bound, or comes after the separator', () => {
    const late = replay(separator, init, product)
    expect(late[0]).toMatchObject({ name: 'hardware', trust: 'claimed' })
    const text = `nvpcr-init:hardware:0x1d10200:sha256:${state}`
    const unbound = record({ ...good, pcr: 9, content: { string: text, eventType: 'nvpcr-init' } })
    expect(replay(unbound, product)[0]).toMatchObject({ value: null, anchor: null, trust: 'claimed' })
    const elsewhere = measured({ pcr: 12 }, text)
    expect(replay(elsewhere, product)[0]).toMatchObject({ value: null, trust: 'claimed' })
    const short = measured({ pcr: 9 }, 'nvpcr-init:hardware:0x1d10200:sha256:abcd')
    expect(replay(short, product)[0]).toMatchObject({ value: null, trust: 'claimed' })
  })

  it('lets no later beginning replace the first', () => {
    const again = measured({ pcr: 9 }, `nvpcr-init:other:0x1d10200:sha256:${'00'.repeat(32)}`)
    expect(replay(init, again)[0]).toMatchObject({ name: 'hardware', anchor: { record: 0 } })
    expect(replay(init, separator, again)[0]?.value?.toString('hex')).toBe(state)
  })
})
