import { spawnSync } from 'node:child_process'
import { base64ToBytes, utf8ToString } from '../encoding/text.ts'
import { type PublicKey, type Signer, verifyBytes } from '../signing/key.ts'
import { CliError } from './error.ts'
import { systemReason } from './files.ts'

/** How long a command may take: somebody may have to find a token and type its PIN. */
const PATIENCE_MS = 120_000
/** Most bytes that it may answer with: a signature has at most 72, in base64 a third more. */
const MAX_ANSWER_BYTES = 4096

/**
 * Splits a command into its words, as a shell would without anything that a shell does beside: blanks divide; quotes of either kind hold
 * together; a backslash takes the next character as it is, outside of quotes and between double ones before `"` and `\`. Nothing is
 * expanded, and no shell is started.
 *
 * @throws CliError `USAGE`
 */
export function splitCommand(text: string): string[] {
  const words: string[] = []
  const part = /\s+|'([^']*)'|"((?:[^"\\]|\\[\s\S])*)"|\\([\s\S])|([^\s'"\\]+)/y
  let word: string | undefined
  while (part.lastIndex < text.length) {
    const found = part.exec(text)
    if (found === null)
      throw new CliError('USAGE', `--sign-command: a quote or a backslash is left open: ${text}`)
    const [whole, single, double, escaped, plain] = found
    const more = single ?? double?.replace(/\\(["\\])/g, '$1') ?? escaped ?? plain
    if (more !== undefined) word = (word ?? '') + more
    else if (whole !== '' && word !== undefined) {
      words.push(word)
      word = undefined
    }
  }
  if (word !== undefined) words.push(word)
  if (words[0] === undefined || words[0] === '')
    throw new CliError('USAGE', '--sign-command names no command')
  if (words.some(item => item.includes('\0'))) throw new CliError('USAGE', '--sign-command has a NUL')
  return words
}

/**
 * A signer whose private key only a command can use. The command gets the bytes to sign on standard input, and writes the signature to
 * standard output, raw or in base64; its standard error and its terminal are those of this process, for a PIN. What it answers counts only
 * if it verifies with the public key.
 *
 * @param text the command, as {@link splitCommand} reads it
 * @param patienceMs after so long it is killed
 * @returns a signer that throws CliError `KEY_UNUSABLE`
 */
export function commandSigner(key: PublicKey, text: string, patienceMs = PATIENCE_MS): Signer {
  const [command = '', ...args] = splitCommand(text)
  return {
    public: key,
    sign(data) {
      const { error, status, signal, stdout } = spawnSync(command, args, {
        input: data,
        stdio: ['pipe', 'pipe', 'inherit'],
        timeout: patienceMs,
        killSignal: 'SIGKILL',
        maxBuffer: MAX_ANSWER_BYTES,
      })
      // One that does not read what it is to sign signs something else, which shows below.
      if (error !== undefined && (error as NodeJS.ErrnoException).code !== 'EPIPE') {
        throw unusable(command, whyFailed(error as NodeJS.ErrnoException, patienceMs), error)
      }
      if (status !== 0)
        throw unusable(command, signal === null ? `it ended with status ${status}` : `it ended by ${signal}`)
      const signature = readSignature(key, stdout)
      if (signature !== null && verifyBytes(key, data, signature)) return signature
      throw unusable(
        command,
        signature === null
          ? `its answer of ${stdout.length} bytes is no ${key.algorithm} signature`
          : `its signature is not by the key ${key.id}`,
      )
    },
  }
}

function unusable(command: string, why: string, cause?: unknown): CliError {
  return new CliError('KEY_UNUSABLE', `${command} gave no signature that can be used: ${why}`, {
    cause,
    next: 'It gets the bytes to sign on standard input and writes the signature, raw or in base64, to standard output.',
  })
}

function whyFailed(error: NodeJS.ErrnoException, patienceMs: number): string {
  if (error.code === 'ETIMEDOUT') return `it took longer than ${patienceMs / 1000} s`
  if (error.code === 'ENOBUFS') return `it answered with more than ${MAX_ANSWER_BYTES} bytes`
  return systemReason(error)
}

/**
 * The signature in an answer, by its form: Ed25519 has 64 bytes; ECDSA in DER is a SEQUENCE whose length is that of the rest. Either as it is,
 * or in base64 with white space around.
 *
 * @param answer controlled by the command
 */
export function readSignature(key: PublicKey, answer: Buffer): Buffer | null {
  const fits = (bytes: Buffer) =>
    key.algorithm === 'ed25519'
      ? bytes.length === 64
      : bytes[0] === 0x30 && bytes.length <= 72 && bytes[1] === bytes.length - 2
  if (fits(answer)) return answer
  try {
    const decoded = base64ToBytes(utf8ToString(answer).replace(/\s/g, ''), 'signature')
    return fits(decoded) ? decoded : null
  } catch {
    return null
  }
}
