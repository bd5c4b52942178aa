import { basename } from 'node:path'
import { isRoot, TestHost, WRITD_UID } from '../test/native/host.ts'
import { withCgroup } from './cgroups.ts'
import { container } from './containers.ts'
import { bareBwrap, findProgram } from './execute.ts'
import { CannotRun, compare, type Row } from './measure.ts'
import { Stopwatch } from './stopwatch.ts'

const ROUNDS = 300
const AT_ONCE = 100
const ROUNDS_AT_ONCE = 20

/** Beside what, and how many times its time is allowed. */
const REFERENCES = {
  'a C program that does the same': 1.3,
  // A C program that does the same takes 2.3 to 2.8 times as long as posix_spawn.
  posix_spawn: 1.3 * 2.8,
  'bwrap --unshare-all': 1,
  sudo: 1,
  crun: 1,
  runc: 1,
} as const
export type LaunchReference = keyof typeof REFERENCES

const BWRAP = 'bwrap --unshare-all'
const AT_ONCE_TITLE = `${AT_ONCE} launches of a sandboxed, hashed /bin/true at once, beside ${AT_ONCE} of ${BWRAP}`

export const launchRows = [
  ...Object.entries(REFERENCES).map(([reference, goal]) => ({
    row: launchTitle(reference as LaunchReference),
    goal,
    measure: ({ directory }: { directory: string }) => launch(reference as LaunchReference, directory),
  })),
  {
    row: AT_ONCE_TITLE,
    goal: 1,
    measure: ({ directory }: { directory: string }) =>
      measure(AT_ONCE_TITLE, BWRAP, directory, AT_ONCE, ROUNDS_AT_ONCE),
  },
]

function launchTitle(reference: LaunchReference): string {
  return `launch of a sandboxed, hashed /bin/true, beside ${reference}`
}

function launch(reference: LaunchReference, directory: string): Promise<Row> {
  return measure(launchTitle(reference), reference, directory, 1, ROUNDS)
}

/** The launcher alone, from the first order to the event of the last end, asked by a C program. */
async function measure(
  title: string,
  reference: LaunchReference,
  directory: string,
  atOnce: number,
  rounds: number,
): Promise<Row> {
  if (!isRoot) throw new CannotRun('needs root: the launcher makes namespaces and cgroups')
  const host = new TestHost()
  try {
    await host.start()
    // Beside the launcher's own cgroup, in which it would take it for a leftover.
    return await withCgroup(`${basename(host.cgroup)}-reference`, async cgroup => {
      const other =
        reference === 'a C program that does the same'
          ? new Stopwatch('launch', [cgroup, '299999'], directory)
          : new Stopwatch('spawn', [`${atOnce}`, ...command(reference, directory)], directory)
      const ours = new Stopwatch('order', [host.socket, `${WRITD_UID}`, `${atOnce}`], directory)
      try {
        const parts = [other.part(reference)]
        return await compare(title, REFERENCES[reference], () => ours.time(), parts, rounds)
      } finally {
        await ours.close()
        await other.close()
      }
    })
  } finally {
    await host.stop()
  }
}

function command(reference: LaunchReference, directory: string): string[] {
  if (reference === BWRAP) return bareBwrap()
  if (reference === 'sudo') return [findProgram('sudo'), '-n', '-u', '#65534', '/bin/true']
  if (reference === 'crun' || reference === 'runc') return container(reference, directory)
  return ['/bin/true']
}
