import { createPrivateKey, type KeyObject } from 'node:crypto'
import { closeSync } from 'node:fs'
import type { Logger } from 'pino'
import {
  approvalSignature,
  counterName,
  pcrSelection,
  policyKeyPublicArea,
  QUOTED_BANK,
} from '../attestation/index.ts'
import type { Approval, HostIdentity, HostSecrets, Tpm, UnsealRequest } from '../attestation/tpm2/index.ts'
import { TpmError } from '../attestation/tpm2/index.ts'
import {
  type DecisionInput,
  decryptPayload,
  openAuthValue,
  type SealedSecret,
  type SecretPolicy,
  secretPolicyKey,
} from '../authorization/index.ts'
import { WritError } from '../encoding/error.ts'
import { base64ToBytes, hexToBytes } from '../encoding/text.ts'
import { sealedMemfd } from './native.ts'

/** Longest time for all secrets of one execution. A hardware TPM needs one to two seconds for each. */
const DEFAULT_TIMEOUT_MS = 20_000
/** Approvals that are tried for one secret, those for the PCRs as they are first. */
const MOST_APPROVALS = 8

export type SecretErrorCode = 'NOT_FOR_THIS_HOST' | 'NO_POLICY' | 'NOT_APPROVED' | 'REFUSED' | 'TIMEOUT'

/** Why a secret was not opened. With `REFUSED` it is the TPM that refuses. */
export class SecretError extends WritError<SecretErrorCode> {}

export interface SecretsOptions {
  readonly hostId: string
  readonly identity: HostIdentity
  readonly secrets: HostSecrets
  readonly tpm: Pick<Tpm, 'unseal'>
  /** That in force; null: none. */
  readonly policy: () => SecretPolicy | null
  readonly timeoutMs?: number
}

/** Opened secrets, each in a sealed memfd that nobody has but this process. */
export interface OpenSecrets {
  readonly descriptors: readonly { readonly fd: number; readonly descriptor: number }[]
  /** Closes them here; may be called more than once. */
  close(): void
}

/**
 * Opens the secrets of an artifact. They exist here only between the TPM's answer and the memfd, and what held them is
 * overwritten. Nothing of them is written down, logged or put into an error.
 */
export class Secrets {
  readonly #o: SecretsOptions
  readonly #key: KeyObject

  constructor(options: SecretsOptions) {
    this.#o = options
    this.#key = createPrivateKey({ key: options.secrets.secretKey, format: 'der', type: 'pkcs8' })
  }

  /**
   * @param issuer of the verified artifact that they are in
   * @throws SecretError; TpmError `TPM_BUSY` when too many wait
   */
  async open(sealed: readonly SealedSecret[], issuer: string, uid: number): Promise<OpenSecrets> {
    const descriptors: { fd: number; descriptor: number }[] = []
    let closed = false
    const close = () => {
      closed = true
      for (const { fd } of descriptors.splice(0)) closeSync(fd)
    }
    const { promise: late, reject } = Promise.withResolvers<never>()
    const timeoutMs = this.#o.timeoutMs ?? DEFAULT_TIMEOUT_MS
    const timer = setTimeout(
      () => reject(new SecretError('TIMEOUT', `the TPM did not unseal within ${timeoutMs} ms`)),
      timeoutMs,
    )
    try {
      for (const secret of sealed) {
        const opening = this.#openOne(secret, issuer, uid)
        // What comes too late is nobody's.
        opening.then(
          bytes => closed && bytes.fill(0),
          () => undefined,
        )
        const bytes = await Promise.race([opening, late])
        try {
          descriptors.push({ fd: sealedMemfd(bytes), descriptor: secret.descriptor })
        } finally {
          bytes.fill(0)
        }
      }
      return { descriptors: [...descriptors], close }
    } catch (error) {
      close()
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  async #openOne(secret: SealedSecret, issuer: string, uid: number): Promise<Buffer> {
    const { hostId, identity, secrets, tpm } = this.#o
    const recipient = secret.recipients.find(({ host }) => host === hostId)
    if (recipient === undefined)
      throw new SecretError('NOT_FOR_THIS_HOST', `${secret.name} was not sealed for this host`)
    const policy = this.#o.policy()
    if (policy === null) throw new SecretError('NO_POLICY', 'no secret policy is in force')
    const publicArea = base64ToBytes(recipient.publicArea)
    const authValue = this.#authValue(secret.name, publicArea, recipient.authValue)
    const request: UnsealRequest = {
      ek: { handle: identity.ekHandle, publicArea: identity.ekPublicArea },
      object: {
        publicArea,
        duplicate: base64ToBytes(recipient.duplicate),
        encryptedSeed: base64ToBytes(recipient.encryptedSeed),
      },
      authValue,
      ...approvalsFor(policy, hostId),
      counter: { index: identity.secretCounterIndex, auth: secrets.secretCounterAuth },
    }
    try {
      const key = await tpm.unseal(request, { kind: 'unseal', uid })
      try {
        return decryptPayload(secret, issuer, key)
      } finally {
        key.fill(0)
      }
    } catch (error) {
      if (!(error instanceof TpmError) || error.rc === undefined) throw error
      throw new SecretError('REFUSED', `the TPM does not give up ${secret.name}: ${error.message}`, {
        cause: error,
      })
    } finally {
      authValue.fill(0)
    }
  }

  #authValue(name: string, publicArea: Buffer, sealed: string): Buffer {
    try {
      return openAuthValue(this.#key, publicArea, sealed)
    } catch (cause) {
      throw new SecretError('NOT_FOR_THIS_HOST', `the authValue of ${name} is not for this daemon`, { cause })
    }
  }
}

/** What a secret that was not opened is to a decision. */
export function secretFault(error: unknown): NonNullable<DecisionInput['fault']> {
  const code = error instanceof WritError ? error.code : 'UNKNOWN'
  if (code === 'TPM_BUSY' || code === 'TPM_TIMEOUT' || code === 'TIMEOUT')
    return { code: 'CAPACITY', message: `the TPM had no time to unseal (${code})` }
  if (error instanceof SecretError || code === 'SECRET_INVALID')
    return { code: 'ENVIRONMENT_MISMATCH', message: (error as Error).message.slice(0, 300) }
  return { code: 'INTERNAL', message: `a secret could not be opened (${code})` }
}

/** The policy key and what it approved for a host, as the TPM takes them. */
export function approvalsFor(
  policy: SecretPolicy,
  host: string,
): Pick<UnsealRequest, 'policyKey' | 'policyRef' | 'approvals'> {
  const key = secretPolicyKey(policy)
  const approvals = policy.approvals
    .filter(approval => approval.host === 'any' || approval.host === host)
    .slice(0, MOST_APPROVALS)
    .map(
      ({ pcrDigest, counter, signature }): Approval => ({
        selection: pcrSelection(QUOTED_BANK, policy.pcrs),
        pcrDigest: hexToBytes(pcrDigest),
        counter: counter && { name: hexToBytes(counter.name), notAbove: BigInt(counter.notAbove) },
        signature: approvalSignature(base64ToBytes(signature)),
      }),
    )
  if (approvals.length === 0)
    throw new SecretError('NOT_APPROVED', `the secret policy approves of no state of this host`)
  return { policyKey: policyKeyPublicArea(key), policyRef: hexToBytes(policy.reference), approvals }
}

/** How far a policy takes this host's counter; null: its approvals for it have no ceiling. */
export function counterOf(policy: SecretPolicy, host: string, identity: HostIdentity): bigint | null {
  const name = counterName(identity.secretCounterIndex).toString('hex')
  const [first, ...others] = policy.approvals
    .filter(approval => approval.host === host && approval.counter?.name === name)
    .map(({ counter }) => BigInt(counter?.notAbove ?? 0))
  if (first === undefined) return null
  let least = first
  for (const other of others) if (other < least) least = other
  return least
}

/** Most steps that one policy may take the counter: each is a write of the TPM's NV, which wears out. */
const MOST_STEPS = 256n

/**
 * Looks whether a policy fits this host's counter, before it is in force, and gives what moves the counter to its ceiling: from then on the TPM
 * refuses every approval with a lower one.
 *
 * @throws SecretError `NOT_APPROVED`
 */
export async function counterStep(
  policy: SecretPolicy,
  {
    hostId,
    identity,
    secrets,
    tpm,
  }: Pick<SecretsOptions, 'hostId' | 'identity' | 'secrets'> & {
    readonly tpm: Pick<Tpm, 'nvCounter'>
  },
): Promise<() => Promise<void>> {
  const ceiling = counterOf(policy, hostId, identity)
  if (ceiling === null) return async () => undefined
  const counter = tpm.nvCounter(identity.secretCounterIndex, secrets.secretCounterAuth)
  const now = await counter.read()
  if (now > ceiling || ceiling - now > MOST_STEPS)
    throw new SecretError(
      'NOT_APPROVED',
      `the policy is for a counter of ${ceiling}, and this host's is at ${now}`,
    )
  return async () => {
    for (let at = now; at < ceiling; ) at = await counter.increment()
  }
}

/** What a crash between a policy's entry in the lineage and the step of the counter left undone. A TPM that does not answer now keeps nobody from starting. */
export async function catchUp(
  policy: SecretPolicy | null,
  step: (policy: SecretPolicy) => Promise<() => Promise<void>>,
  log: Pick<Logger, 'warn'>,
): Promise<void> {
  if (policy === null) return
  try {
    const advance = await step(policy)
    await advance()
  } catch (error) {
    log.warn({ err: error }, 'the counter of secret policies is not where the policy in force has it')
  }
}
