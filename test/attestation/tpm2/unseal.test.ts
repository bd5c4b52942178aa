import { execFileSync } from 'node:child_process'
import type { KeyObject } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Executor } from '../../../attestation/tpm2/executor.ts'
import { type Approval, SwtpmTransport, Tpm } from '../../../attestation/tpm2/index.ts'
import { importObject, unsealObject } from '../../../attestation/tpm2/unseal.ts'
import { approve, BOOT_PCRS, ceiling, currentPcrs, policyKey, sealedFor } from './sealing.ts'
import { leftovers, type SimulatedHost, startSimulatedHost } from './simulated-host.ts'

const REQUESTER = { kind: 'unseal', uid: 1000 } as const
const BYTES = Buffer.alloc(32, 9)

let host: SimulatedHost
let tpm: Tpm
let key: { privateKey: KeyObject; publicKey: KeyObject }

beforeAll(async () => {
  host = await startSimulatedHost()
  tpm = host.simulated.connect()
  key = policyKey()
})
afterAll(async () => {
  await tpm.close()
  await host.end()
})

const sealed = () => sealedFor(host.identity, host.secrets, key.publicKey)
async function approvalNow(by = key.privateKey, counter: Approval['counter'] = null): Promise<Approval> {
  return approve(by, { selection: BOOT_PCRS, pcrDigest: await currentPcrs(tpm), counter })
}
const extend = (pcr: number) => tpm.pcrExtend(pcr, [{ bank: 'sha256', digest: BYTES }])

/** Through a connection of its own. */
async function over<T>({ simulated }: SimulatedHost, work: (tpm: Executor) => Promise<T>): Promise<T> {
  const transport = new SwtpmTransport(simulated.paths.socket)
  try {
    return await work(new Executor(transport, 5_000))
  } finally {
    await transport.close()
  }
}

/** Dies before its command of this number, as a daemon that is killed: from then on nothing goes to the TPM. */
class DyingTransport extends SwtpmTransport {
  #left: number
  constructor(path: string, commands: number) {
    super(path)
    this.#left = commands
  }
  override async transmit(command: Buffer, timeoutMs: number): Promise<Buffer> {
    if (this.#left-- > 0) return super.transmit(command, timeoutMs)
    await this.close()
    throw new Error('killed')
  }
}

describe('unsealing', () => {
  it('gives what was sealed for this TPM, and leaves nothing in it', async () => {
    const { data, request } = sealed()
    const approvals = [await approvalNow()]
    expect(await tpm.unseal({ ...request, approvals }, REQUESTER)).toEqual(data)
    expect(await tpm.unseal({ ...request, approvals }, REQUESTER)).toEqual(data)
    expect(await leftovers(tpm)).toEqual([])
  })

  it('does so under an ECC endorsement key', async () => {
    const env = { ...process.env, TPM2TOOLS_TCTI: tpm.tcti }
    await tpm.lend(async () => {
      execFileSync('tpm2_createek', ['-G', 'ecc', '-c', '0x81010009'], {
        cwd: host.dir,
        env,
        stdio: 'ignore',
      })
    })
    const ekPublicArea = (await tpm.readPublic(0x81010009))?.publicArea ?? Buffer.alloc(0)
    const identity = { ...host.identity, ekHandle: 0x81010009, ekPublicArea }
    const { data, request } = sealedFor(identity, host.secrets, key.publicKey)
    expect(await tpm.unseal({ ...request, approvals: [await approvalNow()] }, REQUESTER)).toEqual(data)
  })

  it('is refused by the TPM once a boot PCR has moved, and not when another has', async () => {
    const { data, request } = sealed()
    const approvals = [await approvalNow()]
    await extend(10)
    expect(await tpm.unseal({ ...request, approvals }, REQUESTER)).toEqual(data)
    await extend(4)
    const refused = tpm.unseal({ ...request, approvals }, REQUESTER)
    // TPM2_PolicyPCR: TPM_RC_VALUE, parameter 1.
    await expect(refused).rejects.toMatchObject({ code: 'TPM_RC', rc: 0x1c4 })
    expect(await leftovers(tpm)).toEqual([])
    // A newly signed approval lets the same secret through.
    const updated = [...approvals, await approvalNow()]
    expect(await tpm.unseal({ ...request, approvals: updated }, REQUESTER)).toEqual(data)
  })

  it('is refused without the authValue', async () => {
    const { request } = sealed()
    const wrong = { ...request, authValue: Buffer.alloc(32, 5), approvals: [await approvalNow()] }
    await expect(tpm.unseal(wrong, REQUESTER)).rejects.toMatchObject({ code: 'TPM_AUTH_FAILED' })
    expect(await leftovers(tpm)).toEqual([])
  })

  it('is refused under an approval that another key signed', async () => {
    const { request } = sealed()
    const approvals = [await approvalNow(policyKey().privateKey)]
    // TPM2_VerifySignature: TPM_RC_SIGNATURE.
    await expect(tpm.unseal({ ...request, approvals }, REQUESTER)).rejects.toMatchObject({ rc: 0x2db })
  })

  it('is refused under an older approval once the counter has moved', async () => {
    const { data, request } = sealed()
    const { identity, secrets } = host
    const counter = tpm.nvCounter(identity.secretCounterIndex, secrets.secretCounterAuth)
    const first = await approvalNow(key.privateKey, ceiling(identity, 1))
    const second = await approvalNow(key.privateKey, ceiling(identity, 2))
    await counter.increment()
    expect(await tpm.unseal({ ...request, approvals: [first] }, REQUESTER)).toEqual(data)
    await counter.increment()
    // TPM2_PolicyNV: TPM_RC_POLICY.
    await expect(tpm.unseal({ ...request, approvals: [first] }, REQUESTER)).rejects.toMatchObject({
      rc: 0x126,
    })
    expect(await tpm.unseal({ ...request, approvals: [second] }, REQUESTER)).toEqual(data)
    expect(await leftovers(tpm)).toEqual([])
  })

  it('is refused by the TPM of another host, also by one in the same state', async () => {
    const { request } = sealed()
    const approvals = [await approvalNow()]
    const other = await startSimulatedHost()
    const its = other.simulated.connect()
    try {
      const { identity, secrets } = other
      const ek = { handle: identity.ekHandle, publicArea: identity.ekPublicArea }
      const counter = { index: identity.secretCounterIndex, auth: secrets.secretCounterAuth }
      const there = its.unseal({ ...request, ek, counter, approvals }, REQUESTER)
      // TPM2_Import, parameter 4: its EK does not open the seed.
      await expect(there).rejects.toMatchObject({ code: 'TPM_RC', rc: expect.any(Number) })
      // What the first TPM made of it is of no use there either.
      const made = await over(host, own => importObject(own, request.ek, request.object))
      const moved = over(other, own => unsealObject(own, made, { ...request, ek, counter, approvals }))
      // TPM2_Load: TPM_RC_INTEGRITY, parameter 1.
      await expect(moved).rejects.toMatchObject({ rc: 0x1df })
      expect(await leftovers(its)).toEqual([])
    } finally {
      await its.close()
      await other.end()
    }
  })

  it.each(['publicArea', 'duplicate', 'encryptedSeed'] as const)(
    'is refused with another byte in %s',
    async part => {
      const { request } = sealed()
      const bytes = Buffer.from(request.object[part])
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
      const object = { ...request.object, [part]: bytes }
      const refused = tpm.unseal({ ...request, object, approvals: [await approvalNow()] }, REQUESTER)
      await expect(refused).rejects.toMatchObject({ code: 'TPM_RC' })
      expect(await leftovers(tpm)).toEqual([])
    },
  )

  it('leaves nothing to whoever comes after one that was killed at any of its commands', async () => {
    const { data, request } = sealed()
    const approvals = [await approvalNow(key.privateKey, ceiling(host.identity, 99))]
    let deaths = 0
    for (let commands = 1; ; commands++) {
      const dying = new Tpm(new DyingTransport(host.simulated.paths.socket, commands))
      const killed = await dying.unseal({ ...request, approvals }, REQUESTER).catch((error: Error) => error)
      await dying.close()
      if (Buffer.isBuffer(killed)) break
      expect(killed.message).toBe('killed')
      deaths++
      const next = host.simulated.connect()
      expect(await leftovers(next)).toEqual([])
      if (commands % 8 === 0) expect(await next.unseal({ ...request, approvals }, REQUESTER)).toEqual(data)
      await next.close()
    }
    expect(deaths).toBeGreaterThan(10)
  })

  it('begins anew when a PCR is extended meanwhile', async () => {
    const { data, request } = sealed()
    const approvals = [await approvalNow()]
    const extending = (async () => {
      for (let i = 0; i < 40; i++) await extend(10)
    })()
    const all = await Promise.all(
      Array.from({ length: 8 }, (_, uid) => tpm.unseal({ ...request, approvals }, { kind: 'unseal', uid })),
    )
    await extending
    for (const got of all) expect(got).toEqual(data)
  })
})
