import { existsSync } from 'node:fs'
import type { PublicKey, Signer } from '../../signing/key.ts'
import { CliError } from '../error.ts'
import { readAs, readDocument, writeDocument } from '../files.ts'
import { ensurePlace } from './place.ts'
import { type Done, done, type Found, type StepContext, toDo } from './step.ts'

/** A signed document that has to be in force on the host. */
export interface SignedDocument {
  /** For example `trust roots`. */
  readonly what: string
  /** Most bytes of it. Left out: those of every other document. */
  readonly maxBytes?: number
  /** Where it belongs. */
  readonly target: string
  /** The answer that names one that was made elsewhere. */
  readonly given: string | undefined
  /** Opens it with the operator's key, and says in a line what it is. @throws WritError */
  open(envelope: Buffer, operator: PublicKey): string
  /** What would be signed here; null where that cannot be. */
  readonly will: readonly string[] | null
  /** Signs it here, at `target`. */
  make(operator: Signer): Promise<readonly string[]>
  /** Makes what is to be signed elsewhere, as far as that is this host's business; and the command that signs it. */
  byHand(): Promise<{ readonly did: readonly string[]; readonly next: string }>
}

/** What there is to be done for a document: nothing, take it, sign it, or have it signed. @throws CliError */
export async function lookAtDocument(context: StepContext, document: SignedDocument): Promise<Found> {
  const { what, target, given, open, maxBytes } = document
  const { authority, answers } = context
  const check = async (file: string) =>
    readAs(file, what, bytes => authority.operator().then(key => open(bytes, key)), maxBytes)
  if (existsSync(target)) {
    if (given !== undefined) await requireSame(given, document)
    return done([`${what.padEnd(20)} ${target}, ${await check(target)}`])
  }
  if (given !== undefined) {
    return toDo([`take ${what} from ${given}, if the operator signed them`], async () => {
      // The bytes that were verified, whatever becomes of the file meanwhile.
      const operator = await authority.operator()
      const { bytes, said } = await readAs(
        given,
        what,
        bytes => ({ bytes, said: open(bytes, operator) }),
        maxBytes,
      )
      await ensurePlace(answers.places.etc)
      await writeDocument(target, bytes)
      return { did: [`${what.padEnd(20)} ${target}, ${said}`] }
    })
  }
  return toDo(document.will ?? [`have ${what} signed elsewhere`], () => signOrWait(context, document))
}

async function signOrWait({ authority, answers }: StepContext, document: SignedDocument): Promise<Done> {
  await ensurePlace(answers.places.etc)
  const operator = document.will === null ? null : await authority.operatorSigner()
  if (operator === null) {
    const { did, next } = await document.byHand()
    return { did, waiting: { for: 'SIGNATURE', next } }
  }
  const warnings = await document.make(operator)
  const { what, target, open, maxBytes } = document
  const said = await readAs(target, what, bytes => open(bytes, operator.public), maxBytes)
  return { did: [`${what.padEnd(20)} ${target}, ${said}`], warnings }
}

async function requireSame(given: string, { target, what, maxBytes }: SignedDocument): Promise<void> {
  const read = (file: string) => readDocument(file, what, maxBytes)
  const [one, other] = await Promise.all([read(given), read(target)])
  if (one.equals(other)) return
  throw new CliError('FILE_EXISTS', `${target} is another file than ${given}, and is not overwritten`, {
    at: target,
    next: 'A running daemon takes a newer one by `writ key trust load`, `writ policy load` or `writ reference load`.',
  })
}
