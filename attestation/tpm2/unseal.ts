import { randomBytes } from 'node:crypto'
import { sha256 } from '../../encoding/digest.ts'
import { shareSecret } from '../identity/secret-sharing.ts'
import { approvalMessage, counterOperand, type HostState, hostStatePolicy } from '../sealed/policy-digest.ts'
import { endorsementKeyOf } from '../sealed/sealed-object.ts'
import { EMPTY_PASSWORD, policySession } from './authorization.ts'
import { nvReadPublicCommand } from './commands/nv.ts'
import { pcrReadCommand } from './commands/pcr.ts'
import {
  policyAuthorizeCommand,
  policyAuthValueCommand,
  policyNvCommand,
  policyPcrCommand,
  type VerifiedTicket,
  verifySignatureCommand,
} from './commands/policy.ts'
import {
  type DuplicatedObject,
  importCommand,
  loadCommand,
  loadExternalCommand,
  unsealCommand,
} from './commands/sealed.ts'
import {
  policySecretCommand,
  startAuthSessionCommand,
  startEncryptedSessionCommand,
} from './commands/session.ts'
import { TPM_EO, TPM_RH, TPM_SE } from './constants.ts'
import { EncryptedSession } from './encrypted-session.ts'
import { TpmError } from './error.ts'
import type { Executor } from './executor.ts'
import { type Entity, permanent, type TpmCommand } from './marshal.ts'
import { type PcrValues, readAllPcrs } from './pcr-values.ts'
import { TPM_RC } from './response-code.ts'
import { NONCE_SIZE } from './session-hmac.ts'
import { hashFromId, publicAreaName } from './structures/index.ts'
import { sized } from './structures/integers.ts'

/** How often an unsealing begins anew because a PCR was extended meanwhile; on a host with IMA every program that starts does that. */
const MOST_CHANGES = 16

/** The endorsement key as the host was enrolled with it: a session is salted for this key and for no other that may answer. */
export interface Endorsement {
  readonly handle: number
  /** TPMT_PUBLIC. */
  readonly publicArea: Buffer
}

/** What a policy key approved of. */
export interface Approval extends HostState {
  /** TPMT_SIGNATURE over {@link approvalMessage}. */
  readonly signature: Buffer
}

export interface UnsealRequest {
  readonly ek: Endorsement
  readonly object: DuplicatedObject
  readonly authValue: Buffer
  /** TPMT_PUBLIC of the key that approves. */
  readonly policyKey: Buffer
  readonly policyRef: Buffer
  /** Those for this host. The one for its PCRs as they are is tried first. */
  readonly approvals: readonly Approval[]
  /** The NV counter that approvals with a ceiling are held against. */
  readonly counter: { readonly index: number; readonly auth: Buffer }
}

/** Runs `body` with a policy session in which the endorsement hierarchy's (empty) authValue was given, as the EK's policy asks. */
async function asEndorsement<T>(tpm: Executor, command: TpmCommand<T>): Promise<T> {
  const session = await tpm.run(startAuthSessionCommand(TPM_SE.POLICY))
  let ended = false
  try {
    await tpm.run(policySecretCommand(permanent(TPM_RH.ENDORSEMENT), session.handle), EMPTY_PASSWORD)
    const value = await tpm.run(command, policySession(session.handle))
    ended = true
    return value
  } finally {
    if (!ended) await tpm.flush(session.handle)
  }
}

/** Makes the object one of this TPM's. What it gives is of use to this TPM alone, and as public as what it was made from. */
export function importObject(tpm: Executor, ek: Endorsement, object: DuplicatedObject): Promise<Buffer> {
  const entity = { handle: ek.handle, name: publicAreaName(ek.publicArea) }
  return asEndorsement(tpm, importCommand(entity, object))
}

/**
 * Unseals: load → each approval that may hold → the policy's commands → TPM2_Unseal, encrypted. Every handle is freed, whatever happens. All
 * that is refused here the TPM refuses; nothing of it is judged by this code.
 *
 * @param privateArea what {@link importObject} gave
 * @throws TpmError, that of the last approval tried
 */
export async function unsealObject(
  tpm: Executor,
  privateArea: Buffer,
  request: UnsealRequest,
): Promise<Buffer> {
  const { ek, object } = request
  const entity = { handle: ek.handle, name: publicAreaName(ek.publicArea) }
  const candidates = await likelyFirst(tpm, request.approvals)
  const [first] = candidates
  if (first === undefined) throw new TypeError('an unsealing needs an approval')
  const loaded = await asEndorsement(tpm, loadCommand(entity, privateArea, object.publicArea))
  try {
    let refusal: unknown
    for (const approval of candidates) {
      try {
        return await underApproval(tpm, loaded, approval, request)
      } catch (error) {
        if (!(error instanceof TpmError) || error.rc === undefined) throw error
        // The first is the one that could have held, so its refusal is the one to tell of.
        refusal ??= error
      }
    }
    throw refusal
  } finally {
    await tpm.flush(loaded.handle)
  }
}

/** A matter of time only: the TPM judges each of them itself. */
async function likelyFirst(tpm: Executor, approvals: readonly Approval[]): Promise<readonly Approval[]> {
  const rated: { approval: Approval; fits: boolean }[] = []
  for (const approval of approvals) {
    const values = await readAllPcrs(left => tpm.run(pcrReadCommand(left)), approval.selection).catch(
      (error: unknown) => {
        if (error instanceof TpmError && error.code === 'TPM_UNSTABLE') return new Map() as PcrValues
        throw error
      },
    )
    const all = approval.selection.flatMap(({ bank, pcrs }) =>
      pcrs.map(pcr => values.get(hashFromId(bank, 'bank'))?.get(pcr) ?? Buffer.alloc(0)),
    )
    rated.push({ approval, fits: sha256(Buffer.concat(all)).equals(approval.pcrDigest) })
  }
  return [...rated.filter(({ fits }) => fits), ...rated.filter(({ fits }) => !fits)].map(
    ({ approval }) => approval,
  )
}

async function underApproval(
  tpm: Executor,
  object: Entity,
  approval: Approval,
  request: UnsealRequest,
): Promise<Buffer> {
  const ticket = await approvalTicket(tpm, approval, request)
  for (let changes = 0; ; changes++) {
    try {
      return await once(tpm, object, approval, ticket, request)
    } catch (error) {
      const changed = error instanceof TpmError && error.rc === TPM_RC.PCR_CHANGED
      if (!changed || changes === MOST_CHANGES) throw error
    }
  }
}

/** The TPM checks the policy key's signature and says so in a ticket that only it can make. */
async function approvalTicket(
  tpm: Executor,
  approval: Approval,
  { policyKey, policyRef }: UnsealRequest,
): Promise<VerifiedTicket> {
  const key = await tpm.run(loadExternalCommand(policyKey))
  try {
    const digest = sha256(approvalMessage(hostStatePolicy(approval), policyRef))
    return await tpm.run(verifySignatureCommand(key, digest, approval.signature))
  } finally {
    await tpm.flush(key.handle)
  }
}

async function once(
  tpm: Executor,
  object: Entity,
  approval: Approval,
  ticket: VerifiedTicket,
  { ek, authValue, policyKey, policyRef, counter }: UnsealRequest,
): Promise<Buffer> {
  return withEncryptedSession(tpm, ek, 'POLICY', async session => {
    if (approval.counter !== null) {
      const { notAbove } = approval.counter
      const found = await tpm.run(nvReadPublicCommand(counter.index))
      const index = { handle: counter.index, name: found.name }
      await tpm.withHmacSession(counter.auth, reading =>
        tpm.run(
          policyNvCommand(session.handle, index, counterOperand(notAbove), TPM_EO.UNSIGNED_LE),
          reading,
        ),
      )
    }
    await tpm.run(policyPcrCommand(session.handle, approval.pcrDigest, approval.selection))
    await tpm.run(
      policyAuthorizeCommand(session.handle, {
        policy: hostStatePolicy(approval),
        policyRef,
        keyName: publicAreaName(policyKey),
        ticket,
      }),
    )
    await tpm.run(policyAuthValueCommand(session.handle))
    session.authorizeWith(authValue)
    session.encryptResponse = true
    return tpm.run(unsealCommand(object), session)
  })
}

/** Runs `body` with a session that is salted for the endorsement key; it is freed, and its keys forgotten, whatever happens. */
export async function withEncryptedSession<T>(
  tpm: Executor,
  ek: Endorsement,
  type: keyof typeof TPM_SE,
  body: (session: EncryptedSession) => Promise<T>,
): Promise<T> {
  const key = { handle: ek.handle, name: publicAreaName(ek.publicArea) }
  const { secret: salt, encryptedSecret } = shareSecret(endorsementKeyOf(ek.publicArea), 'SECRET')
  const nonceCaller = randomBytes(NONCE_SIZE)
  const { handle, nonceTpm } = await tpm.run(
    startEncryptedSessionCommand(TPM_SE[type], { key, encryptedSalt: sized(encryptedSecret) }, nonceCaller),
  )
  const session = new EncryptedSession({ handle, nonceCaller, nonceTpm, salt })
  salt.fill(0)
  try {
    return await body(session)
  } finally {
    session.wipe()
    if (!session.ended) await tpm.flush(handle)
  }
}
