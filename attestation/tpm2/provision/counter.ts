import { TPMA_NV } from '../constants.ts'
import { TpmError } from '../error.ts'
import { isCounter } from '../nv-counter.ts'
import type { Tpm } from '../tpm.ts'
import { type HierarchyAuths, hex } from './endorsement-key.ts'
import { ProvisionError } from './error.ts'
import type { TpmTools } from './tools.ts'

/** What the index may do: be read and incremented by its own authValue, nothing else. */
const RIGHTS = TPMA_NV.AUTHREAD + TPMA_NV.AUTHWRITE + TPMA_NV.NO_DA
const OTHERS =
  TPMA_NV.OWNERREAD +
  TPMA_NV.OWNERWRITE +
  TPMA_NV.PPREAD +
  TPMA_NV.PPWRITE +
  TPMA_NV.POLICYREAD +
  TPMA_NV.POLICYWRITE

/**
 * A counter of this host at `index`: the lineage's, or that of the secret policy. One that `auth` opens is taken as it is; anything else there is left alone.
 *
 * @returns its value, at least 1
 * @throws ProvisionError `HANDLE_IN_USE`, `TOOL_FAILED`
 */
export async function ownCounter(
  tpm: Tpm,
  tools: TpmTools,
  request: { index: number; auth: Buffer; auths: HierarchyAuths },
): Promise<bigint> {
  const { index, auth } = request
  const found = await tpm.nvReadPublic(index)
  if (!found) {
    const owner = await tools.auth('-P', request.auths.owner)
    const attributes = 'authread|authwrite|no_da|nt=counter'
    await tpm.lend(() =>
      tools.run(
        'tpm2_nvdefine',
        [hex(index), '-C', 'o', '-s', '8', '-g', 'sha256', '-a', attributes, '-p', 'file:-', ...owner],
        auth,
      ),
    )
    return tpm.nvCounter(index, auth).increment()
  }
  const rights = found.attributes & (RIGHTS + OTHERS)
  // A wrong authValue counts against the lockout unless NO_DA is set, so that is looked at before one is tried.
  if (isCounter(found) && rights === RIGHTS && (await opens(tpm, index, auth))) {
    const written = (found.attributes & TPMA_NV.WRITTEN) !== 0
    const counter = tpm.nvCounter(index, auth)
    return written ? counter.read() : counter.increment()
  }
  throw new ProvisionError(
    'HANDLE_IN_USE',
    `NV index ${hex(index)} is not this host's counter. If nobody needs it: tpm2_nvundefine -C o ${hex(index)}`,
    { at: hex(index) },
  )
}

/** Whether `auth` is the index's. A counter that was never incremented says so only to whoever has its authValue. */
export async function opens(tpm: Tpm, index: number, auth: Buffer): Promise<boolean> {
  try {
    await tpm.nvCounter(index, auth).read()
    return true
  } catch (error) {
    if (!(error instanceof TpmError)) throw error
    if (error.code === 'TPM_AUTH_FAILED') return false
    if (error.rc === 0x14a) return true
    throw error
  }
}
