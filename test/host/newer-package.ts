import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ok } from './processes.ts'

/** A program of the package that has one more byte at its end, and does what it did. */
export type Changed = 'writd' | 'writ-launchd'

/** One for each, so that they are ordered. */
const VERSIONS = { none: '+newer1', 'writ-launchd': '+newer2', writd: '+newer3' } as const

/**
 * The package again under a higher version: what an upgrade is to dpkg. Without `changed` the programs are the same, so that the reference values still
 * name them.
 */
export async function newerPackage(deb: string, dir: string, changed?: Changed): Promise<string> {
  const tree = join(dir, 'newer')
  const out = join(dir, 'newer.deb')
  await ok(['rm', '-rf', tree])
  await ok(['dpkg-deb', '-R', deb, tree])
  const control = join(tree, 'DEBIAN/control')
  const version = VERSIONS[changed ?? 'none']
  writeFileSync(control, readFileSync(control, 'utf8').replace(/^Version: .*$/m, `$&${version}`))
  const preinst = join(tree, 'DEBIAN/preinst')
  writeFileSync(preinst, readFileSync(preinst, 'utf8').replace(/^version='.*(?=')/m, `$&${version}`))
  if (changed !== undefined) appendFileSync(join(tree, 'usr/lib/writ', changed), 'x')
  await ok(['dpkg-deb', '--root-owner-group', '-Zgzip', '-z1', '--build', tree, out], { timeoutMs: 300_000 })
  return out
}
