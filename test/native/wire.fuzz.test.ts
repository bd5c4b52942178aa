import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeAdopted,
  decodeCaller,
  decodeEnded,
  decodeFailure,
  decodeHello,
  decodeList,
  decodeMessage,
  decodePrepared,
  decodeStaged,
  decodeStopped,
  type Message,
} from '../../daemon/launcher/decode.ts'
import { encodeOrder, encodePrepare, encodeStrings } from '../../daemon/launcher/encode.ts'
import { LauncherError } from '../../daemon/launcher/error.ts'
import type { LaunchOrder } from '../../daemon/launcher/types.ts'
import { ByteReader } from '../../encoding/byte-reader.ts'

const order: LaunchOrder = {
  ...{
    executionId: '00'.repeat(16),
    parentExecution: null,
    epoch: 1n,
    expiryBootNs: 2n,
    maxEvidenceAgeNs: 3n,
  },
  ...{
    digests: ['ab'.repeat(32)],
    argv: ['/bin/true'],
    env: [],
    cwd: '/',
    network: 'none',
    writable: [],
    limits: {},
  },
  stdio: { stdin: 'null', stdout: 'pipe', stderr: 'null' },
}

describe('what the launcher sends', () => {
  const readers: [string, (body: ByteReader) => unknown][] = [
    ['hello', decodeHello],
    ['staged', decodeStaged],
    ['prepared', decodePrepared],
    ['caller', decodeCaller],
    ['list', decodeList],
    ['held or kill sent', decodeStopped],
    ['ended', decodeEnded],
    ['adopted', decodeAdopted],
    ['failure', body => decodeFailure({ status: 1, body } as Message, 'order')],
  ]

  it.each(readers)('as %s is read, or refused as PROTOCOL, whatever it is', (_, read) => {
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 700 }), fc.uint8Array({ minLength: 64, maxLength: 64 }))
    fc.assert(
      fc.property(bytes, given => {
        try {
          read(new ByteReader(given, 'test'))
        } catch (error) {
          expect(error).toBeInstanceOf(LauncherError)
          expect(error).toHaveProperty('code', 'PROTOCOL')
        }
      }),
    )
  })

  it('as a message is read only with the right magic, version and length', () => {
    const good = encodeOrder(1, 2n, Buffer.from('body'))
    expect(decodeMessage(good)).toMatchObject({ type: 1, request: 2n, status: 0, isAnswer: false })
    for (const at of [0, 4, 16]) {
      const bad = Buffer.from(good)
      bad.writeUInt8(bad.readUInt8(at) ^ 1, at)
      expect(() => decodeMessage(bad)).toThrow(LauncherError)
    }
    for (let cut = 0; cut < good.length; cut++)
      expect(() => decodeMessage(good.subarray(0, cut))).toThrow(LauncherError)
  })
})

describe('what the launcher is sent', () => {
  it('has no string that would end early, no limit that would mean none', () => {
    expect(() => encodeStrings(['a\0b'])).toThrow(LauncherError)
    for (const limits of [
      { pids: 0 },
      { pids: -1 },
      { pids: 2 ** 32 - 1 },
      { runTimeNs: 0n },
      { memoryBytes: 0 },
    ])
      expect(() => encodePrepare({ ...order, limits })).toThrow(
        expect.objectContaining({ code: 'LIMIT_UNENFORCEABLE' }),
      )
    const many = { ...order, groups: Array.from({ length: 17 }, (_, i) => i + 1) }
    expect(() => encodePrepare(many)).toThrow(expect.objectContaining({ code: 'GID_REFUSED' }))
    for (const change of [
      { executionId: 'XY'.repeat(16) },
      { parentExecution: '' },
      { digests: ['AB'.repeat(32)] },
    ])
      expect(() => encodePrepare({ ...order, ...change })).toThrow(
        expect.objectContaining({ code: 'INVALID_ORDER' }),
      )
  })

  it('holds its strings exactly', () => {
    const strings = fc.array(fc.string().filter(text => !text.includes('\0')))
    fc.assert(
      fc.property(strings, given => {
        const whole = encodeStrings(given).toString('utf8')
        expect(whole.split('\0').slice(0, -1)).toEqual(
          given.map(text => Buffer.from(text, 'utf8').toString('utf8')),
        )
      }),
    )
  })
})
