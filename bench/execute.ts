import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Governed } from './governed.ts'
import { CannotRun, compare, type Row, timed } from './measure.ts'
import { Stopwatch } from './stopwatch.ts'

export const executeTitle = 'Execute RPC of /bin/true, lineage durable'
const WORKLOAD = { program: '/bin/true', argv: ['/bin/true'] }

/** The whole call, from the request to the confirmed and recorded end, beside bubblewrap alone. */
export async function execute(governed: Governed, directory: string): Promise<Row> {
  const bwrap = new Stopwatch('spawn', ['1', ...bareBwrap()], directory)
  try {
    const artifact = await governed.artifact('true', WORKLOAD.argv)
    const run = async () => {
      const call = governed.client.executeCall({ artifact, workload: WORKLOAD })
      call.endStdin()
      let exit: number | undefined
      for await (const answer of call.answers) exit = answer.ended?.exitCode ?? exit
      if (exit !== 0) throw new Error(`/bin/true ended with ${exit}`)
    }
    for (let i = 0; i < 100; i++) await run()
    return await compare(executeTitle, 1, timed(run), [bwrap.part('bwrap --unshare-all, from C,')], 300)
  } finally {
    await bwrap.close()
  }
}

/** All namespaces and the least that it runs with: the host's files, read-only. */
export function bareBwrap(): string[] {
  return [findProgram('bwrap'), '--unshare-all', '--ro-bind', '/', '/', '/bin/true']
}

/** @throws CannotRun when it is not installed */
export function findProgram(name: string): string {
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(directory, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // The next one.
    }
  }
  throw new CannotRun(`${name} is not installed`)
}
