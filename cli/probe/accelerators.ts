import { valueIn } from './look.ts'
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

/** The character devices through which programs reach accelerators, and who may open them. */
export async function readAccelerators(files: FileProbe): Promise<readonly Accelerator[]> {
  const found: Accelerator[] = []
  for (const { kind, directory, name } of KINDS) {
    for (const entry of valueIn(await files.list(directory)) ?? []) {
      if (!name.test(entry)) continue
      const path = `${directory}/${entry}`
      const facts = valueIn(await files.lstat(path))
      if (facts?.kind === 'character-device') found.push({ ...facts, path, kind })
    }
  }
  return found
}
