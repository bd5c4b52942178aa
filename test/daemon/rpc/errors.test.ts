import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DeniedError } from '../../../daemon/core.ts'
import { EncodingError } from '../../../encoding/error.ts'
import { api, type CallError, type WritClient } from '../../../proto/client.ts'
import { type Rig, startRig } from './rig.ts'

const ARTIFACT = Buffer.from('{}')
const failure = (promise: Promise<unknown>): Promise<CallError> =>
  promise.then(
    () => expect.fail('succeeded'),
    error => error,
  )

let rig: Rig
let client: WritClient
afterEach(() => rig.stop())

describe('errors', () => {
  beforeEach(async () => {
    rig = await startRig({ listen: { roles: () => ({ governor: true, auditor: true }) } })
    client = rig.client()
  })

  const load = () => failure(client.call(api.governance.LoadPolicy, { envelope: Buffer.from('x') }))

  it('of an input keep their code and place', async () => {
    rig.core.failWith = new EncodingError('DUPLICATE_KEY', 'JSON: key "a" twice', { at: '@7' })
    expect(await load()).toMatchObject({
      code: 'FAULT',
      status: 'INVALID_ARGUMENT',
      faultCode: 'DUPLICATE_KEY',
      message: 'JSON: key "a" twice',
      at: '@7',
    })
    expect(rig.errors).toHaveLength(0)
  })

  it.each<[string, unknown]>([
    ['an Error', new TypeError('/secret/place is undefined')],
    ['a text', '/secret/place'],
    ['nothing', undefined],
    ['an object', { code: 3, details: '/secret/place' }],
    [
      'a typed error that is not for callers',
      Object.assign(new EncodingError('BAD_JSON', '/secret'), { code: 'X' }),
    ],
    ['a denial without a reason', new DeniedError([])],
  ])('of the daemon itself are INTERNAL and say nothing: %s', async (_name, thrown) => {
    rig.core.failWith = thrown === undefined ? Symbol('nothing') : thrown
    const error = await load()
    expect(error).toMatchObject({ status: 'INTERNAL', faultCode: 'INTERNAL' })
    expect(error.message).toMatch(/^internal error [0-9a-f]{8}; the daemon's log has more$/)
    expect(rig.errors).toHaveLength(1)
    expect(rig.errors[0]).toMatchObject({ incident: /error (\S+);/.exec(error.message)?.[1] })
  })

  it('with text that no header can carry arrive all the same', async () => {
    rig.core.failWith = new EncodingError('BAD_JSON', `lone \ud800 surrogate\u0000\n${'x'.repeat(100_000)}`)
    const error = await load()
    expect(error.faultCode).toBe('BAD_JSON')
    expect(error.message.length).toBeLessThanOrEqual(400)
    expect((await client.call(api.attestation.GetStatus, {})).status).not.toBeNull()
  })

  it('with a thousand reasons arrive with their codes', async () => {
    rig.core.failWith = new DeniedError(
      Array.from({ length: 1000 }, (_, i) => ({
        code: i % 2 === 0 ? ('SCOPE_EXCEEDED' as const) : ('REVOKED' as const),
        message: 'm'.repeat(500),
        at: `scope.argv[${i}]`,
      })),
      12345678901234567n,
    )
    const error = await failure(client.call(api.execution.Authorize, { artifact: ARTIFACT, workload: {} }))
    expect(error).toMatchObject({ code: 'DENIED', decisionIndex: 12345678901234567n })
    expect(error.reasons).toHaveLength(256)
    expect(error.reasons[0]).toMatchObject({ code: 'SCOPE_EXCEEDED', at: 'scope.argv[0]' })
    expect(error.reasons[255]).toEqual({ code: 'REVOKED', message: '' })
  })
})
