import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MAX_WIRE_NUMBERS, StrictReader } from '../../../daemon/rpc/strict-reader.ts'
import { api } from '../../../proto/client.ts'
import { type Rig, startRig } from './rig.ts'

const method = api.execution.Authorize

let rig: Rig
beforeEach(async () => {
  rig = await startRig()
})
afterEach(() => rig.stop())

/** Sends these bytes as the request of Authorize, whatever they are. */
function send(bytes: Buffer): Promise<unknown> {
  const raw = { ...method, requestSerialize: () => bytes }
  return rig.client().call(raw as typeof method, {})
}

/** A protobuf field of wire type 2 (protobuf.dev, "Encoding"). */
function field(number: number, bytes: Buffer, length = bytes.length): Buffer {
  const size: number[] = []
  for (let left = length; ; left >>>= 7) {
    size.push(left > 127 ? (left & 127) | 128 : left)
    if (left <= 127) break
  }
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...size]), bytes])
}

/** Numbers of the fields in writ/v1/execution.proto. */
const WORKLOAD = 1
const PROGRAM = 1
const ARGV = 2

describe('a message', () => {
  it('with text that is not UTF-8 is refused, not changed', async () => {
    const program = field(PROGRAM, Buffer.from('/bin/true'))
    const good = field(WORKLOAD, Buffer.concat([program, field(ARGV, Buffer.from('caf\u00e9'))]))
    const bad = field(WORKLOAD, Buffer.concat([program, field(ARGV, Buffer.from('caf\u00e9', 'latin1'))]))
    // Read, and then denied: it has no artifact.
    await expect(send(good)).rejects.toMatchObject({ code: 'DENIED' })
    await expect(send(bad)).rejects.toMatchObject({
      faultCode: 'REQUEST_MALFORMED',
      status: 'INVALID_ARGUMENT',
      message: expect.stringContaining('not UTF-8'),
    })
  })

  it('whose last text goes on beyond its end is refused, not cut', async () => {
    const cut = field(WORKLOAD, field(PROGRAM, Buffer.from('/bin/true'), 100))
    await expect(send(cut)).rejects.toMatchObject({ faultCode: 'REQUEST_MALFORMED' })
  })

  it('that is no protobuf is the caller’s mistake, not an internal error', async () => {
    for (const bytes of [
      Buffer.alloc(40, 0xff),
      Buffer.from([0x0f]),
      field(WORKLOAD, Buffer.alloc(9, 0xff)),
    ]) {
      await expect(send(bytes)).rejects.toMatchObject({ faultCode: 'REQUEST_MALFORMED' })
    }
    expect(rig.errors).toEqual([])
  })

  it('of very many fields costs little', async () => {
    const many = field(WORKLOAD, Buffer.concat(Array(1_900_000).fill(field(ARGV, Buffer.alloc(0)))))
    const reader = new StrictReader(many)
    expect(() => method.requestDeserialize(reader as unknown as Buffer)).toThrow(/too many fields/)
    // Two numbers for each field: it has not gone on to the megabytes behind.
    expect(reader.pos).toBeLessThan(many.length / 20)
    await expect(send(many)).rejects.toMatchObject({ faultCode: 'REQUEST_MALFORMED' })
  })

  it('of the largest valid request is within the bound', () => {
    const text = (i: number) => `name_${i}`
    const workload = {
      program: '/bin/true',
      argv: Array.from({ length: 4096 }, (_, i) => text(i)),
      env: Object.fromEntries(Array.from({ length: 1024 }, (_, i) => [text(i), text(i)])),
      files: Array.from({ length: 255 }, (_, i) => `/${text(i)}`),
      user: { uid: 1, gid: 1, groups: Array.from({ length: 32 }, (_, i) => i) },
      sandbox: {
        writable: Array.from({ length: 64 }, (_, i) => `/${text(i)}`),
        devices: Array.from({ length: 64 }, (_, i) => `/dev/${text(i)}`),
      },
    }
    const bytes = method.requestSerialize({ workload } as Parameters<typeof method.requestSerialize>[0])
    const read = method.requestDeserialize(new StrictReader(bytes) as unknown as Buffer)
    expect(read.workload?.argv).toHaveLength(4096)
    expect(MAX_WIRE_NUMBERS).toBeGreaterThan(2 * 15_000)
  })
})
