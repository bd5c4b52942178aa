import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { lockedPackages } from '../../packaging/sbom/lock.ts'
import { HOUSE, succeed } from './built-package.ts'
import { copyCheckout } from './checkout-copy.ts'

let dir: string
let checkout: string
let deb: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'writ-provenance-'))
  checkout = join(dir, 'checkout')
  copyCheckout(checkout)
  deb = at('writ_1.2.3_amd64.deb')
  writeFileSync(deb, 'a package')
  for (const name of ['release', 'other']) {
    succeed('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', at(`${name}.key`)])
    succeed('openssl', ['pkey', '-in', at(`${name}.key`), '-pubout', '-out', at(`${name}.pub`)])
  }
  writeFileSync(at('writ_1.2.3_amd64.cdx.json'), '{}')
}, 60_000)
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const at = (name: string): string => join(dir, name)

function provenance(program: 'main' | 'verify', ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(checkout, `packaging/provenance/${program}.ts`), ...args],
    { cwd: dir, encoding: 'utf8', env: { ...process.env, SOURCE_DATE_EPOCH: '1795000000' } },
  )
  return { status, stdout, stderr }
}
/** The Debian package that gcc itself is in. */
const compiler = () =>
  succeed('sh', ['-c', 'dpkg-query -S "$(readlink -f "$(command -v gcc)")"']).split(':')[0] ?? ''
const verify = (file: string, key = 'release') => provenance('verify', deb, at(file), at(`${key}.pub`))

describe('where a package comes from', () => {
  test('is said in the form of in-toto and SLSA: what, from which commit, by whom, from what, with what', () => {
    expect(provenance('main', deb, at('plain.json'), at('writ_1.2.3_amd64.cdx.json'))).toMatchObject({
      status: 0,
    })
    const statement = JSON.parse(readFileSync(at('plain.json'), 'utf8'))
    expect(statement).toMatchObject({
      _type: 'https://in-toto.io/Statement/v1',
      predicateType: 'https://slsa.dev/provenance/v1',
    })
    const sha256 = succeed('sha256sum', [deb]).slice(0, 64)
    expect(statement.subject).toEqual([{ name: 'writ_1.2.3_amd64.deb', digest: { sha256 } }])
    const { buildDefinition, runDetails } = statement.predicate
    const commit = succeed('git', ['-C', checkout, 'rev-parse', 'HEAD']).trim()
    expect(buildDefinition.externalParameters).toEqual({ commit, architecture: 'amd64' })
    expect(buildDefinition.internalParameters.toolchain.gcc).toMatch(/^\d/)
    expect(buildDefinition.resolvedDependencies[0]).toEqual({
      name: 'sources',
      digest: { gitCommit: commit },
    })
    // With what they rest on: the compiler itself, what packs and compresses, the release.
    expect(Object.keys(buildDefinition.internalParameters.toolchain)).toEqual(
      expect.arrayContaining(['base-files', 'dpkg', 'dpkg-dev', 'gzip', 'liblzma5', 'tar', compiler()]),
    )
    // Every package that npm has installed, as it noted, by its digest; the runtime by its own bytes too.
    const uris = buildDefinition.resolvedDependencies.flatMap(({ uri }: { uri?: string }) => uri ?? [])
    const installed = lockedPackages(join(HOUSE, 'node_modules/.package-lock.json'))
    const pinned = [...installed].map(
      ([place, { version }]) => `${place.split('node_modules/').at(-1)}@${version}`,
    )
    expect(new Set(uris.map((uri: string) => decodeURIComponent(uri.replace('pkg:npm/', ''))))).toEqual(
      new Set(pinned),
    )
    for (const { digest } of buildDefinition.resolvedDependencies)
      expect(Object.values(digest)).toHaveLength(1)
    const runtime = succeed('sha256sum', [process.execPath]).slice(0, 64)
    expect(JSON.stringify(buildDefinition.resolvedDependencies)).toContain(runtime)
    expect(runDetails.builder.id).toBe('https://writ.dev/build/local')
    expect(runDetails.byproducts).toEqual([
      { name: 'writ_1.2.3_amd64.cdx.json', digest: { sha256: expect.stringMatching(/^[0-9a-f]{64}$/) } },
    ])
    expect(JSON.stringify(statement)).not.toContain(dir)
  })

  test('is the same bytes each time, and overwrites nothing', () => {
    expect(provenance('main', deb, at('again.json'), at('writ_1.2.3_amd64.cdx.json'))).toMatchObject({
      status: 0,
    })
    expect(readFileSync(at('again.json'))).toEqual(readFileSync(at('plain.json')))
    expect(provenance('main', deb, at('again.json'))).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('EEXIST'),
    })
  })

  test('is signed by a key, or by a command that has it, and verifies with that key alone, for that file alone', () => {
    const named = ['--source', 'git+https://example.org/writ', '--builder', 'https://example.org/builder']
    expect(provenance('main', deb, at('signed'), ...named, '--key', at('release.key')).status).toBe(0)
    const good = verify('signed')
    expect(good).toMatchObject({ status: 0, stderr: '' })
    expect(good.stdout).toMatch(/^VERIFIED writ_1\.2\.3_amd64\.deb sha256:[0-9a-f]{64}\n/)
    expect(good.stdout).toContain('"https://example.org/builder"')
    expect(verify('signed', 'other')).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringContaining('is not signed by'),
    })
    expect(verify('plain.json')).toMatchObject({ status: 1, stdout: '' })
    // As an HSM would: a command that gets the bytes and answers with a signature.
    const command = `sh -c 'cat >${at('bytes')}; openssl pkeyutl -sign -rawin -inkey ${at('release.key')} -in ${at('bytes')}'`
    const by = ['--public-key', at('release.pub'), '--sign-command', command]
    expect(provenance('main', deb, at('commanded'), ...by)).toMatchObject({ status: 0, stderr: '' })
    expect(verify('commanded').status).toBe(0)
    // The same bytes under the name of a release that they are not.
    copyFileSync(deb, at('writ_1.3.0_amd64.deb'))
    expect(provenance('verify', at('writ_1.3.0_amd64.deb'), at('signed'), at('release.pub'))).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringContaining('writ_1.3.0_amd64.deb was signed as "writ_1.2.3_amd64.deb"'),
    })
    // The same envelope beside another package.
    appendFileSync(deb, '!')
    expect(verify('signed')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('is about other files than writ_1.2.3_amd64.deb'),
    })
    writeFileSync(deb, 'a package')
    // A statement that was changed after it was signed.
    const envelope = JSON.parse(readFileSync(at('signed'), 'utf8'))
    const payload = Buffer.from(envelope.payload, 'base64')
      .toString()
      .replace('example.org/builder', 'example.org/another')
    writeFileSync(
      at('changed'),
      JSON.stringify({ ...envelope, payload: Buffer.from(payload).toString('base64') }),
    )
    expect(verify('changed')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('is not signed by'),
    })
  })

  test('verifies as SECURITY.md says, with openssl alone', () => {
    const page = readFileSync(join(HOUSE, 'SECURITY.md'), 'utf8')
    const [, script = ''] = /```sh openssl\n([\s\S]*?)```/.exec(page) ?? []
    expect(script).toContain('openssl')
    writeFileSync(at('writ_1.2.3_amd64.provenance.json'), readFileSync(at('signed')))
    const run = (key: string, deb = 'writ_1.2.3_amd64.deb') => {
      const words = script
        .replaceAll('writ_VERSION_amd64.deb', deb)
        .replaceAll('writ_VERSION_amd64', 'writ_1.2.3_amd64')
        .replaceAll('writ-release.pub', `${key}.pub`)
      return spawnSync('sh', ['-c', words], { cwd: dir, encoding: 'utf8' })
    }
    const good = run('release')
    expect({ status: good.status, said: good.stdout + good.stderr }).toEqual({
      status: 0,
      said: expect.stringContaining('Signature Verified Successfully'),
    })
    const commit = succeed('git', ['-C', checkout, 'rev-parse', 'HEAD']).trim()
    expect(good.stdout).toMatch(new RegExp(`^writ_1\\.2\\.3_amd64\\.deb ${commit}$`, 'm'))
    // Another key, other bytes, another name.
    writeFileSync(at('writ_1.2.4_amd64.deb'), 'another package')
    copyFileSync(deb, at('writ_1.3.0_amd64.deb'))
    for (const bad of [
      run('other'),
      run('release', 'writ_1.2.4_amd64.deb'),
      run('release', 'writ_1.3.0_amd64.deb'),
    ]) {
      expect(bad.status).not.toBe(0)
      expect(bad.stdout).not.toContain(commit)
    }
  })

  test('is not said of sources that the commit does not have, nor of more than it has, whatever git is told to ignore', () => {
    const git = (...args: string[]) => succeed('git', ['-C', checkout, ...args])
    const refused = (what: string) => {
      expect(provenance('main', deb, at('dirty'))).toMatchObject({
        status: 1,
        stderr: expect.stringContaining(what),
      })
      expect(existsSync(at('dirty'))).toBe(false)
    }
    const file = (name: string) => join(checkout, name)
    const rules = 'packaging/udev/99-evil.rules'
    writeFileSync(file(rules), 'KERNEL=="tpmrm*", MODE="0666"\n')
    refused(`A ${rules}`)
    // git status sees neither this nor what follows.
    appendFileSync(file('.git/info/exclude'), '*.rules\n')
    expect(git('status', '--porcelain')).toBe('')
    refused(`A ${rules}`)
    rmSync(file(rules))
    // Ignored by the commit itself; the package takes everything there.
    writeFileSync(file('docs/schema/evil.log'), '')
    refused('A docs/schema/evil.log')
    rmSync(file('docs/schema/evil.log'))
    const unit = 'packaging/systemd/writd.service'
    const before = readFileSync(file(unit))
    appendFileSync(file(unit), 'more\n')
    git('update-index', '--assume-unchanged', unit)
    expect(git('status', '--porcelain')).toBe('')
    refused(`M ${unit}`)
    writeFileSync(file(unit), before)
    chmodSync(file('packaging/systemd/announce-restart'), 0o644)
    refused('M packaging/systemd/announce-restart')
    chmodSync(file('packaging/systemd/announce-restart'), 0o755)
    rmSync(file('README.md'))
    refused('D README.md')
    git('checkout', '-q', '--', 'README.md')
    expect(provenance('main', deb, at('dirty')).status).toBe(0)
  })

  test('asks for a key or a command, not for half of either', () => {
    for (const args of [
      [],
      [deb],
      [deb, at('x'), '--public-key', at('release.pub')],
      [deb, at('x'), '--sign-command', 'true'],
    ])
      expect(provenance('main', ...args)).toMatchObject({
        status: 2,
        stderr: expect.stringContaining('usage'),
      })
  })
})
