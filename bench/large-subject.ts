import { chmodSync, copyFileSync, truncateSync } from 'node:fs'
import { isRoot } from '../test/native/host.ts'
import { StoreHost, settle } from '../test/native/store-host.ts'
import { CannotRun, compare, type Row, timed } from './measure.ts'

const LARGE = 500 << 20
const ROUNDS = 200

export const largeSubjectTitle = 'second launch with a subject of 500 MB, beside the same with a small one'
export const largeSubjectGoal = 1.1

/** The launcher alone, asked by Node for both. The large file was copied and hashed at its first launch, which is not measured. */
export async function largeSubject(): Promise<Row> {
  if (!isRoot) throw new CannotRun('needs root: the launcher makes namespaces and cgroups')
  const host = new StoreHost({ store_bytes: String(2 * LARGE) })
  const program = (name: string): string => {
    const path = host.path(name)
    copyFileSync('/bin/true', path)
    chmodSync(path, 0o755)
    return path
  }
  try {
    const [large, small] = [program('large'), program('small')]
    truncateSync(large, LARGE)
    await settle()
    await host.begin()
    await host.writd.run([large])
    const launch = (path: string) => timed(() => host.writd.run([path]))
    const parts = [{ name: 'the same with the program alone', time: launch(small) }]
    return await compare(largeSubjectTitle, largeSubjectGoal, launch(large), parts, ROUNDS)
  } finally {
    await host.stop()
  }
}
