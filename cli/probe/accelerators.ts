import type { Unseen } from './look.ts'
import type { FileFacts, FileProbe } from './probes.ts'

/** Nodes of accelerators by the driver that makes them, with the class that launchd.conf's examples give them (docs/gpu.md). */
const KINDS: readonly {
  readonly kind: Accelerator['kind']
  readonly directory: string
  readonly name: RegExp
}[] = [
  { kind: 'nvidia', directory: '/dev', name: /^nvidia(?:ctl|[0-9]+|-uvm|-uvm-tools)$/ },
  { kind: 'nvidia', directory: '/dev/nvidia-caps', name: /^nvidia-cap[0-9]+$/ },
  { kind: 'amd', directory: '/dev', name: /^kfd$/ },
  { kind: 'dri', directory: '/dev/dri', name: /^(?:renderD|card)[0-9]+$/ },
  { kind: 'accel', directory: '/dev/accel', name: /^accel[0-9]+$/ },
]

export interface Accelerator extends Omit<FileFacts, 'kind'> {
  readonly path: string
  readonly kind: 'nvidia' | 'amd' | 'dri' | 'accel'
}

/**
 * The character devices through which programs reach accelerators, and who may open them.
 *
 * @returns `unseen`: why there may be more; null: these are all
 */
export async function readAccelerators(
  files: FileProbe,
): Promise<{ readonly nodes: readonly Accelerator[]; readonly unseen: Unseen | null }> {
  const nodes: Accelerator[] = []
  let unseen: Unseen | null = null
  const miss = (look: Unseen) => {
    if (look.why !== 'missing') unseen ??= look
  }
  for (const { kind, directory, name } of KINDS) {
    const entries = await files.list(directory)
    if (!entries.seen) miss(entries)
    for (const entry of entries.seen ? entries.value : []) {
      if (!name.test(entry)) continue
      const path = `${directory}/${entry}`
      const facts = await files.lstat(path)
      if (!facts.seen) miss(facts)
      else if (facts.value.kind === 'character-device') nodes.push({ ...facts.value, path, kind })
    }
  }
  return { nodes, unseen }
}
