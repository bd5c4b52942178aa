import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { ProvisionError } from './error.ts'

/** Longest run of one tool: a TPM may take a minute for an RSA key. */
const TIMEOUT_MS = 120_000

/**
 * Runs tpm2-tools against one TPM, with a directory of their own for context files, which are worth nothing without the
 * TPM. No secret is ever an argument, which everybody on the host can read.
 */
export class TpmTools {
  readonly #tcti: string
  readonly #dir: string

  private constructor(tcti: string, dir: string) {
    this.#tcti = tcti
    this.#dir = dir
  }

  /** Gives `body` the tools, and removes their files afterwards. */
  static async use<T>(tcti: string, body: (tools: TpmTools) => Promise<T>): Promise<T> {
    const dir = await mkdtemp(join(tmpdir(), 'writ-provision-'))
    try {
      return await body(new TpmTools(tcti, dir))
    } finally {
      await rm(dir, { recursive: true, force: true })
    }
  }

  /** The arguments that give a hierarchy's authValue, from a file that only the owner reads; none if it is empty. */
  async auth(flag: string, value: Buffer | undefined): Promise<string[]> {
    if (!value || value.length === 0) return []
    const file = join(this.#dir, `auth${flag}`)
    await writeFile(file, hexAuth(value), { mode: 0o600 })
    return [flag, `file:${file}`]
  }

  /**
   * Runs one tool in that directory.
   *
   * @param secret given on standard input, which the argument `file:-` refers to
   * @throws ProvisionError `TOOL_FAILED`
   */
  async run(tool: string, args: readonly string[], secret?: Buffer): Promise<void> {
    const result = await execa(tool, args, {
      cwd: this.#dir,
      extendEnv: false,
      env: { PATH: process.env.PATH, TPM2TOOLS_TCTI: this.#tcti, TSS2_LOG: 'all+ERROR' },
      input: secret ? hexAuth(secret) : '',
      reject: false,
      timeout: TIMEOUT_MS,
      maxBuffer: 1 << 20,
    })
    if (!result.failed) return
    const why = result.stderr?.trim() || result.shortMessage
    throw new ProvisionError('TOOL_FAILED', `${tool}: ${why}`, { at: tool })
  }
}

/** The form in which tpm2-tools take bytes that are not text (tpm2-tools, man/common/authorizations.md). */
function hexAuth(value: Buffer): string {
  return `hex:${value.toString('hex')}`
}
