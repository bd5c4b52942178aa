import { createHash } from 'node:crypto'
import type { Crate } from './crates.ts'
import type { InsidePackage } from './inside.ts'
import { archiveDigest, type LockedPackage, resolved } from './lock.ts'
import { runtimeLibraries } from './runtime.ts'

/** What a bill of materials is made from. All of it is an input or an output of the build. */
export interface Materials {
  readonly version: string
  /** As Debian calls it: `amd64`. */
  readonly architecture: string
  /** Seconds since 1970 that the build is dated by. */
  readonly epoch: number
  /** The npm packages inside the executable. */
  readonly inside: readonly InsidePackage[]
  /** The Rust crates that are known inside compiled modules, by the place of the package that has the module. */
  readonly crates: ReadonlyMap<string, readonly Crate[]>
  readonly locked: ReadonlyMap<string, LockedPackage>
  /** Names of the packages that the sources ask for themselves. */
  readonly direct: readonly string[]
  /** `process.versions` of the runtime, and its place in the lock. */
  readonly runtime: {
    readonly versions: Readonly<Record<string, string | undefined>>
    readonly place: string
  }
  /** The installed programs: path, and SHA-256 of the file. */
  readonly files: readonly { readonly path: string; readonly sha256: string }[]
}

interface Component {
  readonly type: string
  readonly 'bom-ref': string
  readonly name: string
  readonly version?: string
  readonly [member: string]: unknown
}

/** SPDX identifiers have none of this; expressions do. */
const isExpression = (license: string) => /[\s()]/.test(license)
const licenses = (license: string) => [
  isExpression(license) ? { expression: license } : { license: { id: license } },
]
const purl = (type: string, name: string, version: string) =>
  `pkg:${type}/${name.replace('@', '%40')}@${encodeURIComponent(version)}`
const cpe = (product: string, version: string) => `cpe:2.3:a:${product}:${version}:*:*:*:*:*:*:*`

/**
 * A bill of materials in CycloneDX 1.6 (ECMA-424). The same materials give the same bytes: its serial number is a digest of the rest.
 * It names what is known to be inside and says of which parts nobody told all that they are made of.
 */
export function billOfMaterials(materials: Materials): object {
  const { version, architecture, epoch, inside, crates, locked, direct, runtime, files } = materials
  const ours = purl('deb/writ', 'writ', version)
  const refs = new Map(inside.map(({ place, name, version }) => [place, purl('npm', name, version)]))
  const node = nodeRuntime(materials)
  const programs = files.map(({ path, sha256 }) => program(path, sha256))
  const executable = programs.find(({ name }) => name === 'writd')
  if (executable === undefined) throw new Error('the executable is not among the files')
  const packages = inside.map(npmPackage(locked, refs, crates))
  // One package at two places is one component.
  const components = unique([...programs, node, ...packages])
  const dependsOn = inside.map(({ place }) => ({
    ref: refs.get(place) ?? '',
    dependsOn: Object.keys(locked.get(place)?.dependencies ?? {})
      .map(name => refs.get(resolved(locked, place, name) ?? ''))
      .filter(ref => ref !== undefined),
  }))
  const bom = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      timestamp: new Date(epoch * 1000).toISOString(),
      lifecycles: [{ phase: 'build' }],
      component: {
        type: 'application',
        'bom-ref': ours,
        name: 'writ',
        version,
        licenses: licenses('Apache-2.0'),
        purl: `${ours}?arch=${architecture}`,
      },
    },
    components,
    dependencies: [
      { ref: ours, dependsOn: programs.map(component => component['bom-ref']) },
      {
        ref: executable['bom-ref'],
        dependsOn: [node['bom-ref'], ...direct.flatMap(name => refs.get(`node_modules/${name}`) ?? [])],
      },
      ...merged(dependsOn),
    ],
    compositions: [
      // Every package whose code went in is here.
      { aggregate: 'complete', assemblies: [ours, executable['bom-ref']] },
      // What else the runtime is made of, and which crates inside compiled WebAssembly left no name in it, nobody wrote down.
      {
        aggregate: 'incomplete',
        assemblies: [
          node['bom-ref'],
          ...[...refs].filter(([place]) => crates.has(place)).map(([, ref]) => ref),
        ],
      },
    ],
  }
  return { ...bom, serialNumber: `urn:uuid:${uuidOf(JSON.stringify([bom, runtime.place]))}` }
}

function npmPackage(
  locked: Materials['locked'],
  refs: ReadonlyMap<string, string>,
  crates: Materials['crates'],
) {
  return ({ name, version, license, place }: InsidePackage): Component => {
    const pin = locked.get(place)
    if (pin?.version !== version)
      throw new Error(`${place} is ${version}, and package-lock.json says otherwise`)
    const ref = refs.get(place) ?? ''
    return {
      type: 'library',
      'bom-ref': ref,
      name,
      version,
      scope: 'required',
      hashes: [{ alg: 'SHA-512', content: archiveDigest(place, pin) }],
      licenses: licenses(license),
      purl: ref,
      ...(crates.has(place) ? { components: crates.get(place)?.map(crate => rustCrate(ref, crate)) } : {}),
    }
  }
}

/** Its licence is not in the module. */
function rustCrate(within: string, { name, version }: Crate): Component {
  const ref = purl('cargo', name, version)
  return { type: 'library', 'bom-ref': `${within}#${ref}`, name, version, purl: ref }
}

function nodeRuntime({ runtime: { versions, place }, locked }: Materials): Component {
  const pin = locked.get(place)
  if (pin === undefined || pin.version !== versions.node)
    throw new Error(`the runtime is ${versions.node}, and package-lock.json says otherwise`)
  const ref = purl('npm', place.slice('node_modules/'.length), pin.version)
  return {
    type: 'platform',
    'bom-ref': ref,
    name: 'node',
    version: pin.version,
    scope: 'required',
    hashes: [{ alg: 'SHA-512', content: archiveDigest(place, pin) }],
    licenses: licenses('MIT'),
    cpe: cpe('nodejs:node.js', pin.version),
    purl: ref,
    components: runtimeLibraries(versions).map(({ name, version, license, cpe: product }) => ({
      type: 'library',
      'bom-ref': `${ref}#${name}`,
      name,
      licenses: licenses(license),
      ...(version === null
        ? {}
        : {
            version,
            // What follows a dash or a plus is the runtime's own count.
            ...(product === undefined ? {} : { cpe: cpe(product, version.replace(/[-+].*$/, '')) }),
            purl: purl('generic', name, version),
          }),
    })),
  }
}

function program(path: string, sha256: string): Component {
  return {
    type: 'file',
    'bom-ref': `file:/${path}`,
    name: path.slice(path.lastIndexOf('/') + 1),
    hashes: [{ alg: 'SHA-256', content: sha256 }],
    licenses: licenses('Apache-2.0'),
    properties: [{ name: 'writ:path', value: `/${path}` }],
  }
}

function unique(components: readonly Component[]): Component[] {
  return [...new Map(components.map(component => [component['bom-ref'], component])).values()]
}

/** One entry for each, with all that any of them needs. */
function merged(entries: readonly { ref: string; dependsOn: readonly string[] }[]) {
  const all = new Map<string, Set<string>>()
  for (const { ref, dependsOn } of entries) all.set(ref, new Set([...(all.get(ref) ?? []), ...dependsOn]))
  return [...all].map(([ref, needed]) => ({ ref, dependsOn: [...needed].toSorted() }))
}

/** A UUID of version 8 (RFC 9562 section 5.8) from what it names. */
function uuidOf(text: string): string {
  const bytes = createHash('sha256').update(text).digest().subarray(0, 16)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
