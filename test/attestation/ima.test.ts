import { hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { bootAggregates, ImaLogError, ImaReplay, replayImaLog } from '../../attestation/index.ts'
import { type ImaFields, imaEntry, templateData, templateHash } from './ima-log.ts'
import { fixture } from './recorded-host.ts'
import { extend, u32le } from './tcg-log.ts'

const ZERO = Buffer.alloc(32)
const entries: ImaFields[] = [
  { path: 'boot_aggregate' },
  { template: 'ima-sig', path: '/bin/sh', signature: Buffer.from('030204', 'hex') },
  { violation: true, path: '/var/log/x' },
  { path: '/bin/ls' },
]
const log = Buffer.concat(entries.map(imaEntry))

function codeOf(step: () => unknown): string {
  try {
    step()
  } catch (error) {
    if (error instanceof ImaLogError) return error.code
    throw error
  }
  return 'OK'
}

describe('ImaReplay', () => {
  it('replays the recorded logs', () => {
    const replay = replayImaLog(fixture('debian13-uki', 'ima.bin'))
    const ascii = fixture('debian13-uki', 'ima.ascii').toString().trimEnd().split('\n')
    expect(replay.length).toBe(509)
    for (const [index, line] of ascii.entries()) {
      const entry = replay.entry(index)
      const [pcr, , template, digest, path] = line.split(' ')
      expect([String(entry.pcr), entry.template, entry.digest, entry.path]).toEqual([
        pcr,
        template,
        digest,
        path,
      ])
      expect(entry).toMatchObject({ violation: false, columnMatches: true })
    }
  })

  it.each(['native', 'padded'] as const)('keeps PCR 10 after each entry: %s', how => {
    const replay = replayImaLog(log, how)
    let pcr10: Buffer = ZERO
    expect(replay.pcr10After(0)).toEqual(ZERO)
    for (const [index, fields] of entries.entries()) {
      pcr10 = extend(pcr10, templateHash(fields, how))
      expect(replay.pcr10After(index + 1)).toEqual(pcr10)
    }
  })

  it('extends a violation, and only one, with all ones', () => {
    const replay = replayImaLog(log)
    expect(replay.pcr10After(3)).toEqual(extend(replay.pcr10After(2), Buffer.alloc(32, 0xff)))
    expect([0, 1, 2, 3].map(i => replay.entry(i).violation)).toEqual([false, false, true, false])
    // A column that only begins with zeros is a wrong hash, not a violation.
    const almost = replayImaLog(imaEntry({ column: Buffer.concat([Buffer.alloc(19), Buffer.of(1)]) }))
    expect(almost.entry(0)).toMatchObject({ violation: false, columnMatches: false })
    expect(almost.pcr10After(1)).toEqual(extend(ZERO, templateHash({})))
  })

  it('takes the template hash from the data, not from the column', () => {
    const lie = { path: '/bin/evil', column: hash('sha1', templateData({ path: '/bin/true' }), 'buffer') }
    for (const how of ['native', 'padded'] as const) {
      const replay = replayImaLog(imaEntry(lie), how)
      expect(replay.pcr10After(1)).toEqual(extend(ZERO, templateHash({ path: '/bin/evil' }, how)))
      expect(replay.entry(0).columnMatches).toBe(false)
    }
  })

  it('leaves PCR 10 alone for an entry of another PCR', () => {
    const replay = replayImaLog(Buffer.concat([imaEntry(), imaEntry({ pcr: 11 })]))
    expect(replay.pcr10After(2)).toEqual(replay.pcr10After(1))
  })

  it('finds the last position that fits', () => {
    const replay = replayImaLog(log)
    for (let count = 0; count <= 4; count++) {
      const wanted = Buffer.from(replay.pcr10After(count))
      expect(replay.findPosition(pcr10 => pcr10.equals(wanted))).toBe(count)
    }
    expect(replay.findPosition(() => false)).toBe(null)
    const trailing = replayImaLog(Buffer.concat([log, imaEntry({ pcr: 11 })]))
    const end = Buffer.from(trailing.pcr10After(5))
    expect(trailing.findPosition(pcr10 => pcr10.equals(end))).toBe(4)
  })

  it('gives the same result whichever pieces the log comes in', () => {
    const whole = replayImaLog(log)
    for (const size of [1, 7, 64, log.length]) {
      const replay = new ImaReplay()
      for (let at = 0; at < log.length; at += size) replay.append(log.subarray(at, at + size))
      expect(replay.length).toBe(4)
      expect(replay.pendingBytes).toBe(0)
      expect(replay.bytes).toEqual(log)
      expect(replay.pcr10After(4)).toEqual(whole.pcr10After(4))
    }
  })

  it('says how much of an entry is missing', () => {
    const replay = new ImaReplay()
    replay.append(log.subarray(0, log.length - 1))
    expect(replay.length).toBe(3)
    expect(replay.pendingBytes).toBeGreaterThan(0)
    expect(codeOf(() => replayImaLog(log.subarray(0, log.length - 1)))).toBe('IMA_LOG_TRUNCATED')
  })

  it('bounds every length', () => {
    const huge = imaEntry()
    huge.writeUInt32LE(0xffffffff, 24)
    expect(codeOf(() => replayImaLog(huge))).toBe('IMA_LOG_MALFORMED')
    const noName = imaEntry()
    noName.writeUInt32LE(0, 24)
    expect(codeOf(() => replayImaLog(noName))).toBe('IMA_LOG_MALFORMED')
    const hugeData = imaEntry()
    hugeData.writeUInt32LE(0xffffffff, 28 + 'ima-ng'.length)
    expect(codeOf(() => replayImaLog(hugeData))).toBe('IMA_LOG_MALFORMED')
  })

  it('stays refused once refused', () => {
    const replay = new ImaReplay()
    const bad = imaEntry()
    bad.writeUInt32LE(0, 24)
    expect(codeOf(() => replay.append(bad))).toBe('IMA_LOG_MALFORMED')
    expect(codeOf(() => replay.append(imaEntry()))).toBe('IMA_LOG_MALFORMED')
    expect(replay.length).toBe(0)
    expect(replay.bytes).toEqual(bad)
  })

  it('replays templates that it cannot decode, and says so when asked for the entry', () => {
    const replay = replayImaLog(imaEntry({ template: 'ima-other' }))
    expect(replay.pcr10After(1)).toEqual(extend(ZERO, templateHash({})))
    expect(codeOf(() => replay.entry(0))).toBe('IMA_TEMPLATE_UNSUPPORTED')
    expect(codeOf(() => replayImaLog(imaEntry({ template: 'constructor' })).entry(0))).toBe(
      'IMA_TEMPLATE_UNSUPPORTED',
    )
    expect(codeOf(() => replayImaLog(imaEntry({ template: 'd-ng|n-ng|other' })).entry(0))).toBe(
      'IMA_TEMPLATE_UNSUPPORTED',
    )
  })

  const framed = (data: Buffer): Buffer =>
    Buffer.concat([
      u32le(10),
      hash('sha1', data, 'buffer'),
      u32le(6),
      Buffer.from('ima-ng'),
      u32le(data.length),
      data,
    ])
  const field = (bytes: Uint8Array | string): Buffer =>
    Buffer.concat([u32le(bytes.length), Buffer.from(bytes)])
  const goodDigest = field(Buffer.concat([Buffer.from('sha256:\0'), Buffer.alloc(32, 1)]))
  it.each([
    ['no hash', Buffer.concat([field(Buffer.alloc(32)), field('/x\0')])],
    [
      'a short digest',
      Buffer.concat([field(Buffer.concat([Buffer.from('sha256:\0'), Buffer.alloc(31)])), field('/x\0')]),
    ],
    ['a path that does not end', Buffer.concat([goodDigest, field('/x')])],
    ['two paths', Buffer.concat([goodDigest, field('/x\0/y\0')])],
    ['a field missing', goodDigest],
    ['a field more', Buffer.concat([goodDigest, field('/x\0'), field('')])],
    ['a field of 4 GiB', Buffer.concat([goodDigest, u32le(0xffffffff)])],
  ])('refuses to decode %s', (_, data) => {
    expect(codeOf(() => replayImaLog(framed(data)).entry(0))).toBe('IMA_LOG_MALFORMED')
  })

  it.each(['md9', 'toString', 'sha1 '])('does not know the hash %j', name => {
    const data = Buffer.concat([
      field(Buffer.concat([Buffer.from(`${name}:\0`), Buffer.alloc(32)])),
      field('/x\0'),
    ])
    expect(codeOf(() => replayImaLog(framed(data)).entry(0))).toBe('IMA_DIGEST_UNSUPPORTED')
  })

  it('keeps names apart that are not UTF-8', () => {
    const name = (byte: number): string =>
      replayImaLog(imaEntry({ path: Buffer.of(0x2f, byte) })).entry(0).path
    expect(name(0xff)).toBe('/\\xff')
    expect(name(0xff)).not.toBe(name(0xfe))
  })

  it('has no position beyond its end', () => {
    expect(() => replayImaLog(log).pcr10After(5)).toThrow(RangeError)
    expect(() => replayImaLog(log).entry(4)).toThrow(RangeError)
  })
})

describe('bootAggregates', () => {
  const pcrs = new Map(Array.from({ length: 10 }, (_, pcr) => [pcr, Buffer.alloc(32, pcr)]))

  it('is over PCR 0 to 7 or 0 to 9', () => {
    const over = (count: number): string =>
      `sha256:${hash('sha256', Buffer.concat([...pcrs.values()].slice(0, count)))}`
    expect(bootAggregates('sha256', pcrs)).toEqual([over(8), over(10)])
  })

  it('is none where a PCR is not known', () => {
    expect(bootAggregates('sha256', new Map([...pcrs].slice(1)))).toEqual([])
  })
})
