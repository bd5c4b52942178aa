import { copyFileSync, mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { tryWrit } from '../governed.ts'
import type { Guest } from '../guest.ts'
import { HostTestError, ok } from '../processes.ts'
import type { Bench } from './bench.ts'

/** Where dpkg executes scripts of a package that is not unpacked yet: `preinst`, and `prerm` or `postrm` where something was refused or failed. */
const BEFORE_UNPACKING = 'var/lib/dpkg/tmp.ci'
/** Where it executes them afterwards. */
const INSTALLED = 'var/lib/dpkg/info'
const SCRIPTS = ['preinst', 'postinst', 'prerm', 'postrm'] as const

/**
 * What an operator does before an upgrade: accepts what the packages' scripts execute beside what was accepted before, and loads it
 * (docs/operations/upgrade.md). The programs of the packages are the ones that are listed already, or are meant not to be.
 *
 * @throws HostTestError
 */
export async function acceptScripts({ operator, dir }: Bench, guest: Guest, deb: string): Promise<void> {
  const root = join(dir, 'accepted')
  await ok(['rm', '-rf', root])
  for (const place of [BEFORE_UNPACKING, INSTALLED]) mkdirSync(join(root, place), { recursive: true })
  const control = join(root, 'control')
  await ok(['dpkg-deb', '-e', deb, control])
  for (const name of SCRIPTS) {
    copyFileSync(join(control, name), join(root, BEFORE_UNPACKING, name))
    copyFileSync(join(control, name), join(root, INSTALLED, `writ.${name}`))
  }
  await ok(['rm', '-rf', control])
  const next = join(dir, 'next')
  await ok(['rm', '-f', `${next}.json`, `${next}-signed.json`])
  await operator.writ(
    ...['reference', 'add', operator.path('reference.json'), '--operator-key', operator.publicKey],
    ...['--root', root, '--files', root, '--out', `${next}.json`],
  )
  await operator.writ(
    ...['reference', 'sign', `${next}.json`, '--key', operator.key, '--out', `${next}-signed.json`],
  )
  renameSync(`${next}-signed.json`, operator.path('reference.json'))
  await guest.put('/etc/writ/reference.json', operator.read('reference.json'))
  const { status, stdout, stderr } = await tryWrit(guest, ['reference', 'load', '/etc/writ/reference.json'])
  if (status !== 0) throw new HostTestError(`writ reference load: ${status}\n${stdout}${stderr}`)
}
