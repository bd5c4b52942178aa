import { mkdirSync, rmdirSync } from 'node:fs'
import { isRoot, TestHost, WRITD_UID } from '../test/native/host.ts'
import { bareBwrap, findProgram } from './execute.ts'
import { CannotRun, compare, type Row } from './measure.ts'
import { Stopwatch } from './stopwatch.ts'

const ROUNDS = 300

/** Beside what, and how many times its time is allowed. */
const REFERENCES = {
  'a C program that does the same': 1.3,
  // A C program that does the same takes 2.3 to 2.8 times as long as posix_spawn.
  posix_spawn: 1.3 * 2.8,
  'bwrap --unshare-all': 1,
  sudo: 1,
} as const
export type LaunchReference = keyof typeof REFERENCES

export const launchRows = Object.entries(REFERENCES).map(([reference, goal]) => ({
  row: launchTitle(reference as LaunchReference),
  goal,
  measure: ({ directory }: { directory: string }) => launch(reference as LaunchReference, directory),
}))

function launchTitle(reference: LaunchReference): string {
  return `launch of a sandboxed, hashed /bin/true, beside ${reference}`
}

/** The launcher alone, from the first order to the event of the end, asked by a C program. */
async function launch(reference: LaunchReference, directory: string): Promise<Row> {
  if (!isRoot) throw new CannotRun('needs root: the launcher makes namespaces and cgroups')
  const host = new TestHost()
  // Beside the launcher's own, which it would sweep.
  const cgroup = `${host.cgroup}-reference`
  const running: Stopwatch[] = []
  const start = (source: string, args: readonly string[]) => {
    const stopwatch = new Stopwatch(source, args, directory)
    running.push(stopwatch)
    return stopwatch
  }
  mkdirSync(cgroup)
  try {
    await host.start()
    const other =
      reference === 'a C program that does the same'
        ? start('launch', [cgroup, '299999'])
        : start('spawn', command(reference))
    const ours = start('order', [host.socket, `${WRITD_UID}`])
    const parts = [other.part(reference)]
    return await compare(launchTitle(reference), REFERENCES[reference], () => ours.time(), parts, ROUNDS)
  } finally {
    for (const stopwatch of running) await stopwatch.close()
    await host.stop()
    rmdirSync(cgroup)
  }
}

function command(reference: LaunchReference): string[] {
  if (reference === 'bwrap --unshare-all') return bareBwrap()
  if (reference === 'sudo') return [findProgram('sudo'), '-n', '-u', '#65534', '/bin/true']
  return ['/bin/true']
}
