import { Client, compressionAlgorithms, credentials } from '@grpc/grpc-js'
import { afterEach, describe, expect, test } from 'vitest'
import { MAX_REFERENCE_ENVELOPE_BYTES } from '../../../attestation/index.ts'
import { LARGE_AT_ONCE, MAX_LARGE_MESSAGE } from '../../../daemon/rpc/message-limits.ts'
import { sha256Hex } from '../../../encoding/digest.ts'
import { MAX_BLOB_BYTES } from '../../../lineage/index.ts'
import { api } from '../../../proto/client.ts'
import { type Rig, startRig } from './rig.ts'

const MIB = 1 << 20
const { LoadReferenceValues, LoadPolicy } = api.governance

let rig: Rig
afterEach(() => rig.stop())
const as = (governor: boolean) => startRig({ listen: { roles: () => ({ governor, auditor: false }) } })

/** Another client, which says what it says on the wire. */
function raw(options: Record<string, number> = {}): Client {
  return new Client(`unix:${rig.socket}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
    ...options,
  })
}

describe('reference values of a governor', () => {
  test('may have all that reference values may have, and not a byte more', async () => {
    rig = await as(true)
    const client = rig.client()
    for (const size of [5 * MIB, 9 * MIB, MAX_REFERENCE_ENVELOPE_BYTES]) {
      const envelope = Buffer.alloc(size, 'a')
      const { digest } = await client.call(LoadReferenceValues, { envelope })
      expect(digest).toBe(sha256Hex(envelope))
    }
    await expect(
      client.call(LoadReferenceValues, { envelope: Buffer.alloc(MAX_LARGE_MESSAGE) }),
    ).rejects.toMatchObject({
      code: 'TOO_LARGE',
      message: expect.stringContaining(`${MAX_REFERENCE_ENVELOPE_BYTES} bytes of reference values`),
    })
  })

  test('are as good as the lineage can keep', () => {
    expect(MAX_BLOB_BYTES).toBeGreaterThanOrEqual(MAX_REFERENCE_ENVELOPE_BYTES)
  })

  test('leave every other method, and the next call, with the limit that is configured', async () => {
    rig = await as(true)
    const client = rig.client()
    const envelope = Buffer.alloc(5 * MIB)
    await client.call(LoadReferenceValues, { envelope })
    const others = [client.call(LoadPolicy, { envelope }), client.call(api.governance.Revoke, { envelope })]
    await Promise.all(
      others.map(call =>
        expect(call).rejects.toMatchObject({
          code: 'TOO_LARGE',
          status: 'RESOURCE_EXHAUSTED',
          message: expect.stringContaining('the limit is rpc.max_message_bytes = 4194304'),
        }),
      ),
    )
  })

  test('count as large where they come compressed, and nothing else does', async () => {
    rig = await as(true)
    const client = raw({ 'grpc.default_compression_algorithm': compressionAlgorithms.gzip })
    const send = (method: typeof LoadReferenceValues | typeof LoadPolicy) =>
      new Promise<string>(resolve => {
        const request = { envelope: Buffer.alloc(9 * MIB, 'a') }
        const { path, requestSerialize, responseDeserialize } = method
        client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, error =>
          resolve(error?.details ?? 'taken'),
        )
      })
    expect(await send(LoadReferenceValues)).toBe('taken')
    expect(await send(LoadPolicy)).toContain('the limit is rpc.max_message_bytes = 4194304')
    client.close()
  })

  test('are held in memory for a few calls at one time alone', async () => {
    rig = await as(true)
    const client = raw()
    const { path, requestSerialize, responseDeserialize } = LoadReferenceValues
    // Neither sends what it says that it will.
    const open = Array.from({ length: LARGE_AT_ONCE }, () =>
      client.makeClientStreamRequest(path, requestSerialize, responseDeserialize, () => undefined),
    )
    await expect.poll(() => rig.server.calls).toBe(LARGE_AT_ONCE)
    const large = { envelope: Buffer.alloc(5 * MIB) }
    await expect(rig.client().call(LoadReferenceValues, large)).rejects.toMatchObject({
      code: 'TOO_LARGE',
      message: expect.stringContaining('other calls load reference values'),
    })
    await rig.client().call(LoadReferenceValues, { envelope: Buffer.alloc(3 * MIB) })
    for (const call of open) call.cancel()
    await expect.poll(() => rig.server.calls).toBe(0)
    await rig.client().call(LoadReferenceValues, large)
    client.close()
  })
})

test('whoever is no governor has nothing beyond the limit that is configured', async () => {
  rig = await as(false)
  await expect(
    rig.client().call(LoadReferenceValues, { envelope: Buffer.alloc(5 * MIB) }),
  ).rejects.toMatchObject({
    code: 'TOO_LARGE',
    message: expect.stringContaining('rpc.max_message_bytes = 4194304'),
  })
})
