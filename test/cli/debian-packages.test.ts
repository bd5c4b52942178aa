import { hash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { installedPaths } from '../../cli/debian-packages.ts'
import { CliError } from '../../cli/error.ts'
import { measureFile, measureSources } from '../../cli/measured-files.ts'
import { temporaryDirectory } from './cli.ts'

const dir = temporaryDirectory()
afterAll(() => dir.remove())

function put(path: string, content: string, mode = 0o644): void {
  mkdirSync(dirname(dir.in(path)), { recursive: true })
  writeFileSync(dir.in(path), content)
  chmodSync(dir.in(path), mode)
}
const info = (name: string, ...paths: string[]) =>
  put(`root/var/lib/dpkg/info/${name}.list`, ['/.', ...paths, ''].join('\n'))
const measured = (path: string, content: string) => ({ path, digest: `sha256:${hash('sha256', content)}` })

describe('an installed Debian system', () => {
  beforeAll(() => {
    put('root/usr/bin/tool', 'tool', 0o755)
    put('root/usr/bin/tool.distrib', 'diverted', 0o755)
    put('root/usr/share/a file', 'spaced')
    put('root/etc/tool.conf', 'setting')
    put('root/etc/secret', 'secret', 0o600)
    put('root/usr/lib/modules/6.12/updates/dkms/x.ko.xz', 'module')
    put('root/usr/lib/modules/6.12/modules.dep', 'text')
    put('root/home/other', 'no package', 0o755)
    // Merged /usr, one link absolute and one relative.
    symlinkSync('/usr/bin', dir.in('root/bin'))
    symlinkSync('usr/lib', dir.in('root/lib'))
    symlinkSync('tool', dir.in('root/usr/bin/alias'))
    symlinkSync('../../../../../../etc', dir.in('root/usr/outside'))
    info('tool', '/bin', '/bin/tool', '/etc/tool.conf', '/etc/secret', '/usr/bin/alias', '/usr/bin/gone')
    info('other:amd64', '/usr/share', '/usr/share/a file', '/usr/outside/tool.conf', 'nonsense')
    put('root/var/lib/dpkg/diversions', '/usr/bin/tool\n/usr/bin/tool.distrib\nother\n')
  })

  test('is listed by the paths that IMA logs, without secrets and links', async () => {
    expect(await measureSources({ packages: true, root: dir.in('root') })).toEqual([
      measured('/etc/tool.conf', 'setting'),
      measured('/usr/bin/tool', 'tool'),
      measured('/usr/bin/tool.distrib', 'diverted'),
      measured('/usr/lib/modules/6.12/updates/dkms/x.ko.xz', 'module'),
      measured('/usr/share/a_file', 'spaced'),
    ])
  })

  test('never leads out of its root', async () => {
    const paths = await installedPaths(dir.in('root'))
    expect(paths).toContain('/etc/tool.conf')
    expect(paths.every(path => !path.includes('..'))).toBe(true)
  })

  test('is joined with directories, each file once', async () => {
    const root = dir.in('root')
    const both = await measureSources({ packages: true, directories: [dir.in('root/usr/bin')], root })
    expect(both.filter(({ path }) => path === '/usr/bin/tool')).toHaveLength(1)
    expect(await measureSources({ directories: [dir.in('root/home')], root })).toEqual([
      measured('/home/other', 'no package'),
    ])
    await expect(measureSources({ directories: [dir.path], root })).rejects.toThrow(CliError)
  })

  test('needs a database, and one that a link does not hang', async () => {
    await expect(measureSources({ packages: true, root: dir.in('root/usr') })).rejects.toThrow(CliError)
    symlinkSync('/loop', dir.in('root/loop'))
    info('loop', '/loop/x')
    expect(await installedPaths(dir.in('root'))).not.toContain('/loop/x')
  })

  test('a component is named as IMA logs it', async () => {
    const { path, digest } = await measureFile(dir.in('root/usr/share/a file'))
    expect(path).toMatch(/\/usr\/share\/a_file$/)
    expect(digest).toBe(measured('', 'spaced').digest)
  })

  test.skipIf(!existsSync('/var/lib/dpkg/info/coreutils.list'))('is this one', async () => {
    expect(await installedPaths('/')).toContain('/usr/bin/true')
  })
})
