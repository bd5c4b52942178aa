import { type Look, lookFurther, seen } from './look.ts'
import type { FileProbe } from './probes.ts'

/** Files by which managers of containers mark them. */
const MARKS = [
  ['/run/.containerenv', 'podman'],
  ['/.dockerenv', 'docker'],
] as const

/** The kind of container that this runs in, as far as it is marked (systemd, "The Container Interface"); null: none. */
export async function readContainer(files: FileProbe): Promise<Look<string | null>> {
  const said = await files.read('/run/systemd/container', 256)
  if (said.seen) return seen(said.value.toString('latin1').trim() || 'unknown')
  for (const [path, name] of MARKS) if ((await files.stat(path)).seen) return seen(name)
  if (said.why !== 'missing') return said
  // Readable for root alone.
  return lookFurther(await files.read('/proc/1/environ'), environment => {
    const variables = environment.toString('latin1').split('\0')
    return variables.find(name => name.startsWith('container='))?.slice('container='.length) ?? null
  })
}
