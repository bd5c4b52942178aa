import { existsSync } from 'node:fs'
import type { PublicKey, Signer } from '../../signing/key.ts'
import { CliError } from '../error.ts'
import { readDocument } from '../files.ts'
import { keyFiles } from '../key-files.ts'
import { isEncrypted, isPublic, MAX_KEY_BYTES, readPassphrase, readSigner, readTrustedKey } from '../keys.ts'
import type { Answers } from './answers.ts'
import type { SetupFiles } from './files.ts'

/** Asks a person for a passphrase. `again`: for a new key, so twice; empty means none. */
export type AskPassphrase = (question: string, again: boolean) => Promise<string>

/** The keys that sign for this host: where they are, and how they are used. Nothing is read before it is needed. */
export class Authority {
  readonly #keys: Answers['keys']
  readonly #documents: Answers['documents']
  readonly #files: SetupFiles
  readonly #ask: AskPassphrase | null
  /** What was typed; empty: no passphrase for new keys. */
  #typed: string | undefined

  /** @param ask null where nobody can be asked */
  constructor({ keys, documents }: Answers, files: SetupFiles, ask: AskPassphrase | null) {
    this.#keys = keys
    this.#documents = documents
    this.#files = files
    this.#ask = ask
  }

  /** Whether the operator's key is made on this host. */
  get makesOperator(): boolean {
    return this.#keys.operator === 'new'
  }

  /** Whether the key that signs artifacts is. */
  get makesRelease(): boolean {
    return this.#release === 'new'
  }

  /** The file with the operator's key: private if it is made or given so. */
  get operatorFile(): string {
    return this.#keys.operator === 'new' ? keyFiles(this.#files.operator).private : this.#keys.operator
  }

  /** The file with the key that signs artifacts; null where it is somebody else's business. */
  get releaseFile(): string | null {
    const release = this.#release
    if (release === 'none') return null
    return release === 'new' ? keyFiles(this.#files.release).private : release
  }

  /** Trust roots that were signed before there is a release key name others; one that were made now would be nobody's. */
  get #release(): Answers['keys']['release'] {
    const { release, trust } = this.#files
    const isSigned = this.#documents.trust !== undefined || existsSync(trust)
    const pair = keyFiles(release)
    const isLate = isSigned && !existsSync(pair.public) && !existsSync(pair.private)
    return this.#keys.release === 'new' && isLate ? 'none' : this.#keys.release
  }

  /** The operator's public key. @throws CliError */
  async operator(): Promise<PublicKey> {
    const installed = keyFiles(this.#files.operator).public
    if (existsSync(installed)) return readTrustedKey(installed, "the operator's key")
    return this.publicOf(this.operatorFile, "the operator's key")
  }

  /** The public half of a key in a file of either kind. @throws CliError */
  async publicOf(file: string, what: string): Promise<PublicKey> {
    if (isPublic(await readDocument(file, what, MAX_KEY_BYTES))) return readTrustedKey(file, what)
    return (await this.#signer(file, what)).public
  }

  /** What signs for the operator; null where that is done elsewhere. @throws CliError */
  async operatorSigner(): Promise<Signer | null> {
    const what = "the operator's key"
    const file = this.operatorFile
    // Made here, and taken away since: that is what one should do.
    if (this.makesOperator && !existsSync(file)) return null
    if (this.#keys.sign_command === undefined && isPublic(await readDocument(file, what, MAX_KEY_BYTES)))
      return null
    return this.#signer(file, what)
  }

  /** What signs artifacts; null where that is done elsewhere. @throws CliError */
  async releaseSigner(): Promise<Signer | null> {
    const file = this.releaseFile
    if (file !== null && this.makesRelease && !existsSync(file)) return null
    if (file === null || isPublic(await readDocument(file, 'the release key', MAX_KEY_BYTES))) return null
    return this.#signer(file, 'the release key', false)
  }

  /** The passphrase of new keys; undefined: they are not encrypted. @throws CliError */
  async newPassphrase(): Promise<string | undefined> {
    const given = await readPassphrase(this.#given())
    if (given !== undefined || this.#ask === null) return given
    this.#typed ??= await this.#ask('Passphrase of the new keys (empty: they are not encrypted)', true)
    return this.#typed === '' ? undefined : this.#typed
  }

  async #signer(file: string, what: string, byCommand = true): Promise<Signer> {
    const { sign_command } = this.#keys
    const bytes = await readDocument(file, what, MAX_KEY_BYTES)
    if (isPublic(bytes)) {
      const command = byCommand && sign_command !== undefined ? { signCommand: [sign_command] } : {}
      return readSigner(file, what, command)
    }
    return readSigner(file, what, isEncrypted(bytes) ? await this.#opening(file) : {})
  }

  async #opening(
    file: string,
  ): Promise<{ passphraseEnv?: string; passphraseFile?: string; passphrase?: string }> {
    const given = this.#given()
    if (given.passphraseEnv !== undefined || given.passphraseFile !== undefined) return given
    if (this.#typed === undefined || this.#typed === '') {
      if (this.#ask === null)
        throw new CliError('KEY_UNUSABLE', `${file} is encrypted, and no passphrase was given`, {
          at: file,
          next: 'Give --passphrase-env NAME or --passphrase-file FILE.',
        })
      this.#typed = await this.#ask(`Passphrase of ${file}`, false)
    }
    return { passphrase: this.#typed }
  }

  #given(): { passphraseEnv?: string; passphraseFile?: string } {
    const { passphrase_env, passphrase_file } = this.#keys
    return {
      ...(passphrase_env === undefined ? {} : { passphraseEnv: passphrase_env }),
      ...(passphrase_file === undefined ? {} : { passphraseFile: passphrase_file }),
    }
  }
}
