import { eventually } from '../../eventually.ts'
import type { Guest } from '../../guest.ts'
import { type Bench, known } from '../bench.ts'
import { CGROUP, TASK } from '../executor/launcher.ts'

/** Where the guest has the artifact `name`. */
export function artifactPath(name: string): string {
  return `/run/${name}.artifact.json`
}

/** Signs an artifact for the task, of any number of uses, and puts it into the guest. `options` are of `writ issue`. */
export async function permit(
  bench: Bench,
  guest: Guest,
  name: string,
  args: readonly string[],
  ...options: readonly string[]
): Promise<void> {
  const { operator } = bench
  const placed = { outside: operator.path('task'), inGuest: TASK }
  const artifact = await operator.issue(name, placed, args, [
    ...['--host', known(bench).hostId, '--valid', '1d', '--uses', 'any', '--uid', 'any', '--policy', 'any'],
    ...['--reference-values', 'any', '--simulated', 'allow', '--network', 'none', ...options],
  ])
  await guest.put(artifactPath(name), artifact)
}

/** The arguments of `writ` for a run of what was permitted under `name`. `options` are of `writ run`. */
export function runOf(name: string, args: readonly string[], ...options: readonly string[]): string[] {
  return ['run', '--artifact', artifactPath(name), ...options, '--', TASK, ...args]
}

/** The cgroup of the one execution that there is. */
export async function theLeaf(guest: Guest): Promise<string> {
  let found: string[] = []
  await eventually(
    async () => {
      found = await leaves(guest)
      return found.length === 1
    },
    120_000,
    async () => `${found.length} executions`,
  )
  return found[0] ?? ''
}

async function leaves(guest: Guest): Promise<string[]> {
  const names = await guest.ok(`find ${CGROUP}/executions -mindepth 1 -maxdepth 1 -type d`)
  return names.split('\n').filter(Boolean)
}
