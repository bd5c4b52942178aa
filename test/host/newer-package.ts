import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ok } from './processes.ts'

/**
 * The package again under a higher version: what an upgrade is to dpkg. The programs are the same, so that the reference values still name them; with
 * `otherLauncher` the launcher has one more byte, and does what it did.
 */
export async function newerPackage(
  deb: string,
  dir: string,
  { otherLauncher = false }: { otherLauncher?: boolean } = {},
): Promise<string> {
  const tree = join(dir, 'newer')
  const out = join(dir, 'newer.deb')
  await ok(['rm', '-rf', tree])
  await ok(['dpkg-deb', '-R', deb, tree])
  const control = join(tree, 'DEBIAN/control')
  const version = otherLauncher ? '+newer2' : '+newer1'
  writeFileSync(control, readFileSync(control, 'utf8').replace(/^Version: .*$/m, `$&${version}`))
  const preinst = join(tree, 'DEBIAN/preinst')
  writeFileSync(preinst, readFileSync(preinst, 'utf8').replace(/^version='.*(?=')/m, `$&${version}`))
  if (otherLauncher) appendFileSync(join(tree, 'usr/lib/writ/writ-launchd'), 'x')
  await ok(['dpkg-deb', '--root-owner-group', '-Zgzip', '-z1', '--build', tree, out], { timeoutMs: 300_000 })
  return out
}
