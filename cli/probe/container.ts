import { valueIn } from './look.ts'
import type { FileProbe } from './probes.ts'

/** Files by which managers of containers mark them. */
const MARKS = [
  ['/run/.containerenv', 'podman'],
  ['/.dockerenv', 'docker'],
] as const

/** The kind of container that this runs in, as far as it is marked (systemd, "The Container Interface"); null: none that is seen. */
export async function readContainer(files: FileProbe): Promise<string | null> {
  const said = valueIn(await files.read('/run/systemd/container', 256))
    ?.toString('latin1')
    .trim()
  if (said !== undefined) return said === '' ? 'unknown' : said
  for (const [path, name] of MARKS) if ((await files.stat(path)).seen) return name
  // Readable for root alone.
  const environment = valueIn(await files.read('/proc/1/environ'))
    ?.toString('latin1')
    .split('\0')
  return environment?.find(variable => variable.startsWith('container='))?.slice('container='.length) ?? null
}
