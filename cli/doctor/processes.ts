import { type FileProbe, type Look, lookFurther, type Unseen, valueIn } from '../probe/index.ts'

export interface Opener {
  readonly pid: number
  /** As the process calls itself; its own word. */
  readonly name: string
  readonly path: string
}

/** Processes of which something is so. */
interface Processes<T> {
  readonly list: readonly T[]
  /** Whether there may be more: some could not be looked into. */
  readonly complete: boolean
}

/** The processes of a host, by /proc. */
async function processes(files: FileProbe): Promise<Look<readonly number[]>> {
  return lookFurther(await files.list('/proc'), names =>
    names.filter(name => /^[0-9]+$/.test(name)).map(Number),
  )
}

/** A process that has ended meanwhile has nothing to look into. */
function hasEnded({ why, code }: Unseen): boolean {
  return why === 'missing' || code === 'ESRCH'
}

/** Who has a file open whose path matches. */
export async function openersOf(files: FileProbe, path: RegExp): Promise<Processes<Opener>> {
  const list: Opener[] = []
  const pids = await processes(files)
  let complete = pids.seen
  for (const pid of valueIn(pids) ?? []) {
    const descriptors = await files.list(`/proc/${pid}/fd`)
    if (!descriptors.seen) {
      complete &&= hasEnded(descriptors)
      continue
    }
    for (const fd of descriptors.value) {
      const target = await files.link(`/proc/${pid}/fd/${fd}`)
      if (!target.seen) complete &&= hasEnded(target)
      if (!target.seen || !path.test(target.value)) continue
      const name =
        valueIn(await files.read(`/proc/${pid}/comm`))
          ?.toString()
          .trim() ?? '?'
      list.push({ pid, name, path: target.value })
      break
    }
  }
  return { list, complete }
}

/** The processes that execute a file, by its path; `replaced`: another file has its name now. */
export async function runnersOf(
  files: FileProbe,
  path: string,
): Promise<Processes<{ readonly pid: number; readonly replaced: boolean }>> {
  const list: { pid: number; replaced: boolean }[] = []
  const pids = await processes(files)
  let complete = pids.seen
  for (const pid of valueIn(pids) ?? []) {
    const target = await files.link(`/proc/${pid}/exe`)
    if (!target.seen) complete &&= hasEnded(target)
    else if (target.value === path) list.push({ pid, replaced: false })
    else if (target.value === `${path} (deleted)`) list.push({ pid, replaced: true })
  }
  return { list, complete }
}
