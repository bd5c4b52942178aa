import { execFileSync } from 'node:child_process'
import { randomBytes, X509Certificate } from 'node:crypto'
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readAttestationKey } from '../../../attestation/identity/index.ts'
import { readIdentity, type Tpm } from '../../../attestation/tpm2/index.ts'
import {
  decodeIdentity,
  decodeSecrets,
  encodeIdentity,
  encodeSecrets,
} from '../../../attestation/tpm2/provision/host-identity.ts'
import { writeSecrets } from '../../../attestation/tpm2/provision/identity-files.ts'
import {
  newSecrets,
  ProvisionError,
  provision,
  provisionHost,
  writeIdentity,
} from '../../../attestation/tpm2/provision/index.ts'
import { parsePublicArea, publicAreaKey } from '../../../attestation/tpm2/structures/index.ts'
import { leftovers, quoteFor, type SimulatedHost, startSimulatedHost } from './simulated-host.ts'

let host: SimulatedHost
let tpm: Tpm

beforeAll(async () => {
  host = await startSimulatedHost()
  tpm = host.simulated.connect()
})
afterAll(async () => {
  await tpm.close()
  await host.end()
})

/** Runs one of tpm2-tools on the simulated TPM while `tpm` keeps away. */
function tool(name: string, ...args: string[]): Promise<void> {
  return tpm.lend(async () => {
    execFileSync(name, args, {
      cwd: host.dir,
      env: { ...process.env, TPM2TOOLS_TCTI: tpm.tcti },
      stdio: 'ignore',
    })
  })
}

function fresh(name: string): string {
  return join(host.dir, name)
}

describe('provisioning', () => {
  it('makes an AK that only attests, and a counter that nobody else moves', async () => {
    const { identity, secrets } = host
    expect(readAttestationKey(identity.akPublicArea).name).toEqual(identity.akName)
    expect(await tpm.readPublic(identity.akHandle)).toEqual({
      publicArea: identity.akPublicArea,
      name: identity.akName,
    })
    // AUTHWRITE, TPM_NT_COUNTER, AUTHREAD, NO_DA, WRITTEN.
    expect((await tpm.nvReadPublic(identity.nvCounterIndex))?.attributes).toBe(0x22040014)
    expect(secrets.akAuth).not.toEqual(secrets.nvCounterAuth)
    expect(await leftovers(tpm)).toEqual([])
  })

  it('finds the EK that its certificate is for', () => {
    const { ekCertificate, ekPublicArea } = host.identity
    const certified = new X509Certificate(ekCertificate ?? Buffer.alloc(0)).publicKey
    expect(publicAreaKey(parsePublicArea(ekPublicArea)).equals(certified)).toBe(true)
  })

  it('reports vendor and hierarchies', () => {
    expect(host.identity.vendor.manufacturer).toBe('IBM')
    expect(host.identity.hierarchies).toEqual({
      ownerAuthSet: false,
      endorsementAuthSet: false,
      lockoutAuthSet: false,
      inLockout: false,
    })
  })

  it('changes nothing the second time', async () => {
    const before = await readdir(host.identityDir)
    const again = await provisionHost(tpm, host.identityDir)
    expect(again.created).toBe(false)
    expect(again.identity).toEqual(host.identity)
    expect(await readdir(host.identityDir)).toEqual(before)
  })

  it('finishes what an interrupted run has begun', async () => {
    const dir = fresh('interrupted')
    const handles = { akHandle: 0x81018010, nvCounterIndex: 0x01801010 }
    await writeSecrets(dir, newSecrets())
    const { secrets } = await provisionHost(tpm, dir, handles)
    // As if the power had failed before the identity was written, and before the counter was defined.
    await rm(join(dir, 'identity.json'))
    await tool('tpm2_nvundefine', '-C', 'o', '0x01801010')
    const second = await provisionHost(tpm, dir, handles)
    expect(second.created).toBe(true)
    expect(second.secrets).toEqual(secrets)
    await quoteFor(tpm, { handle: handles.akHandle, name: second.identity.akName, auth: secrets.akAuth })
  })

  it('takes a counter that was defined and never incremented', async () => {
    const secrets = newSecrets()
    const auth = `hex:${secrets.nvCounterAuth.toString('hex')}`
    await tool(
      'tpm2_nvdefine',
      '0x01801011',
      '-C',
      'o',
      '-s',
      '8',
      '-a',
      'authread|authwrite|no_da|nt=counter',
      '-p',
      auth,
    )
    await provision(tpm, secrets, { akHandle: 0x81018011, nvCounterIndex: 0x01801011 })
    expect(await tpm.nvCounter(0x01801011, secrets.nvCounterAuth).read()).toBeGreaterThan(0n)
  })

  it('makes the EK when the TPM does not keep it', async () => {
    await tool('tpm2_evictcontrol', '-C', 'o', '-c', '0x81010001')
    const identity = await provision(tpm, newSecrets(), { akHandle: 0x81018012, nvCounterIndex: 0x01801012 })
    expect(identity.ekPublicArea).toEqual(host.identity.ekPublicArea)
    expect(identity.ekHandle).toBe(0x81010001)
  })
})

describe('provisioning refuses', () => {
  it('a persistent handle with a key that it did not make', async () => {
    const before = await tpm.readPublic(host.identity.akHandle)
    await expect(
      provisionHost(tpm, fresh('second host'), { nvCounterIndex: 0x01801019 }),
    ).rejects.toMatchObject({ code: 'HANDLE_IN_USE', at: '0x81018001' })
    expect(await tpm.readPublic(host.identity.akHandle)).toEqual(before)
    await quoteFor(tpm, host.ak)
  })

  it('a persistent handle with a key of another kind, without trying an authValue on it', async () => {
    const options = { akHandle: host.identity.ekHandle, nvCounterIndex: 0x01801020 }
    await expect(provision(tpm, newSecrets(), options)).rejects.toMatchObject({ code: 'HANDLE_IN_USE' })
  })

  it('an NV index that it did not define', async () => {
    const options = { akHandle: 0x81018021, nvCounterIndex: host.identity.nvCounterIndex }
    await expect(provision(tpm, newSecrets(), options)).rejects.toMatchObject({ code: 'HANDLE_IN_USE' })
    const notCounter = { akHandle: 0x81018022, nvCounterIndex: 0x01801022 }
    await tool('tpm2_nvdefine', '0x01801022', '-C', 'o', '-s', '8')
    await expect(provision(tpm, newSecrets(), notCounter)).rejects.toMatchObject({ code: 'HANDLE_IN_USE' })
  })

  it('a counter that the owner may read or write as well', async () => {
    const secrets = newSecrets()
    const auth = `hex:${secrets.nvCounterAuth.toString('hex')}`
    const attributes = 'ownerwrite|authread|authwrite|no_da|nt=counter'
    await tool('tpm2_nvdefine', '0x01801023', '-C', 'o', '-s', '8', '-a', attributes, '-p', auth)
    const options = { akHandle: 0x81018023, nvCounterIndex: 0x01801023 }
    await expect(provision(tpm, secrets, options)).rejects.toMatchObject({ code: 'HANDLE_IN_USE' })
  })

  it('hierarchies with an authValue that it was not given, and works with it', async () => {
    await tool('tpm2_changeauth', '-c', 'o', 'owner secret')
    await tool('tpm2_changeauth', '-c', 'e', 'endorsement secret')
    const handles = { akHandle: 0x81018030, nvCounterIndex: 0x01801030 }
    const owner = Buffer.from('owner secret')
    const endorsement = Buffer.from('endorsement secret')
    await expect(provision(tpm, newSecrets(), handles)).rejects.toMatchObject({
      code: 'HIERARCHY_AUTH_NEEDED',
    })
    await expect(provision(tpm, newSecrets(), { ...handles, owner })).rejects.toMatchObject({
      code: 'HIERARCHY_AUTH_NEEDED',
      at: 'endorsement',
    })
    const wrong = { ...handles, owner: Buffer.from('not it'), endorsement }
    await expect(provision(tpm, newSecrets(), wrong)).rejects.toMatchObject({ code: 'TOOL_FAILED' })
    const identity = await provision(tpm, newSecrets(), { ...handles, owner, endorsement })
    expect(identity.hierarchies).toMatchObject({ ownerAuthSet: true, endorsementAuthSet: true })
    await tool('tpm2_changeauth', '-c', 'o', '-p', 'owner secret')
    await tool('tpm2_changeauth', '-c', 'e', '-p', 'endorsement secret')
  })
})

describe('an EK certificate in the TPM', () => {
  const others = join(import.meta.dirname, '../../fixtures/hosts/debian13-uki/ek-rsa.der')

  it('of another key is refused, and nothing stays behind', async () => {
    const before = await tpm.handles('PERSISTENT')
    const { size } = await stat(others)
    await tool('tpm2_nvundefine', '-C', 'p', '0x01c00002')
    await tool(
      'tpm2_nvdefine',
      '0x01c00002',
      '-C',
      'p',
      '-s',
      `${size}`,
      '-a',
      'ppwrite|authread|no_da|platformcreate',
    )
    await tool('tpm2_nvwrite', '0x01c00002', '-C', 'p', '-i', others)
    const options = { akHandle: 0x81018040, nvCounterIndex: 0x01801040 }
    await expect(provision(tpm, newSecrets(), options)).rejects.toMatchObject({ code: 'EK_UNFIT' })
    expect(await tpm.handles('PERSISTENT')).toEqual(before)
    await expect(provisionHost(tpm, host.identityDir)).rejects.toMatchObject({ code: 'TPM_CHANGED' })
  })

  it('may be missing: the identity then says so', async () => {
    await tool('tpm2_nvundefine', '-C', 'p', '0x01c00002')
    const options = { akHandle: 0x81018041, nvCounterIndex: 0x01801041 }
    const identity = await provision(tpm, newSecrets(), options)
    expect(identity.ekCertificate).toBeNull()
    expect(parsePublicArea(identity.ekPublicArea).type).toBe('ecc')
    // The certificate of before goes back, for the tests that follow.
    const certificate = join(host.dir, 'ek.der')
    await writeFile(certificate, host.identity.ekCertificate ?? '')
    const { size } = await stat(certificate)
    await tool(
      'tpm2_nvdefine',
      '0x01c00002',
      '-C',
      'p',
      '-s',
      `${size}`,
      '-a',
      'ppwrite|authread|no_da|platformcreate',
    )
    await tool('tpm2_nvwrite', '0x01c00002', '-C', 'p', '-i', certificate)
    expect((await provisionHost(tpm, host.identityDir)).created).toBe(false)
  })
})

describe('identity files', () => {
  it('keep the secrets to their owner', async () => {
    expect((await stat(join(host.identityDir, 'secrets.json'))).mode & 0o777).toBe(0o600)
    expect((await stat(host.identityDir)).mode & 0o777).toBe(0o700)
    const text = await readFile(join(host.identityDir, 'identity.json'), 'utf8')
    expect(text).not.toContain(host.secrets.akAuth.toString('hex'))
    expect(await readIdentity(host.identityDir)).toEqual({ identity: host.identity, secrets: host.secrets })
  })

  it('are not read when others can read the secrets', async () => {
    const dir = fresh('exposed')
    await writeIdentity(dir, host.identity, host.secrets)
    for (const mode of [0o640, 0o604, 0o660]) {
      await chmod(join(dir, 'secrets.json'), mode)
      await expect(readIdentity(dir)).rejects.toMatchObject({ code: 'IDENTITY_EXPOSED' })
    }
  })

  it('are never overwritten', async () => {
    await expect(writeIdentity(host.identityDir, host.identity, newSecrets())).rejects.toMatchObject({
      code: 'IDENTITY_EXISTS',
    })
    await expect(writeIdentity(host.identityDir, host.identity, host.secrets)).rejects.toMatchObject({
      code: 'IDENTITY_EXISTS',
    })
    expect((await readIdentity(host.identityDir)).secrets).toEqual(host.secrets)
  })

  it('that are missing, or half there, are said to be', async () => {
    const dir = fresh('half')
    await expect(readIdentity(dir)).rejects.toMatchObject({ code: 'IDENTITY_MISSING' })
    await mkdir(dir)
    await writeFile(join(dir, 'identity.json'), encodeIdentity(host.identity))
    await expect(readIdentity(dir)).rejects.toMatchObject({ code: 'IDENTITY_MISSING' })
  })

  it('with one wrong byte of the secrets, anywhere, are malformed', () => {
    const bytes = encodeSecrets(host.secrets)
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes)
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at)
      expect(() => decodeSecrets(changed), `byte ${at}`).toThrow(
        expect.objectContaining({ code: 'IDENTITY_MALFORMED' }),
      )
    }
  })

  it('with the secrets of another host are malformed', async () => {
    const dir = fresh('another secret key')
    await writeIdentity(dir, host.identity, { ...newSecrets(), akAuth: host.secrets.akAuth })
    await expect(readIdentity(dir)).rejects.toMatchObject({ code: 'IDENTITY_MALFORMED' })
  })

  it.each([
    ['no JSON', () => 'nothing'],
    ['a field more', (text: string) => text.replace('{', '{"also":1,')],
    ['a version of the future', (text: string) => text.replace('"version":1', '"version":2')],
    ['a Name of another key', (text: string) => text.replace(/"akName":"000b../, '"akName":"000b00')],
  ])('with %s are malformed', async (_what, change) => {
    const text = encodeIdentity(host.identity).toString()
    const changed = change(text)
    expect(changed).not.toBe(text)
    expect(() => decodeIdentity(Buffer.from(changed))).toThrow(
      expect.objectContaining({ code: 'IDENTITY_MALFORMED' }),
    )
  })

  it('are an identity or an error, whatever they hold', () => {
    const text = encodeIdentity(host.identity)
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.uint8Array({ maxLength: 4 }), (at, bytes) => {
        const changed = Buffer.concat([text.subarray(0, at), bytes, text.subarray(at + bytes.length)])
        try {
          decodeIdentity(changed)
        } catch (error) {
          expect(error).toBeInstanceOf(ProvisionError)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('of another TPM are noticed', async () => {
    const wrong = { ...host.secrets, akAuth: randomBytes(32) }
    const dir = fresh('wrong secrets')
    await writeIdentity(dir, host.identity, wrong)
    await expect(provisionHost(tpm, dir)).rejects.toMatchObject({ code: 'TPM_CHANGED' })
    const counter = fresh('wrong counter')
    await writeIdentity(counter, host.identity, { ...host.secrets, nvCounterAuth: randomBytes(32) })
    await expect(provisionHost(tpm, counter)).rejects.toMatchObject({ code: 'TPM_CHANGED' })
    const certificate = fresh('wrong certificate')
    await writeIdentity(certificate, { ...host.identity, ekCertificate: Buffer.alloc(8) }, host.secrets)
    await expect(provisionHost(tpm, certificate)).rejects.toMatchObject({ code: 'TPM_CHANGED' })
    await host.simulated.replace()
    await expect(provisionHost(tpm, host.identityDir)).rejects.toMatchObject({ code: 'TPM_CHANGED' })
    expect((await tpm.handles('PERSISTENT')).includes(host.identity.akHandle)).toBe(false)
  })
})
