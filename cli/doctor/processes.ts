import { type FileProbe, valueIn } from '../probe/index.ts'

export interface Opener {
  readonly pid: number
  /** As the process calls itself; its own word. */
  readonly name: string
  readonly path: string
}

/** The processes of a host, by /proc. */
export async function processes(files: FileProbe): Promise<readonly number[]> {
  const names = valueIn(await files.list('/proc')) ?? []
  return names.filter(name => /^[0-9]+$/.test(name)).map(Number)
}

/** Who has a file open whose path matches; not complete where processes may not be looked into. */
export async function openersOf(
  files: FileProbe,
  path: RegExp,
): Promise<{ readonly list: readonly Opener[]; readonly complete: boolean }> {
  const list: Opener[] = []
  let complete = true
  for (const pid of await processes(files)) {
    const descriptors = await files.list(`/proc/${pid}/fd`)
    if (!descriptors.seen) {
      if (descriptors.why !== 'missing') complete = false
      continue
    }
    for (const fd of descriptors.value) {
      const target = valueIn(await files.link(`/proc/${pid}/fd/${fd}`))
      if (target === null || !path.test(target)) continue
      const name =
        valueIn(await files.read(`/proc/${pid}/comm`))
          ?.toString()
          .trim() ?? '?'
      list.push({ pid, name, path: target })
      break
    }
  }
  return { list, complete }
}

/** The processes that execute a file, by its path; `replaced`: another file has its name now. */
export async function runnersOf(
  files: FileProbe,
  path: string,
): Promise<readonly { readonly pid: number; readonly replaced: boolean }[]> {
  const found: { pid: number; replaced: boolean }[] = []
  for (const pid of await processes(files)) {
    const target = valueIn(await files.link(`/proc/${pid}/exe`))
    if (target === path) found.push({ pid, replaced: false })
    else if (target === `${path} (deleted)`) found.push({ pid, replaced: true })
  }
  return found
}
