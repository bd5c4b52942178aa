import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { arch, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { HOUSE, succeed } from './built-package.ts'
import { copyCheckout } from './checkout-copy.ts'

const RUNTIME = `node-linux-${arch()}`
/** Stands where a package would be made: says what it would be made of, and with what, which is all that build.sh decides. */
const PACK = `#!/bin/sh
here=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
echo "made of $here"
echo "compiled before: $(ls "$here/native/build" 2>/dev/null)"
echo "rules: $(ls "$here/packaging/udev" | paste -s -d ' ')"
echo "pino: $(sha256sum <"$here/node_modules/pino/pino.js")"
echo "node: $(command -v node)"
echo "make: $(command -v make)"
echo "options: $*"
`
const EVIL = 'packaging/udev/99-evil.rules'

let dir: string
let checkout: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'writ-release-'))
  checkout = join(dir, 'checkout')
  copyCheckout(checkout)
  writeFileSync(at('packaging/deb/pack.sh'), PACK)
  // As few packages as there can be: the runtime, and one whose code is in the executable.
  const manifest = JSON.parse(readFileSync(at('package.json'), 'utf8'))
  const lock = JSON.parse(readFileSync(at('package-lock.json'), 'utf8'))
  const few = {
    dependencies: { pino: manifest.dependencies.pino },
    devDependencies: {},
    optionalDependencies: { [RUNTIME]: manifest.optionalDependencies[RUNTIME] },
  }
  Object.assign(manifest, few)
  Object.assign(lock.packages[''], few)
  writeFileSync(at('package.json'), JSON.stringify(manifest))
  writeFileSync(at('package-lock.json'), JSON.stringify(lock))
  git('-c', 'user.name=t', '-c', 'user.email=t@example.org', 'commit', '-q', '-a', '-m', 'few packages')
  // Of what is ignored nothing is what the commit says.
  rmSync(at('node_modules'))
  mkdirSync(at('node_modules/.bin'), { recursive: true })
  symlinkSync(join(HOUSE, 'node_modules', RUNTIME), at(`node_modules/${RUNTIME}`))
  cpSync(join(HOUSE, 'node_modules/pino'), at('node_modules/pino'), { recursive: true })
  appendFileSync(at('node_modules/pino/pino.js'), 'evil()\n')
  writeFileSync(at('node_modules/.bin/make'), '#!/bin/sh\n', { mode: 0o755 })
  mkdirSync(at('native/build'), { recursive: true })
  writeFileSync(at('native/build/writ-launchd'), 'patched')
}, 60_000)
afterAll(() => rmSync(dir, { recursive: true, force: true }))
afterEach(() => {
  rmSync(at(EVIL), { force: true })
  writeFileSync(at('.git/info/exclude'), '')
})

const at = (name: string): string => join(checkout, name)
const git = (...args: string[]): string => succeed('git', ['-C', checkout, ...args])
const rules = (): string => readdirSync(join(HOUSE, 'packaging/udev')).join(' ')

function build(env: Record<string, string> = {}, ...options: string[]) {
  const command = ['packaging/setup/with-runtime.sh', 'sh', 'packaging/deb/build.sh', join(dir, 'out')]
  const { status, stdout, stderr } = spawnSync('sh', [...command, ...options], {
    cwd: checkout,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  })
  return { status, stdout, stderr }
}
/** npm without its cache and without a registry. */
const alone = () => ({ npm_config_cache: join(dir, 'no cache'), npm_config_offline: 'true' })
/** Whether npm has the packages of the lock, or can get them: whoever set up this checkout by way of an npm elsewhere has none. */
const canInstall =
  spawnSync('npm', ['cache', 'add', `pino@${pinned()}`, '--prefer-offline', '--fetch-retries=0'], {
    timeout: 60_000,
  }).status === 0

function pinned(): string {
  return JSON.parse(readFileSync(join(HOUSE, 'package.json'), 'utf8')).dependencies.pino
}

describe('a release', () => {
  test.runIf(canInstall)(
    'is made of what the commit has: no file that git was told not to see, nothing compiled before, the packages of the lock',
    () => {
      writeFileSync(at(EVIL), 'KERNEL=="tpmrm*", MODE="0666"\n')
      appendFileSync(at('.git/info/exclude'), '99-*\n')
      expect(git('status', '--porcelain')).toBe('')
      const { status, stdout, stderr } = build({}, '--source', 'git+https://example.org/writ')
      expect({ status, stderr }).toMatchObject({ status: 0 })
      expect(stdout).not.toContain(`made of ${checkout}\n`)
      expect(stdout).toContain('compiled before: \n')
      expect(stdout).toContain(`rules: ${rules()}\n`)
      const [was, is] = [HOUSE, checkout].map(house =>
        succeed('sh', ['-c', `sha256sum <"${house}/node_modules/pino/pino.js"`]),
      )
      expect(is).not.toBe(was)
      expect(stdout).toContain(`pino: ${was}`)
      const [, source = ''] = /^made of (.*)$/m.exec(stdout) ?? []
      expect(stdout).toContain(`node: ${source}/node_modules/${RUNTIME}/bin/node\n`)
      expect(stdout).not.toContain(`make: ${checkout}`)
      expect(stdout).toContain(
        `options: ${join(dir, 'out')} ${checkout} --source git+https://example.org/writ\n`,
      )
      expect(stdout).not.toContain('no provenance')
    },
    120_000,
  )

  test('of a checkout with a file that nobody added is none: it is built as it is, with no statement', () => {
    writeFileSync(at(EVIL), 'KERNEL=="tpmrm*", MODE="0666"\n')
    const { status, stdout } = build()
    expect(status).toBe(0)
    expect(stdout).toContain(`made of ${checkout}\n`)
    expect(stdout).toContain('99-evil.rules')
    // Without a repository nothing says where it comes from.
    expect(stdout).toContain(`options: ${join(dir, 'out')}\n`)
    expect(stdout).toContain(`no provenance: the checkout is not what its commit has: ?? ${EVIL}\n`)
    const asked = build({}, '--source', 'git+https://example.org/writ')
    expect(asked).toMatchObject({ status: 1, stderr: expect.stringContaining(`?? ${EVIL}`) })
    expect(asked.stdout).not.toContain('made of')
  })

  test('whose packages npm cannot have anew is none either', () => {
    const { status, stdout } = build(alone())
    expect(status).toBe(0)
    expect(stdout).toContain(`made of ${checkout}\n`)
    expect(stdout).toContain(`options: ${join(dir, 'out')}\n`)
    expect(stdout).toMatch(/^package: no provenance: .*npm cannot install its packages anew/m)
    const asked = build(alone(), '--source', 'git+https://example.org/writ')
    expect(asked).toMatchObject({ status: 1, stderr: expect.stringContaining('npm cannot install') })
    expect(asked.stdout).not.toContain('made of')
  })
})
