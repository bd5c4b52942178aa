import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ok } from '../../processes.ts'

/** The package again under a higher version: what an upgrade is to dpkg. The programs are the same, so that the reference values still name them. */
export async function newerPackage(deb: string, dir: string): Promise<string> {
  const tree = join(dir, 'newer')
  await ok(['dpkg-deb', '-R', deb, tree])
  const control = join(tree, 'DEBIAN/control')
  writeFileSync(control, readFileSync(control, 'utf8').replace(/^Version: .*$/m, '$&+newer1'))
  await ok(['dpkg-deb', '--root-owner-group', '-Znone', '--build', tree, join(dir, 'newer.deb')])
  return join(dir, 'newer.deb')
}
