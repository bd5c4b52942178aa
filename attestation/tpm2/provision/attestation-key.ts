import { type AttestationKey, readAttestationKey } from '../../identity/ak.ts'
import { TpmError } from '../error.ts'
import { parseQuoteAttest, parseSignature, QUOTED_SELECTION, verifySignature } from '../structures/index.ts'
import type { Tpm } from '../tpm.ts'
import { type HierarchyAuths, hex } from './endorsement-key.ts'
import { ProvisionError } from './error.ts'
import type { TpmTools } from './tools.ts'

const ATTRIBUTES = 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign|noda'

/**
 * The AK at `handle`: an ECC P-256 key that signs only what the TPM itself made, under the EK in the endorsement
 * hierarchy (a quote by a key elsewhere has its counts and firmware version obfuscated: Part 1, section 36.7). One that
 * `auth` opens is taken as it is; anything else at the handle is left alone.
 *
 * @throws ProvisionError `HANDLE_IN_USE`, `AK_UNFIT`, `TOOL_FAILED`
 */
export async function attestationKey(
  tpm: Tpm,
  tools: TpmTools,
  request: { handle: number; ekHandle: number; auth: Buffer; auths: HierarchyAuths },
): Promise<AttestationKey> {
  const { handle, auth } = request
  const found = await tpm.readPublic(handle)
  if (!found) {
    await tpm.lend(() => create(tools, request))
    const made = await tpm.readPublic(handle)
    const ak = made && readAttestationKey(made.publicArea)
    if (!ak || !(await opens(tpm, handle, ak, auth))) {
      throw new ProvisionError('AK_UNFIT', `the key made at ${hex(handle)} does not quote with its authValue`)
    }
    return ak
  }
  const ak = tryRead(found.publicArea)
  // Only a key outside of the dictionary attack lockout is tried: a failed try of another would count.
  if (ak && (await opens(tpm, handle, ak, auth))) return ak
  throw new ProvisionError(
    'HANDLE_IN_USE',
    `${hex(handle)} holds a key that this host's secrets do not open. If nobody needs it: tpm2_evictcontrol -C o -c ${hex(handle)}`,
    { at: hex(handle) },
  )
}

/** Whether this authValue makes the key at `handle` quote, and the signature is by that key. */
export async function opens(tpm: Tpm, handle: number, ak: AttestationKey, auth: Buffer): Promise<boolean> {
  const extraData = Buffer.from('writ provisioning')
  try {
    const { attest, signature } = await tpm.quote({
      ak: { handle, name: ak.name, auth },
      extraData,
      selection: QUOTED_SELECTION,
      requester: { kind: 'maintenance' },
    })
    return (
      parseQuoteAttest(attest).extraData.equals(extraData) &&
      verifySignature(ak.publicKey, attest, parseSignature(signature))
    )
  } catch (error) {
    if (error instanceof TpmError && error.code === 'TPM_AUTH_FAILED') return false
    throw error
  }
}

function tryRead(publicArea: Buffer): AttestationKey | undefined {
  try {
    return readAttestationKey(publicArea)
  } catch {
    return undefined
  }
}

async function create(
  tools: TpmTools,
  request: { handle: number; ekHandle: number; auth: Buffer; auths: HierarchyAuths },
): Promise<void> {
  const { handle, ekHandle, auth, auths } = request
  const parent = ['-C', hex(ekHandle), '-P', 'session:policy.ctx']
  const template = ['-G', 'ecc256:ecdsa-sha256:null', '-g', 'sha256', '-a', ATTRIBUTES]
  const blobs = ['-u', 'ak.pub', '-r', 'ak.priv']
  await withEkPolicy(tools, auths, () =>
    tools.run('tpm2_create', [...parent, ...template, '-p', 'file:-', ...blobs], auth),
  )
  await withEkPolicy(tools, auths, () => tools.run('tpm2_load', [...parent, ...blobs, '-c', 'ak.ctx']))
  const owner = await tools.auth('-P', auths.owner)
  await tools.run('tpm2_evictcontrol', ['-C', 'o', '-c', 'ak.ctx', ...owner, hex(handle)])
}

/** The EK is used under its policy, PolicySecret(endorsement); a policy session serves one command. */
async function withEkPolicy(
  tools: TpmTools,
  auths: HierarchyAuths,
  body: () => Promise<void>,
): Promise<void> {
  const endorsement = auths.endorsement?.length ? (await tools.auth('-e', auths.endorsement)).slice(1) : []
  await tools.run('tpm2_startauthsession', ['--policy-session', '-S', 'policy.ctx'])
  try {
    await tools.run('tpm2_policysecret', ['-S', 'policy.ctx', '-c', 'e', ...endorsement])
    await body()
  } finally {
    await tools.run('tpm2_flushcontext', ['policy.ctx']).catch(() => undefined)
  }
}
