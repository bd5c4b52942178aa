import type { Command } from 'commander'
import { utf8ToString } from '../encoding/text.ts'
import {
  type PrivateKey,
  type PublicKey,
  readPrivateKey,
  readPublicKey,
  type Signer,
} from '../signing/key.ts'
import { CliError } from './error.ts'
import { readAs, readDocument } from './files.ts'
import { commandSigner } from './sign-command.ts'

/** Most bytes of a file with a key. */
export const MAX_KEY_BYTES = 16 << 10

/** Options of every command that opens a private key. */
export interface PassphraseOptions {
  passphraseEnv?: string
  passphraseFile?: string
  /** Typed at a terminal; no option of the command line. */
  passphrase?: string
}

/** Adds the two ways of giving a passphrase. It is never an argument: every user of the machine sees those. */
export function addPassphraseOptions(command: Command): Command {
  return command
    .option('--passphrase-env <name>', 'environment variable that holds the passphrase of the key')
    .option('--passphrase-file <file>', 'file whose first line is the passphrase of the key')
}

/** Options of every command that signs: a key in a file, or behind a command. */
export interface SignerOptions extends PassphraseOptions {
  signCommand?: string[]
}

/** Adds {@link addPassphraseOptions}, and the way of signing with a key that no file holds. */
export function addSignerOptions(command: Command): Command {
  return addPassphraseOptions(
    command.option(
      '--sign-command <command>',
      'what signs for a --key that is a public key: it gets the bytes on standard input and writes the signature to standard output; no shell (repeatable, one for each such --key)',
      collectText,
    ),
  )
}

const collectText = (value: string, before: string[] | undefined) => [...(before ?? []), value]

/** The passphrase, if one was given. @throws CliError */
export async function readPassphrase(options: PassphraseOptions): Promise<string | undefined> {
  const { passphraseEnv, passphraseFile, passphrase } = options
  if (passphrase !== undefined) return passphrase
  if (passphraseEnv !== undefined && passphraseFile !== undefined) {
    throw new CliError('USAGE', 'give --passphrase-env or --passphrase-file, not both')
  }
  if (passphraseEnv !== undefined) {
    return nonEmpty(process.env[passphraseEnv], `the environment variable ${passphraseEnv}`)
  }
  if (passphraseFile === undefined) return undefined
  const text = await readAs(passphraseFile, 'the passphrase', b => utf8ToString(b), MAX_KEY_BYTES)
  return nonEmpty(text.split('\n')[0]?.replace(/\r$/, ''), `the first line of ${passphraseFile}`)
}

function nonEmpty(text: string | undefined, where: string): string {
  if (text !== undefined && text !== '') return text
  throw new CliError('USAGE', `${where} is empty, so it is no passphrase`)
}

/** What signs with a key: itself, or the command for one that is public. @throws CliError */
export async function readSigner(path: string, what: string, options: SignerOptions): Promise<Signer> {
  const [signer] = await readSigners([path], what, options)
  if (signer === undefined) throw new TypeError('one key is one signer')
  return signer
}

/** What signs with each of the keys. Those that are public take one command each, in the order of both. @throws CliError */
export async function readSigners(
  paths: readonly string[],
  what: string,
  options: SignerOptions,
): Promise<Signer[]> {
  const commands = [...(options.signCommand ?? [])]
  const signers: Signer[] = []
  for (const path of paths) {
    const bytes = await readDocument(path, what, MAX_KEY_BYTES)
    if (!isPublic(bytes)) {
      signers.push(await readSigningKey(path, what, options))
      continue
    }
    const command = commands.shift()
    if (command === undefined) {
      throw new CliError('KEY_UNUSABLE', `${path} is a public key, which does not sign`, {
        at: path,
        next: 'Give the private key, or say with --sign-command what signs with it.',
      })
    }
    signers.push(commandSigner(await readTrustedKey(path, what), command))
  }
  if (commands.length === 0) return signers
  throw new CliError('USAGE', 'there are more --sign-command than public keys among --key')
}

/** Whether it is meant as a public key, in PEM or in DER: a PKCS#8 key begins with its version, a SubjectPublicKeyInfo with a SEQUENCE. */
export function isPublic(bytes: Buffer): boolean {
  return bytes[0] === 0x30 ? bytes[2] === 0x30 : bytes.includes('-----BEGIN PUBLIC KEY-----')
}

/** Whether it takes a passphrase. */
export function isEncrypted(pem: Buffer): boolean {
  return pem.includes('ENCRYPTED PRIVATE KEY')
}

/** Reads a private key that signs. @throws CliError */
export async function readSigningKey(
  path: string,
  what: string,
  options: PassphraseOptions,
): Promise<PrivateKey> {
  const passphrase = await readPassphrase(options)
  const pem = await readDocument(path, what, MAX_KEY_BYTES)
  const encrypted = isEncrypted(pem)
  if (encrypted && passphrase === undefined) {
    throw new CliError('KEY_UNUSABLE', `${path} is encrypted, and no passphrase was given`, {
      at: path,
      next: 'Give --passphrase-env NAME or --passphrase-file FILE.',
    })
  }
  return readAs(
    path,
    what,
    bytes => readPrivateKey(utf8ToString(bytes), encrypted ? passphrase : undefined),
    MAX_KEY_BYTES,
  )
}

/** Reads a public key in PEM or DER. @throws CliError */
export function readTrustedKey(path: string, what: string): Promise<PublicKey> {
  return readAs(path, what, parsePublicKey, MAX_KEY_BYTES)
}

/** A public key from PEM or DER bytes. */
export function parsePublicKey(bytes: Buffer): PublicKey {
  return bytes[0] === 0x30 ? readPublicKey(bytes) : readPublicKey(utf8ToString(bytes))
}
