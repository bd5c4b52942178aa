import { copyFileSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { stepsOf } from '../../../operations/page.ts'
import type { Guest } from '../../guest.ts'
import { newerPackage } from '../../newer-package.ts'
import { ok } from '../../processes.ts'
import { asHere } from '../../runbook.ts'
import type { Bench } from '../bench.ts'

const PAGE = 'upgrade.md'
const WRIT = resolve(import.meta.dirname, '../../../../writ')

export interface Upgrade {
  readonly version: string
  /** What words of the page stand for. */
  readonly written: readonly [string, string][]
}

/**
 * A new package with another writd: does what the page says where the operator's key is, and brings to root's home in the guest what the page needs there.
 *
 * @throws HostTestError where a command fails
 */
export async function bringUpgrade({ operator, dir, deb }: Bench, guest: Guest): Promise<Upgrade> {
  const newer = await newerPackage(deb, dir, 'writd')
  const version = (await ok(['dpkg-deb', '--field', newer, 'Version'])).trim()
  const written: [string, string][] = [['VERSION', version]]
  const name = asHere('writ_VERSION_amd64.deb', written)
  const desk = join(dir, 'desk')
  mkdirSync(join(desk, 'bin'), { recursive: true })
  symlinkSync(WRIT, join(desk, 'bin/writ'))
  copyFileSync(newer, join(desk, name))
  for (const file of ['reference.json', 'operator.pub', 'operator.key'])
    copyFileSync(operator.path(file), join(desk, file))
  for (const step of stepsOf(PAGE, 'sh operator'))
    if ('command' in step)
      await ok(['sh', '-euc', asHere(step.command, written)], {
        cwd: desk,
        env: { ...process.env, PATH: `${join(desk, 'bin')}:${process.env.PATH}` },
        timeoutMs: 300_000,
      })
  await guest.put(`/root/${name}`, readFileSync(newer))
  await guest.put('/root/reference-with-both.json', readFileSync(join(desk, 'reference-with-both.json')))
  return { version, written }
}
