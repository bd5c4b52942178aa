import { execa } from 'execa'

/**
 * Runs a command of the system and waits. It gets nothing of this environment but where commands are: passphrases and authValues of a TPM may be in it,
 * and what a command starts in turn (update-grub runs scripts) is nobody's who should have them.
 *
 * @param patienceMs after which it is ended
 * @returns null if it succeeded; else what it said, or why it did not run
 */
export async function systemCommand(
  command: string,
  args: readonly string[],
  patienceMs: number,
): Promise<string | null> {
  const result = await execa(command, args, {
    reject: false,
    stdin: 'ignore',
    timeout: patienceMs,
    maxBuffer: 1 << 20,
    extendEnv: false,
    env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8' },
  })
  return result.failed ? ((result.stderr || result.shortMessage) ?? '') : null
}
