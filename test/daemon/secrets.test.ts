import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test, vi } from 'vitest'
import { counterName } from '../../attestation/index.ts'
import { type HostIdentity, TpmError, type UnsealRequest } from '../../attestation/tpm2/index.ts'
import {
  AuthorizationError,
  encryptPayload,
  type SealedSecret,
  type SecretApproval,
  type SecretPolicy,
  sealAuthValue,
} from '../../authorization/index.ts'
import {
  approvalsFor,
  catchUp,
  counterOf,
  counterStep,
  SecretError,
  Secrets,
  secretFault,
} from '../../daemon/secrets.ts'
import { HOST } from '../authorization/scenario.ts'
import { policyFields, sealedSecret } from '../authorization/secrets-scenario.ts'

const { publicKey, privateKey } = generateKeyPairSync('x25519')
const KEY = randomBytes(32)
const INDEX = 0x0180_0003
const OTHER = `000b${'9'.repeat(64)}`
const identity = {
  ekHandle: 0x8101_0001,
  ekPublicArea: randomBytes(90),
  secretCounterIndex: INDEX,
} as HostIdentity
const secrets = {
  akAuth: randomBytes(32),
  nvCounterAuth: randomBytes(32),
  secretCounterAuth: randomBytes(32),
  secretKey: privateKey.export({ type: 'pkcs8', format: 'der' }),
}
const [template] = policyFields().approvals as [SecretApproval]
const approval = (over: Partial<SecretApproval> = {}): SecretApproval => ({ ...template, ...over })
const NAME = counterName(INDEX).toString('hex')
const upTo = (notAbove: string, over: Partial<SecretApproval> = {}) =>
  approval({ counter: { name: NAME, notAbove }, ...over })
const policyOf = (...approvals: SecretApproval[]): SecretPolicy => ({
  ...policyFields({ approvals }),
  digest: 'd',
  envelope: Buffer.alloc(0),
  envelopeDigest: 'e',
})

/** Sealed to the daemon's key, for this host. */
function sealed(name: string, content: string, over: Partial<SealedSecret> = {}): SealedSecret {
  const publicArea = randomBytes(80)
  const authValue = sealAuthValue(publicKey, publicArea, Buffer.alloc(32, 5))
  const [one] = sealedSecret().recipients
  const recipients = [{ ...one, host: HOST, publicArea: publicArea.toString('base64'), authValue }]
  const payload = encryptPayload('release', name, KEY, Buffer.from(content))
  return { ...sealedSecret(), name, payload, recipients: recipients as SealedSecret['recipients'], ...over }
}

/** A TPM that gives the key, and remembers what it was asked and what it gave. */
function opener(
  over: {
    policy?: SecretPolicy | null
    unseal?: (request: UnsealRequest) => Promise<Buffer>
    timeoutMs?: number
  } = {},
) {
  const asked: UnsealRequest[] = []
  const given: Buffer[] = []
  const unseal = async (request: UnsealRequest) => {
    asked.push({ ...request, authValue: Buffer.from(request.authValue) })
    buffers.push(request.authValue)
    const key = over.unseal === undefined ? Buffer.from(KEY) : await over.unseal(request)
    given.push(key)
    return key
  }
  const buffers: Buffer[] = []
  const policy = over.policy === undefined ? policyOf(approval()) : over.policy
  const { timeoutMs } = over
  const options = { hostId: HOST, identity, secrets, tpm: { unseal }, policy: () => policy }
  return {
    it: new Secrets(timeoutMs === undefined ? options : { ...options, timeoutMs }),
    ...{ asked, given, buffers },
  }
}
const descriptors = () => readdirSync('/proc/self/fd').length
const refusal = (rc: number) => new TpmError('TPM_RC', 'the TPM says no', { rc })
const code = (value: string) => expect.objectContaining({ code: value })

describe('secrets', () => {
  test('are opened, each in a memfd of its own that is closed again', async () => {
    const { it, asked, given, buffers } = opener()
    const before = descriptors()
    const open = await it.open([sealed('a', 'one'), sealed('b', 'two', { descriptor: 9 })], 'release', 7)
    expect(open.descriptors.map(({ descriptor }) => descriptor)).toEqual([3, 9])
    expect(open.descriptors.map(({ fd }) => readFileSync(`/proc/self/fd/${fd}`, 'utf8'))).toEqual([
      'one',
      'two',
    ])
    expect(asked[0]).toMatchObject({
      ek: { handle: identity.ekHandle, publicArea: identity.ekPublicArea },
      authValue: Buffer.alloc(32, 5),
      counter: { index: INDEX, auth: secrets.secretCounterAuth },
    })
    open.close()
    open.close()
    expect(descriptors()).toBe(before)
    // What unlocked them is nowhere any more.
    for (const bytes of [...given, ...buffers]) expect(bytes).toEqual(Buffer.alloc(32))
    expect(given).toHaveLength(2)
  })

  test('for another host, and for another daemon of this one, are not asked the TPM for', async () => {
    const { it, asked } = opener()
    const elsewhere = sealed('a', 'one')
    const recipients = elsewhere.recipients.map(recipient => ({ ...recipient, host: OTHER }))
    await expect(it.open([{ ...elsewhere, recipients }], 'release', 7)).rejects.toThrow(
      code('NOT_FOR_THIS_HOST'),
    )
    const stranger = sealedSecret()
    await expect(it.open([stranger], 'release', 7)).rejects.toThrow(code('NOT_FOR_THIS_HOST'))
    expect(asked).toEqual([])
  })

  test('stay closed without a policy, and without an approval for this host', async () => {
    const none = opener({ policy: null })
    await expect(none.it.open([sealed('a', 'one')], 'release', 7)).rejects.toThrow(code('NO_POLICY'))
    const others = opener({ policy: policyOf(approval({ host: OTHER })) })
    await expect(others.it.open([sealed('a', 'one')], 'release', 7)).rejects.toThrow(code('NOT_APPROVED'))
    expect([...none.asked, ...others.asked]).toEqual([])
  })

  test('are all closed when one of them is refused, and nothing stays open', async () => {
    let calls = 0
    const { it, buffers } = opener({
      unseal: async () => {
        if (++calls === 2) throw refusal(0x1c4)
        return Buffer.from(KEY)
      },
    })
    const before = descriptors()
    await expect(it.open([sealed('a', 'one'), sealed('b', 'two')], 'release', 7)).rejects.toThrow(
      code('REFUSED'),
    )
    expect(descriptors()).toBe(before)
    for (const bytes of buffers) expect(bytes).toEqual(Buffer.alloc(32))
  })

  test('with a key that is not theirs, or a TPM that is not there, say so in their own words', async () => {
    const wrong = opener({ unseal: async () => randomBytes(32) })
    await expect(wrong.it.open([sealed('a', 'one')], 'release', 7)).rejects.toThrow(code('SECRET_INVALID'))
    expect(wrong.given[0]).toEqual(Buffer.alloc(32))
    const gone = opener({
      unseal: async () => {
        throw new TpmError('TPM_UNAVAILABLE', 'no TPM')
      },
    })
    await expect(gone.it.open([sealed('a', 'one')], 'release', 7)).rejects.toThrow(code('TPM_UNAVAILABLE'))
  })

  test('that come too late are closed and forgotten', async () => {
    const late = Promise.withResolvers<Buffer>()
    const { it, given } = opener({ unseal: () => late.promise, timeoutMs: 20 })
    const before = descriptors()
    await expect(it.open([sealed('a', 'one')], 'release', 7)).rejects.toThrow(code('TIMEOUT'))
    late.resolve(Buffer.from(KEY))
    await vi.waitFor(() => expect(given[0]).toEqual(Buffer.alloc(32)))
    expect(descriptors()).toBe(before)
  })
})

test('what keeps a secret closed is the host, or no time, or a fault', () => {
  const of = (error: unknown) => secretFault(error).code
  for (const known of ['NOT_FOR_THIS_HOST', 'NO_POLICY', 'NOT_APPROVED', 'REFUSED'] as const)
    expect(of(new SecretError(known, 'x'))).toBe('ENVIRONMENT_MISMATCH')
  expect(of(new AuthorizationError('SECRET_INVALID', 'x'))).toBe('ENVIRONMENT_MISMATCH')
  expect(of(new SecretError('TIMEOUT', 'x'))).toBe('CAPACITY')
  expect(of(new TpmError('TPM_BUSY', 'x'))).toBe('CAPACITY')
  expect(of(new TpmError('TPM_TIMEOUT', 'x'))).toBe('CAPACITY')
  expect(of(new TpmError('TPM_UNAVAILABLE', 'x'))).toBe('INTERNAL')
  expect(secretFault(new Error('hunter2')).message).not.toContain('hunter2')
  expect(secretFault(new SecretError('REFUSED', 'x'.repeat(999))).message).toHaveLength(300)
})

describe('approvals', () => {
  test('are those for this host or any, and at most eight', () => {
    const of = (...all: SecretApproval[]) => approvalsFor(policyOf(...all), HOST).approvals
    expect(of(approval(), approval({ host: OTHER }), approval({ host: 'any' }))).toHaveLength(2)
    expect(of(...Array(9).fill(approval()))).toHaveLength(8)
    expect(of(upTo('9'))[0]?.counter?.notAbove).toBe(9n)
  })

  test('have the least ceiling of those for this host and its counter', () => {
    const of = (...all: SecretApproval[]) => counterOf(policyOf(...all), HOST, identity)
    expect(of(upTo('9'), upTo('7'), upTo('8'))).toBe(7n)
    expect(of(upTo('9'), upTo('1', { host: OTHER }), approval())).toBe(9n)
    expect(of(approval(), approval({ host: 'any', counter: null }))).toBeNull()
  })
})

describe('the counter', () => {
  const step = (policy: SecretPolicy, at: bigint) => {
    let now = at
    const counter = { read: async () => now, increment: async () => ++now }
    const tpm = { nvCounter: vi.fn(() => counter) } as unknown as Parameters<typeof counterStep>[1]['tpm']
    return { moves: counterStep(policy, { hostId: HOST, identity, secrets, tpm }), now: () => now }
  }

  test('goes to the ceiling of the policy when that is in force, and not before', async () => {
    const { moves, now } = step(policyOf(upTo('9')), 6n)
    const advance = await moves
    expect(now()).toBe(6n)
    await advance()
    expect(now()).toBe(9n)
    const there = step(policyOf(upTo('9')), 9n)
    await (await there.moves)()
    expect(there.now()).toBe(9n)
    const free = step(policyOf(approval({ host: 'any', counter: null })), 6n)
    await (await free.moves)()
    expect(free.now()).toBe(6n)
  })

  test('goes 256 steps at most, and a policy that it has passed is not taken', async () => {
    await expect(step(policyOf(upTo('256')), 0n).moves).resolves.toBeDefined()
    await expect(step(policyOf(upTo('257')), 0n).moves).rejects.toThrow(code('NOT_APPROVED'))
    await expect(step(policyOf(upTo('9')), 10n).moves).rejects.toThrow(code('NOT_APPROVED'))
  })

  test('is caught up with at the start, which goes on when the TPM does not answer', async () => {
    const log = { warn: vi.fn() }
    const policy = policyOf(upTo('9'))
    const advance = vi.fn(async () => undefined)
    await catchUp(policy, async () => advance, log)
    expect(advance).toHaveBeenCalledOnce()
    await catchUp(null, () => expect.fail('there is no policy'), log)
    expect(log.warn).not.toHaveBeenCalled()
    await catchUp(policy, () => Promise.reject(new TpmError('TPM_UNAVAILABLE', 'x')), log)
    expect(log.warn).toHaveBeenCalledOnce()
  })
})
