import { execFileSync } from 'node:child_process'
import type { KeyObject } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  approvalMessage,
  counterName,
  hostStatePolicy,
  policyKeyPublicArea,
} from '../../../attestation/sealed/index.ts'
import { EMPTY_PASSWORD } from '../../../attestation/tpm2/authorization.ts'
import { pcrExtendCommand, pcrReadCommand } from '../../../attestation/tpm2/commands/pcr.ts'
import { policyGetDigestCommand, policyPcrCommand } from '../../../attestation/tpm2/commands/policy.ts'
import { startAuthSessionCommand } from '../../../attestation/tpm2/commands/session.ts'
import { TPM_CC, TPM_SE } from '../../../attestation/tpm2/constants.ts'
import { Executor } from '../../../attestation/tpm2/executor.ts'
import { SwtpmTransport, Tpm } from '../../../attestation/tpm2/index.ts'
import { marshalCommand } from '../../../attestation/tpm2/marshal.ts'
import { publicAreaName } from '../../../attestation/tpm2/structures/index.ts'
import { withEncryptedSession } from '../../../attestation/tpm2/unseal.ts'
import { approve, BOOT_PCRS, currentPcrs, POLICY_REF, policyKey, sealedFor } from './sealing.ts'
import { leftovers, type SimulatedHost, startSimulatedHost } from './simulated-host.ts'

const REQUESTER = { kind: 'unseal', uid: 1000 } as const

/** A transport whose user sees every frame and may change answers or do something before a command. */
class WatchedTransport extends SwtpmTransport {
  readonly frames: Buffer[] = []
  before: (code: number) => Promise<void> = async () => undefined
  after: (code: number, response: Buffer) => Buffer = (_, response) => response

  override async transmit(command: Buffer, timeoutMs: number): Promise<Buffer> {
    const code = command.readUInt32BE(6)
    await this.before(code)
    const response = await super.transmit(command, timeoutMs)
    this.frames.push(Buffer.from(command), Buffer.from(response))
    return this.after(code, response)
  }
  /** As another client would, through the same door. */
  async behind(frame: Buffer): Promise<Buffer> {
    return super.transmit(frame, 5_000)
  }
}

let host: SimulatedHost
let transport: WatchedTransport
let tpm: Tpm
let key: { privateKey: KeyObject; publicKey: KeyObject }

beforeAll(async () => {
  host = await startSimulatedHost()
  transport = new WatchedTransport(host.simulated.paths.socket)
  tpm = new Tpm(transport)
  key = policyKey()
})
afterAll(async () => {
  await tpm.close()
  await host.end()
})

async function prepared() {
  const { data, request } = sealedFor(host.identity, host.secrets, key.publicKey)
  const state = { selection: BOOT_PCRS, pcrDigest: await currentPcrs(tpm), counter: null }
  return { data, request: { ...request, approvals: [approve(key.privateKey, state)] }, state }
}
const extendPcr10 = marshalCommand(pcrExtendCommand(10, [{ bank: 'sha256', digest: Buffer.alloc(32, 3) }]), [
  EMPTY_PASSWORD,
])

describe('on the way to the TPM', () => {
  it('neither the secret nor its authValue can be seen', async () => {
    const { data, request } = await prepared()
    transport.frames.length = 0
    expect(await tpm.unseal(request, REQUESTER)).toEqual(data)
    const seen = Buffer.concat(transport.frames)
    expect(transport.frames.length).toBeGreaterThan(20)
    expect(seen.includes(data)).toBe(false)
    expect(seen.includes(request.authValue)).toBe(false)
  })

  it('a PCR that is extended in the middle only makes it begin anew', async () => {
    const { data, request } = await prepared()
    let changes = 0
    transport.before = async code => {
      if (code === TPM_CC.Unseal && changes++ < 3) await transport.behind(extendPcr10)
    }
    expect(await tpm.unseal(request, REQUESTER)).toEqual(data)
    expect(changes).toBe(4)
    transport.before = async code => {
      if (code === TPM_CC.Unseal) await transport.behind(extendPcr10)
    }
    // TPM_RC_PCR_CHANGED, when it never stops.
    await expect(tpm.unseal(request, REQUESTER)).rejects.toMatchObject({ rc: 0x128 })
    transport.before = async () => undefined
    expect(await leftovers(tpm)).toEqual([])
  })

  it('an answer that somebody changed is not taken', async () => {
    const { request } = await prepared()
    for (const at of [14, 20, 40]) {
      transport.after = (code, response) => {
        const changed = Buffer.from(response)
        if (code === TPM_CC.Unseal && changed.readUInt32BE(6) === 0) changed[at] = (changed[at] ?? 0) ^ 1
        return changed
      }
      await expect(tpm.unseal(request, REQUESTER)).rejects.toMatchObject({
        code: expect.stringMatching(/^TPM_(?:UNAUTHENTIC|MALFORMED)$/),
      })
    }
    transport.after = (_, response) => response
    expect(await leftovers(tpm)).toEqual([])
  })

  it('a TPM that stops in the middle leaves nothing behind once it answers again', async () => {
    const { data, request } = await prepared()
    transport.before = async code => {
      if (code === TPM_CC.Unseal) host.simulated.hang()
    }
    const hasty = new Tpm(transport, { commandTimeoutMs: 1_000 })
    await expect(hasty.unseal(request, REQUESTER)).rejects.toMatchObject({ code: 'TPM_TIMEOUT' })
    transport.before = async () => undefined
    host.simulated.resume()
    expect(await hasty.unseal(request, REQUESTER)).toEqual(data)
    expect(await leftovers(hasty)).toEqual([])
  })

  it('a parameter of a command is encrypted as well', async () => {
    const { state } = await prepared()
    await transport.release()
    const watched = new WatchedTransport(host.simulated.paths.socket)
    const executor = new Executor(watched, 5_000)
    const ek = { handle: host.identity.ekHandle, publicArea: host.identity.ekPublicArea }
    const values = (await executor.run(pcrReadCommand(BOOT_PCRS))).values.map(({ value }) => value)
    expect(values.length).toBe(4)
    const policy = await executor.run(startAuthSessionCommand(TPM_SE.POLICY))
    watched.frames.length = 0
    // TPM2_PolicyPCR compares its first parameter with the PCRs: it succeeds only if the TPM decrypts it to the right one.
    await withEncryptedSession(executor, ek, 'HMAC', async session => {
      session.encryptCommand = true
      await executor.run(policyPcrCommand(policy.handle, state.pcrDigest, BOOT_PCRS), session)
    })
    expect(Buffer.concat(watched.frames).includes(state.pcrDigest)).toBe(false)
    expect(await executor.run(policyGetDigestCommand(policy.handle))).toEqual(hostStatePolicy(state))
    await executor.flush(policy.handle)
    await watched.close()
    expect(await leftovers(tpm)).toEqual([])
  })
})

describe('against tpm2-tools', () => {
  it('what we seal is imported, loaded and unsealed by the tools, and by them as well only under the policy', async () => {
    const { data, request, state } = await prepared()
    const dir = host.dir
    const sized = (bytes: Buffer) =>
      Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes])
    const file = (name: string, bytes: Uint8Array) => writeFileSync(join(dir, name), bytes)
    file('o.pub', sized(request.object.publicArea))
    file('o.dup', sized(request.object.duplicate))
    file('o.seed', sized(request.object.encryptedSeed))
    file('key.tpm', sized(policyKeyPublicArea(key.publicKey)))
    file('key.pem', Buffer.from(key.publicKey.export({ type: 'spki', format: 'pem' }) as string))
    file('message', approvalMessage(hostStatePolicy(state), POLICY_REF))
    file('signature', request.approvals[0]?.signature ?? Buffer.alloc(0))
    file('approved', hostStatePolicy(state))
    file('ref', POLICY_REF)
    await tpm.lend(async () => {
      const run = (tool: string, ...args: string[]) =>
        execFileSync(tool, args, {
          cwd: dir,
          env: { ...process.env, TPM2TOOLS_TCTI: tpm.tcti },
          stdio: 'pipe',
        })
      const ekHandle = `0x${host.identity.ekHandle.toString(16)}`
      const asEndorsement = (tool: string, ...args: string[]) => {
        run('tpm2_startauthsession', '--policy-session', '-S', 's.ctx')
        run('tpm2_policysecret', '-S', 's.ctx', '-c', 'e')
        run(tool, ...args, '-P', 'session:s.ctx')
        run('tpm2_flushcontext', 's.ctx')
      }
      asEndorsement(
        'tpm2_import',
        '-C',
        ekHandle,
        '-u',
        'o.pub',
        '-i',
        'o.dup',
        '-s',
        'o.seed',
        '-r',
        'o.priv',
      )
      run('tpm2_loadexternal', '-C', 'o', '-u', 'key.tpm', '-c', 'key.ctx', '-n', 'key.name')
      expect(readFileSync(join(dir, 'key.name'))).toEqual(publicAreaName(policyKeyPublicArea(key.publicKey)))
      run(
        'tpm2_verifysignature',
        '-c',
        'key.ctx',
        '-g',
        'sha256',
        '-m',
        'message',
        '-s',
        'signature',
        '-t',
        'ticket',
      )
      run('tpm2_flushcontext', '-t')
      asEndorsement('tpm2_load', '-C', ekHandle, '-u', 'o.pub', '-r', 'o.priv', '-c', 'o.ctx')
      const pcrs = `sha256:${BOOT_PCRS[0]?.pcrs.join(',')}`
      const policy = (authorize: boolean) => {
        run('tpm2_startauthsession', '--policy-session', '-S', 'p.ctx')
        run('tpm2_policypcr', '-S', 'p.ctx', '-l', pcrs, '-L', 'tools.policy')
        expect(readFileSync(join(dir, 'tools.policy'))).toEqual(readFileSync(join(dir, 'approved')))
        if (authorize)
          run(
            'tpm2_policyauthorize',
            '-S',
            'p.ctx',
            '-i',
            'approved',
            '-q',
            'ref',
            '-n',
            'key.name',
            '-t',
            'ticket',
          )
        run('tpm2_policyauthvalue', '-S', 'p.ctx')
        return `session:p.ctx+hex:${request.authValue.toString('hex')}`
      }
      expect(run('tpm2_unseal', '-c', 'o.ctx', '-p', policy(true))).toEqual(data)
      run('tpm2_flushcontext', 'p.ctx')
      // The PCRs and the authValue alone are not enough.
      const withoutKey = policy(false)
      expect(() => run('tpm2_unseal', '-c', 'o.ctx', '-p', withoutKey)).toThrow(/0x0*99d|policy/i)
      run('tpm2_flushcontext', 'p.ctx')
      // And the authValue without a policy opens nothing.
      expect(() =>
        run('tpm2_unseal', '-c', 'o.ctx', '-p', `hex:${request.authValue.toString('hex')}`),
      ).toThrow()
      run('tpm2_flushcontext', '-t')
    })
  })

  it('a counter has the Name that approvals are made for', async () => {
    const { identity } = host
    const found = await tpm.nvReadPublic(identity.secretCounterIndex)
    expect(found?.name).toEqual(counterName(identity.secretCounterIndex))
  })
})
