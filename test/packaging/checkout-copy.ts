import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, symlinkSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

const HOUSE = resolve(import.meta.dirname, '../..')

/**
 * The files of this checkout as they are now, at another place, as the one commit of a repository of its own. Packages are reached by a link.
 *
 * @param directory is made
 */
export function copyCheckout(directory: string): void {
  const listed = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: HOUSE,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  }).stdout.split('\0')
  // Recorded hosts are most of the bytes, and no part of a build.
  for (const path of listed.filter(path => path !== '' && !path.startsWith('test/'))) {
    // One that was deleted and is not committed yet is still listed.
    if (!existsSync(join(HOUSE, path))) continue
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    cpSync(join(HOUSE, path), join(directory, path))
  }
  symlinkSync(join(HOUSE, 'node_modules'), join(directory, 'node_modules'))
  const git = (...args: string[]) => {
    const { status, stderr } = spawnSync('git', ['-C', directory, ...args], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`git ${args.join(' ')}: ${stderr}`)
  }
  git('init', '-q')
  git('add', '-A')
  git('-c', 'user.name=t', '-c', 'user.email=t@example.org', 'commit', '-q', '-m', 'as it is now')
}
