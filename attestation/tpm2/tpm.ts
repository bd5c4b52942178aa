import { sha256Hex } from '../../encoding/digest.ts'
import { EMPTY_PASSWORD, password, policySession } from './authorization.ts'
import { banksCommand, handlesCommand, propertiesCommand } from './commands/capability.ts'
import { readClockCommand } from './commands/clock.ts'
import { activateCredentialCommand } from './commands/credential.ts'
import { type NvPublic, nvIncrementCommand, nvReadCommand, nvReadPublicCommand } from './commands/nv.ts'
import { flushContextCommand, type ObjectPublic, readPublicCommand } from './commands/object.ts'
import { pcrExtendCommand, pcrReadCommand } from './commands/pcr.ts'
import { type Quote, quoteCommand } from './commands/quote.ts'
import { getRandomCommand } from './commands/random.ts'
import { policySecretCommand, startAuthSessionCommand } from './commands/session.ts'
import { shutdownCommand } from './commands/startup.ts'
import { TPM_HR, TPM_PT, TPM_RH, TPM_SE } from './constants.ts'
import { TpmError } from './error.ts'
import { Executor } from './executor.ts'
import { type Entity, permanent } from './marshal.ts'
import { type NvCounter, requireCounter } from './nv-counter.ts'
import { type PcrValues, readAllPcrs } from './pcr-values.ts'
import {
  type HierarchyState,
  readHierarchies,
  readUse,
  readVendor,
  type TpmUse,
  type TpmVendor,
} from './properties.ts'
import { type Requester, TpmQueue } from './queue.ts'
import { isExhausted, isLostSession } from './response-code.ts'
import { type ClockInfo, type HashAlgorithm, type PcrSelection, publicAreaName } from './structures/index.ts'
import type { TpmTransport } from './transport.ts'
import { importObject, type UnsealRequest, unsealObject } from './unseal.ts'

export interface TpmOptions {
  /** Longest wait for the answer to one command. A real TPM signs in 100 to 600 ms. Default 5,000. */
  commandTimeoutMs?: number
  /** Longest wait for one's turn. Default 15,000. */
  queueTimeoutMs?: number
  /** Most reports that wait, over all uids. Default 64. */
  maxWaitingReports?: number
  /** On an exclusive transport: how long the connection is kept after the last command. Default 20. */
  lingerMs?: number
}

/** A key in the TPM that signs with an authValue. */
export interface SigningKey extends Entity {
  readonly auth: Buffer
}

export interface QuoteRequest {
  readonly ak: SigningKey
  /** At most 64 bytes; ours are the 32 of a SHA-256. */
  readonly extraData: Uint8Array
  readonly selection: readonly PcrSelection[]
  readonly requester: Requester
}

/** Objects whose import is remembered; each takes about 300 bytes. */
const MOST_IMPORTED = 256

const MAINTENANCE: Requester = { kind: 'maintenance' }

/**
 * The one owner of a TPM in this process. Methods may be called at any time and at once by anybody; each is one job in
 * the queue and has the TPM for itself. All throw {@link TpmError}. After a failure of the connection the next job
 * connects again, so a TPM that comes back is used again without further ado.
 */
export class Tpm {
  readonly #transport: TpmTransport
  readonly #executor: Executor
  readonly #queue: TpmQueue
  readonly #lingerMs: number
  #linger: NodeJS.Timeout | undefined
  /** Private areas of imported objects, encrypted by and for the TPM, by object. */
  readonly #imported = new Map<string, Buffer>()

  constructor(transport: TpmTransport, options: TpmOptions = {}) {
    this.#transport = transport
    this.#executor = new Executor(transport, options.commandTimeoutMs ?? 5_000)
    this.#queue = new TpmQueue({
      maxReports: options.maxWaitingReports ?? 64,
      maxWaitMs: options.queueTimeoutMs ?? 15_000,
    })
    this.#lingerMs = options.lingerMs ?? 20
    if (transport.exclusive) this.#queue.onIdle = () => this.#releaseSoon()
  }

  /** Where the TPM is, for messages. */
  get description(): string {
    return this.#transport.description
  }

  /** How tpm2-tools reach the same TPM. */
  get tcti(): string {
    return this.#transport.tcti
  }

  /** Jobs that wait for the TPM. */
  get waiting(): number {
    return this.#queue.length
  }

  /** Signs PCRs and `extraData`. The answer is well-formed, and nothing more: the caller verifies it. */
  quote({ ak, extraData, selection, requester }: QuoteRequest): Promise<Quote> {
    return this.#repeatable(requester, tpm =>
      tpm.withHmacSession(ak.auth, session => tpm.run(quoteCommand(ak, extraData, selection), session)),
    )
  }

  /** The PCRs of one instant; `TPM_UNSTABLE` if something extends them all the time. */
  readPcrs(selection: readonly PcrSelection[], requester: Requester = MAINTENANCE): Promise<PcrValues> {
    return this.#repeatable(requester, tpm => readAllPcrs(left => tpm.run(pcrReadCommand(left)), selection))
  }

  /** Extends one PCR in each bank given. A host's firmware and kernel do that; here it is for simulated TPMs. */
  pcrExtend(
    pcr: number,
    digests: readonly { readonly bank: HashAlgorithm; readonly digest: Uint8Array }[],
  ): Promise<void> {
    return this.#once(MAINTENANCE, tpm => tpm.run(pcrExtendCommand(pcr, digests), EMPTY_PASSWORD))
  }

  /** The TPM's clock; not signed, so for status only. `time` counts milliseconds since the TPM got power. */
  readClock(requester: Requester = MAINTENANCE): Promise<ClockInfo & { readonly time: bigint }> {
    return this.#repeatable(requester, tpm => tpm.run(readClockCommand()))
  }

  /** Who says to have made this TPM. Not signed: what tier it is, an EK certificate decides. */
  vendor(): Promise<TpmVendor> {
    return this.#repeatable(MAINTENANCE, tpm =>
      readVendor((first, count) => tpm.run(propertiesCommand(first, count))),
    )
  }

  /** Which hierarchies have an authValue, and whether the TPM is locked out. */
  hierarchies(): Promise<HierarchyState> {
    return this.#repeatable(MAINTENANCE, tpm =>
      readHierarchies((first, count) => tpm.run(propertiesCommand(first, count))),
    )
  }

  /** Which hierarchies can be used, and how near the TPM is to locking itself. */
  use(): Promise<TpmUse> {
    return this.#repeatable(MAINTENANCE, tpm =>
      readUse((first, count) => tpm.run(propertiesCommand(first, count))),
    )
  }

  /** The banks that the TPM has, with their PCRs. */
  banks(): Promise<readonly PcrSelection[]> {
    return this.#repeatable(MAINTENANCE, async tpm =>
      (await tpm.run(banksCommand())).items.filter(bank => bank.pcrs.length > 0),
    )
  }

  /** All handles of one range (`TPM_HR`). */
  handles(range: keyof typeof TPM_HR): Promise<number[]> {
    return this.#repeatable(MAINTENANCE, async tpm => {
      const out: number[] = []
      let first: number = TPM_HR[range]
      for (;;) {
        const { items, more } = await tpm.run(handlesCommand(first))
        out.push(...items)
        const last = items.at(-1)
        if (!more || last === undefined || last < first) return out
        first = last + 1
      }
    })
  }

  /** The public area and Name of an object; undefined if there is none. */
  readPublic(handle: number): Promise<ObjectPublic | undefined> {
    return this.#repeatable(MAINTENANCE, tpm => undefinedIfMissing(tpm.run(readPublicCommand(handle))))
  }

  /** The public area and Name of an NV index; undefined if there is none. */
  nvReadPublic(index: number): Promise<NvPublic | undefined> {
    return this.#repeatable(MAINTENANCE, tpm => undefinedIfMissing(tpm.run(nvReadPublicCommand(index))))
  }

  /** All bytes of an NV index that is readable with an empty authValue (EK certificates are); undefined if there is none. */
  nvRead(index: number): Promise<Buffer | undefined> {
    return this.#repeatable(MAINTENANCE, async tpm => {
      const found = await undefinedIfMissing(tpm.run(nvReadPublicCommand(index)))
      if (!found) return undefined
      const { items } = await tpm.run(propertiesCommand(TPM_PT.NV_BUFFER_MAX, 1))
      const chunk = Math.min(items[0]?.value ?? 512, 1024)
      const entity = { handle: index, name: found.name }
      const parts: Buffer[] = []
      for (let at = 0; at < found.dataSize; at += chunk) {
        const size = Math.min(chunk, found.dataSize - at)
        parts.push(await tpm.run(nvReadCommand(entity, entity, size, at), EMPTY_PASSWORD))
      }
      return Buffer.concat(parts)
    })
  }

  /** An NV counter with an authValue of its own. */
  nvCounter(index: number, auth: Buffer): NvCounter {
    const requester: Requester = { kind: 'counter' }
    const open = async (tpm: Executor): Promise<Entity> =>
      requireCounter(await undefinedIfMissing(tpm.run(nvReadPublicCommand(index))), index)
    const read = (counter: Entity) => nvReadCommand(counter, counter, 8, 0)
    return {
      read: () =>
        this.#repeatable(requester, async tpm => {
          const counter = await open(tpm)
          const bytes = await tpm.withHmacSession(auth, session => tpm.run(read(counter), session))
          return bytes.readBigUInt64BE()
        }),
      increment: () =>
        this.#once(requester, async tpm => {
          const before = await open(tpm)
          return tpm.withHmacSession(auth, async session => {
            session.keep = true
            await tpm.run(nvIncrementCommand(before, before), session)
            session.keep = false
            // The first increment sets TPMA_NV_WRITTEN and with that changes the Name.
            const after = await open(tpm)
            return (await tpm.run(read(after), session)).readBigUInt64BE()
          })
        }),
    }
  }

  /**
   * Opens a credential that was made for this EK and the AK's Name, and returns the secret in it.
   *
   * @param credentialBlob a whole TPM2B_ID_OBJECT
   * @param encryptedSecret a whole TPM2B_ENCRYPTED_SECRET
   * @param endorsementAuth of the endorsement hierarchy, which the EK's policy asks for
   */
  activateCredential(request: {
    readonly ak: SigningKey
    readonly ekHandle: number
    readonly credentialBlob: Uint8Array
    readonly encryptedSecret: Uint8Array
    readonly endorsementAuth?: Buffer
  }): Promise<Buffer> {
    const { ak, ekHandle, credentialBlob, encryptedSecret } = request
    const endorsement = password(request.endorsementAuth ?? Buffer.alloc(0))
    return this.#repeatable(MAINTENANCE, async tpm => {
      const { name } = await tpm.run(readPublicCommand(ekHandle))
      const ek = { handle: ekHandle, name }
      const policy = await tpm.run(startAuthSessionCommand(TPM_SE.POLICY))
      let ended = false
      try {
        await tpm.run(policySecretCommand(permanent(TPM_RH.ENDORSEMENT), policy.handle), endorsement)
        const secret = await tpm.withHmacSession(ak.auth, session =>
          tpm.run(
            activateCredentialCommand(ak, ek, credentialBlob, encryptedSecret),
            session,
            policySession(policy.handle),
          ),
        )
        ended = true
        return secret
      } finally {
        if (!ended) await tpm.flush(policy.handle)
      }
    })
  }

  /**
   * Unseals a secret that was sealed for this TPM's endorsement key. Two turns in the queue, so that the attestor can go in between; the first is
   * left out when this object was imported before.
   *
   * @throws TpmError; what the TPM itself refuses has its response code in `rc`
   */
  async unseal(request: UnsealRequest, requester: Requester): Promise<Buffer> {
    const { ek, object } = request
    const name = publicAreaName(object.publicArea).toString('hex')
    const key = `${name} ${sha256Hex(Buffer.concat([object.duplicate, object.encryptedSeed]))}`
    let imported = this.#imported.get(key)
    if (imported === undefined) {
      imported = await this.#repeatable(requester, tpm => importObject(tpm, ek, object))
      if (this.#imported.size >= MOST_IMPORTED) this.#imported.clear()
      this.#imported.set(key, imported)
    }
    const privateArea = imported
    try {
      return await this.#repeatable(requester, tpm => unsealObject(tpm, privateArea, request))
    } catch (error) {
      // It may not be this TPM's any more (another took its place).
      this.#imported.delete(key)
      throw error
    }
  }

  /** Random bytes from the TPM, at most what one answer holds (32 to 64). */
  getRandom(bytes: number): Promise<Buffer> {
    return this.#repeatable(MAINTENANCE, tpm => tpm.run(getRandomCommand(bytes)))
  }

  /** Frees one session or transient object. */
  flushContext(handle: number): Promise<void> {
    return this.#once(MAINTENANCE, tpm => tpm.run(flushContextCommand(handle)))
  }

  /** Starts an HMAC or policy session and leaves it in the TPM; {@link flushContext} frees it. */
  startAuthSession(type: keyof typeof TPM_SE): Promise<{ handle: number; nonceTpm: Buffer }> {
    return this.#once(MAINTENANCE, tpm => tpm.run(startAuthSessionCommand(TPM_SE[type])))
  }

  /** TPM2_Shutdown, which the kernel sends on a host; here it is for simulated TPMs. */
  shutdown(kind: 'clear' | 'state'): Promise<void> {
    return this.#once(MAINTENANCE, tpm => tpm.run(shutdownCommand(kind)))
  }

  /**
   * Lets `body` use the TPM by other means (tpm2-tools), with the connection dropped and the queue held. What the tools
   * leave behind in a TPM without resource manager is freed afterwards.
   */
  lend<T>(body: () => Promise<T>): Promise<T> {
    return this.#queue.run(MAINTENANCE, async () => {
      await this.#transport.release()
      try {
        return await body()
      } finally {
        await this.#executor.sweep().catch(() => undefined)
      }
    })
  }

  /** Ends the connection. What waits fails with `TPM_CLOSED`; what runs fails as its connection goes. */
  async close(): Promise<void> {
    clearTimeout(this.#linger)
    this.#queue.close()
    await this.#transport.close()
  }

  #once<T>(requester: Requester, job: (tpm: Executor) => Promise<T>): Promise<T> {
    return this.#queue.run(requester, async () => {
      clearTimeout(this.#linger)
      return job(this.#executor)
    })
  }

  /** A job without side effects: when its session or connection turns out to be gone it runs once more. */
  #repeatable<T>(requester: Requester, job: (tpm: Executor) => Promise<T>): Promise<T> {
    return this.#once(requester, async tpm => {
      try {
        return await job(tpm)
      } catch (error) {
        if (!(error instanceof TpmError)) throw error
        if (isExhausted(error.rc)) await tpm.sweep()
        else if (error.code !== 'TPM_UNAVAILABLE' && !isLostSession(error.rc)) throw error
        return job(tpm)
      }
    })
  }

  #releaseSoon(): void {
    clearTimeout(this.#linger)
    this.#linger = setTimeout(() => void this.#transport.release(), this.#lingerMs).unref()
  }
}

async function undefinedIfMissing<T>(command: Promise<T>): Promise<T | undefined> {
  try {
    return await command
  } catch (error) {
    // TPM_RC_HANDLE with handle number 1 (Part 3, sections 12.4 and 31.6).
    if (error instanceof TpmError && error.rc === 0x18b) return undefined
    throw error
  }
}
