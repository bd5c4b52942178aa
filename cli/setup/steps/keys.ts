import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { type PublicKey, publicKeyToPem } from '../../../signing/key.ts'
import { CliError } from '../../error.ts'
import { leftoversOf, removeLeftovers, writeDocument } from '../../files.ts'
import { keyFiles, makeKeyFiles } from '../../key-files.ts'
import { readTrustedKey } from '../../keys.ts'
import { ensurePlace } from '../place.ts'
import { done, type Step, type StepContext, toDo } from '../step.ts'

/** One of the two keys: where it is wanted, and where it comes from. */
interface Wanted {
  readonly what: string
  /** Path without ending. */
  readonly name: string
  readonly made: boolean
  readonly from: string
}

/** Makes the two keys, or takes the public halves of keys that are elsewhere. */
export const keys: Step = {
  name: 'keys',
  title: 'keys',
  why: "The operator's key says what is in force on the host; the release key signs the artifacts that allow a program to run.",
  async look(context) {
    const { authority, files, stage, answers } = context
    if (stage === 'image' && (authority.makesOperator || authority.makesRelease))
      throw new CliError('USAGE', 'keys that are made in an image are in every host that comes of it', {
        at: 'keys',
        next: 'Give public keys: keys.operator, and keys.release or "none".',
      })
    const wanted: Wanted[] = [
      {
        what: "the operator's key",
        name: files.operator,
        made: authority.makesOperator,
        from: authority.operatorFile,
      },
    ]
    if (authority.releaseFile !== null)
      wanted.push({
        what: 'the release key',
        name: files.release,
        made: authority.makesRelease,
        from: authority.releaseFile,
      })
    const there: string[] = []
    if (authority.releaseFile === null)
      there.push('the release key      none: signed trust roots say who signs artifacts')
    const open: Wanted[] = []
    for (const key of wanted) {
      const installed = keyFiles(key.name).public
      if (!existsSync(installed)) {
        open.push(key)
        continue
      }
      const present = await readTrustedKey(installed, key.what)
      if (!key.made) await requireSame(context, key, present, installed)
      there.push(line(key.what, present, installed))
    }
    // Whoever kills a run while it makes a key may leave that lying about.
    const privates = [files.operator, files.release].map(name => keyFiles(name).private)
    const left = (await Promise.all(privates.map(leftoversOf))).flat()
    if (open.length === 0 && left.length === 0) return done(there)
    const will = [
      ...left.map(file => `remove ${file}, which a run that was killed left`),
      ...open.map(({ what, name, made, from }) =>
        made ? `make ${what}: ${name}.key and ${name}.pub` : `take ${what} from ${from}: ${name}.pub`,
      ),
    ]
    return toDo(
      will,
      async () => {
        await ensurePlace(answers.places.etc)
        const removed = (await Promise.all(privates.map(removeLeftovers))).flat()
        const did = removed.map(file => `removed              ${file}`)
        let bare = false
        for (const key of open) {
          const { passphrase, made } = await settle(context, key)
          if (made && passphrase === undefined) bare = true
          const { public: installed } = keyFiles(key.name)
          did.push(line(key.what, await readTrustedKey(installed, key.what), installed))
        }
        return {
          did,
          warnings: warnings(
            open.some(({ made }) => made),
            bare,
          ),
        }
      },
      there,
    )
  },
}

function line(what: string, key: PublicKey, file: string): string {
  return `${what.padEnd(20)} ${file}, ${key.algorithm}, id ${key.id.slice(0, 16)}`
}

function warnings(made: boolean, bare: boolean): string[] {
  return [
    ...(made
      ? [
          'keys were made on the host that they are to govern: whoever is root here can use them. In earnest they are made and kept elsewhere',
        ]
      : []),
    ...(bare ? ['the private keys are not encrypted'] : []),
  ]
}

/** Makes or takes one key, from wherever an earlier run was interrupted. */
async function settle(
  { authority }: StepContext,
  { what, name, made, from }: Wanted,
): Promise<{ made: boolean; passphrase?: string | undefined }> {
  const pair = keyFiles(name)
  if (made && !existsSync(pair.private)) {
    const passphrase = await authority.newPassphrase()
    await makeKeyFiles(name, 'ed25519', passphrase)
    return { made: true, passphrase }
  }
  const key = await authority.publicOf(made ? pair.private : from, what)
  if (resolve(from) !== pair.public) await writeDocument(pair.public, publicKeyToPem(key))
  return { made: false }
}

/** @throws CliError when another key is installed than the one that is given */
async function requireSame(
  { authority }: StepContext,
  { what, from }: Wanted,
  present: PublicKey,
  installed: string,
): Promise<void> {
  const given = await authority.publicOf(from, what)
  if (given.id === present.id) return
  throw new CliError('FILE_EXISTS', `${installed} is another key than ${from}, and is not overwritten`, {
    at: installed,
    next: 'docs/operations has how a key is replaced.',
  })
}
