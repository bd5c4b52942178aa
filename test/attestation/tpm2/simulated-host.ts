import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { HostIdentity, HostSecrets, SigningKey, Tpm } from '../../../attestation/tpm2/index.ts'
import { provisionHost } from '../../../attestation/tpm2/provision/index.ts'
import { QUOTED_SELECTION } from '../../../attestation/tpm2/structures/index.ts'
import { type SimulatedTpm, startSimulatedTpm } from '../../../attestation/tpm2/swtpm/index.ts'

/** A directory of its own for one test file; the space in its name is there on purpose. */
export function temporaryDir(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'writ tpm '))
}

/** A simulated TPM with a provisioned host on it. */
export interface SimulatedHost {
  readonly dir: string
  readonly identityDir: string
  readonly simulated: SimulatedTpm
  readonly identity: HostIdentity
  readonly secrets: HostSecrets
  readonly ak: SigningKey
  end(): Promise<void>
}

export async function startSimulatedHost(): Promise<SimulatedHost> {
  const dir = await temporaryDir()
  const simulated = await startSimulatedTpm({ dir: join(dir, 'tpm') })
  const identityDir = join(dir, 'identity')
  const tpm = simulated.connect()
  const { identity, secrets } = await provisionHost(tpm, identityDir)
  await tpm.close()
  return {
    dir,
    identityDir,
    simulated,
    identity,
    secrets,
    ak: { handle: identity.akHandle, name: identity.akName, auth: secrets.akAuth },
    async end() {
      await simulated.kill()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** A quote for the attestor over the usual PCRs. */
export function quoteFor(tpm: Tpm, ak: SigningKey, extraData: Uint8Array = Buffer.alloc(32, 7)) {
  return tpm.quote({ ak, extraData, selection: QUOTED_SELECTION, requester: { kind: 'attestor' } })
}

/** What is loaded in the TPM, of all kinds that a client can leave behind. */
export async function leftovers(tpm: Tpm): Promise<number[]> {
  return [
    ...(await tpm.handles('TRANSIENT')),
    ...(await tpm.handles('HMAC_SESSION')),
    ...(await tpm.handles('SAVED_SESSION')),
  ]
}
