import { join } from 'node:path'
import { DemoError, type Finished, type RunOptions, run } from './processes.ts'
import { REPOSITORY } from './workspace.ts'

/** `writ` as a command line; `repository` is where it is read from. */
export function writArgv(args: readonly string[], repository = REPOSITORY): readonly string[] {
  return [join(repository, 'writ'), ...args]
}

/** Runs `writ` to its end, whatever comes of it. */
export function writ(
  args: readonly string[],
  options: RunOptions & { repository?: string } = {},
): Promise<Finished> {
  return run(writArgv(args, options.repository), options)
}

/** Runs `writ --json` and gives its answer. @throws DemoError unless it is done */
export async function writJson<T>(args: readonly string[], options: RunOptions = {}): Promise<T> {
  // Before `--` it is ours, behind it the program's.
  const at = args.indexOf('--')
  const withJson = at === -1 ? [...args, '--json'] : [...args.slice(0, at), '--json', ...args.slice(at)]
  const { status, stdout, stderr } = await writ(withJson, options)
  if (status !== 0) throw new DemoError(`writ ${args.slice(0, 3).join(' ')} failed (${status}):\n${stderr}`)
  return JSON.parse(stdout) as T
}
