import { readAttestationKey } from '../../identity/ak.ts'
import type { Tpm } from '../tpm.ts'
import { attestationKey, opens as opensKey } from './attestation-key.ts'
import { opens as opensCounter, ownCounter } from './counter.ts'
import { endorsementKey, findCertificate, type HierarchyAuths, hex } from './endorsement-key.ts'
import { ProvisionError } from './error.ts'
import { type HostIdentity, type HostSecrets, hostId, newSecrets, secretKeySpki } from './host-identity.ts'
import {
  readIdentity,
  readSecrets,
  type SecretsPlace,
  writeIdentity,
  writeSecrets,
} from './identity-files.ts'
import { TpmTools } from './tools.ts'

export interface ProvisionOptions extends HierarchyAuths {
  /** Persistent handle of the AK, in the range of endorsement keys. */
  readonly akHandle?: number | undefined
  /** NV index of the lineage's counter, in the owner's range. */
  readonly nvCounterIndex?: number | undefined
  /** NV index of the counter of secret policies; by default the one 0x100 above the lineage's. */
  readonly secretCounterIndex?: number | undefined
}

const DEFAULT_AK_HANDLE = 0x81018001
const DEFAULT_COUNTER_INDEX = 0x01805752

/**
 * Makes what a host needs in its TPM: EK, AK, counter. The caller has stored `secrets` before: what an earlier run that
 * was interrupted has made is recognised by them and used. Nothing that they do not open is touched.
 *
 * @throws ProvisionError, TpmError
 */
export async function provision(
  tpm: Tpm,
  secrets: HostSecrets,
  options: ProvisionOptions = {},
): Promise<HostIdentity> {
  const akHandle = options.akHandle ?? DEFAULT_AK_HANDLE
  const nvCounterIndex = options.nvCounterIndex ?? DEFAULT_COUNTER_INDEX
  const secretCounterIndex = options.secretCounterIndex ?? nvCounterIndex + 0x100
  const vendor = await tpm.vendor()
  const hierarchies = await tpm.hierarchies()
  if (hierarchies.ownerAuthSet && !options.owner) throw authNeeded('owner')
  if (hierarchies.endorsementAuthSet && !options.endorsement) throw authNeeded('endorsement')
  const auths = { owner: options.owner, endorsement: options.endorsement }

  return TpmTools.use(tpm.tcti, async tools => {
    const ek = await endorsementKey(tpm, tools, auths)
    const ak = await attestationKey(tpm, tools, {
      handle: akHandle,
      ekHandle: ek.handle,
      auth: secrets.akAuth,
      auths,
    })
    await ownCounter(tpm, tools, { index: nvCounterIndex, auth: secrets.nvCounterAuth, auths })
    const secretCounterBase = await ownCounter(tpm, tools, {
      index: secretCounterIndex,
      auth: secrets.secretCounterAuth,
      auths,
    })
    return {
      akHandle,
      akPublicArea: ak.publicArea,
      akName: ak.name,
      ekHandle: ek.handle,
      ekPublicArea: ek.publicArea,
      ekCertificate: ek.certificate,
      ekIntermediates: ek.intermediates,
      nvCounterIndex,
      secretCounterIndex,
      secretCounterBase,
      secretKeySpki: secretKeySpki(secrets),
      vendor,
      hierarchies,
    }
  })
}

/**
 * Gives the host its identity, once. The secrets are on disk before the TPM holds anything made with them, and the identity is
 * written last, so that a run that was interrupted anywhere is finished by the next. With an identity there already it only
 * checks that the TPM still is the one.
 *
 * @param dir where {@link readIdentity} finds it
 * @param place where the secrets are, if not there
 * @throws ProvisionError, TpmError
 */
export async function provisionHost(
  tpm: Tpm,
  dir: string,
  options: ProvisionOptions = {},
  place: SecretsPlace = { directory: dir },
): Promise<{ identity: HostIdentity; secrets: HostSecrets; created: boolean }> {
  try {
    const existing = await readIdentity(dir, place)
    await checkIdentity(tpm, existing.identity, existing.secrets)
    return { ...existing, created: false }
  } catch (error) {
    if (!(error instanceof ProvisionError) || error.code !== 'IDENTITY_MISSING') throw error
  }
  const secrets = (await readSecrets(place.directory)) ?? newSecrets()
  await writeSecrets(place.directory, secrets)
  const identity = await provision(tpm, secrets, options)
  await writeIdentity(dir, identity, secrets, place)
  return { identity, secrets, created: true }
}

/**
 * Checks that an identity is this TPM's: the AK is at its handle and quotes with its authValue, the counter answers to its
 * own, EK and EK certificate are the same. It changes nothing.
 *
 * @throws ProvisionError `TPM_CHANGED` naming what differs
 */
export async function checkIdentity(tpm: Tpm, identity: HostIdentity, secrets: HostSecrets): Promise<void> {
  const changed = (what: string) =>
    new ProvisionError(
      'TPM_CHANGED',
      `the identity of host ${hostId(identity)} is not that of this TPM: ${what}`,
    )

  const ak = await tpm.readPublic(identity.akHandle)
  if (!ak?.name.equals(identity.akName)) throw changed(`another key or none at ${hex(identity.akHandle)}`)
  if (!(await opensKey(tpm, identity.akHandle, readAttestationKey(ak.publicArea), secrets.akAuth))) {
    throw changed('the AK does not quote with its authValue')
  }
  const ek = await tpm.readPublic(identity.ekHandle)
  if (!ek?.publicArea.equals(identity.ekPublicArea))
    throw changed(`another EK or none at ${hex(identity.ekHandle)}`)
  const { certificate } = await findCertificate(tpm)
  if (identity.ekCertificate && !certificate?.equals(identity.ekCertificate))
    throw changed('another EK certificate')
  if (!(await tpm.nvReadPublic(identity.nvCounterIndex))) throw changed('its counter is gone')
  if (!(await opensCounter(tpm, identity.nvCounterIndex, secrets.nvCounterAuth))) {
    throw changed('its counter has another authValue')
  }
  if (!(await tpm.nvReadPublic(identity.secretCounterIndex))) throw changed('its secret counter is gone')
  if (!(await opensCounter(tpm, identity.secretCounterIndex, secrets.secretCounterAuth))) {
    throw changed('its secret counter has another authValue')
  }
  if (!identity.secretKeySpki.equals(secretKeySpki(secrets))) throw changed('another key for secrets')
}

function authNeeded(hierarchy: string): ProvisionError {
  return new ProvisionError(
    'HIERARCHY_AUTH_NEEDED',
    `the TPM's ${hierarchy} hierarchy has an authValue, which is needed to provision the host`,
    { at: hierarchy },
  )
}
