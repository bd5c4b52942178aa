import { hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { parseUserspaceLog, UserspaceLogError } from '../../attestation/index.ts'
import { fixture } from './recorded-host.ts'

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

function codeOf(bytes: Buffer): string {
  try {
    parseUserspaceLog(bytes)
  } catch (error) {
    if (error instanceof UserspaceLogError) return error.code
    throw error
  }
  return 'PARSED'
}

describe('parseUserspaceLog', () => {
  it('reads the recorded log', () => {
    const events = parseUserspaceLog(fixture('debian13-uki', 'userspace.jsonseq'))
    expect(events.map(({ pcr, content: text }) => [pcr, text.replace(/:.*/, '')])).toEqual([
      [15, 'machine-id'],
      [11, 'sysinit'],
      [11, 'ready'],
    ])
    expect(events.every(event => event.bound.has('sha1') && event.bound.has('sha256'))).toBe(true)
  })

  it('reads an empty log', () => {
    expect(parseUserspaceLog(Buffer.alloc(0))).toEqual([])
  })

  it('labels content that the digest does not bind', () => {
    const [event] = parseUserspaceLog(record({ ...good, content: { string: 'ready' } }))
    expect(event?.bound.size).toBe(0)
  })

  it('takes members of content that it does not know, and none beside it', () => {
    expect(codeOf(record({ ...good, content: { ...good.content, bootId: 'x', new: 1 } }))).toBe('PARSED')
    expect(codeOf(record({ ...good, more: 1 }))).toBe('USERSPACE_LOG_MALFORMED')
  })

  it.each([
    ['a PCR of the firmware', { ...good, pcr: 7 }],
    ['a PCR of a late launch', { ...good, pcr: 17 }],
    ['a PCR that is no number', { ...good, pcr: '11' }],
    ['a PCR that is no integer', { ...good, pcr: 11.5 }],
    ['no PCR', { ...good, pcr: undefined }],
    ['no digest', { ...good, digests: [] }],
    ['an unknown hash', { ...good, digests: [{ hashAlg: 'md5', digest }] }],
    ['a digest too short', { ...good, digests: [{ hashAlg: 'sha256', digest: digest.slice(2) }] }],
    [
      'a digest of an odd number of digits',
      { ...good, digests: [{ hashAlg: 'sha256', digest: `${digest}0` }] },
    ],
    ['a bank twice', { ...good, digests: [...good.digests, ...good.digests] }],
    ['another content type', { ...good, content_type: 'pcclient_std' }],
    ['a key twice', JSON.stringify(good).replace('{', '{"pcr":12,')],
    ['no JSON', 'hello'],
  ])('refuses a record with %s', (_, value) => {
    expect(codeOf(record(value))).toBe('USERSPACE_LOG_MALFORMED')
  })

  it('refuses a log that is cut, misses a separator, or is too large', () => {
    const whole = record(good)
    for (let end = 1; end < whole.length; end++)
      expect(codeOf(whole.subarray(0, end))).toBe('USERSPACE_LOG_MALFORMED')
    expect(codeOf(whole.subarray(1))).toBe('USERSPACE_LOG_MALFORMED')
    expect(codeOf(Buffer.concat([whole, Buffer.from('\n')]))).toBe('USERSPACE_LOG_MALFORMED')
    expect(codeOf(Buffer.alloc((4 << 20) + 1, 0x1e))).toBe('USERSPACE_LOG_TOO_LARGE')
  })
})
