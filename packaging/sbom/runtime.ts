/** What is known of a library inside the Node.js runtime. */
interface EmbeddedLibrary {
  readonly name: string
  readonly license: string
  /** Vendor and product of its CPE, where vulnerabilities are published under one. */
  readonly cpe?: string
}

/** Libraries by their names in `process.versions`. A name that is not here stops the build: a new runtime brought something new. */
const LIBRARIES: Readonly<Record<string, EmbeddedLibrary>> = {
  acorn: { name: 'acorn', license: 'MIT' },
  ada: { name: 'ada', license: 'MIT OR Apache-2.0' },
  amaro: { name: 'amaro', license: 'MIT' },
  ares: { name: 'c-ares', license: 'MIT', cpe: 'c-ares:c-ares' },
  brotli: { name: 'brotli', license: 'MIT', cpe: 'google:brotli' },
  icu: {
    name: 'icu',
    license: 'Unicode-3.0',
    cpe: 'icu-project:international_components_for_unicode',
  },
  libffi: { name: 'libffi', license: 'MIT' },
  lief: { name: 'lief', license: 'Apache-2.0' },
  llhttp: { name: 'llhttp', license: 'MIT', cpe: 'llhttp:llhttp' },
  merve: { name: 'merve', license: 'MIT OR Apache-2.0' },
  nbytes: { name: 'nbytes', license: 'MIT' },
  ncrypto: { name: 'ncrypto', license: 'MIT' },
  nghttp2: { name: 'nghttp2', license: 'MIT', cpe: 'nghttp2:nghttp2' },
  nghttp3: { name: 'nghttp3', license: 'MIT' },
  ngtcp2: { name: 'ngtcp2', license: 'MIT' },
  openssl: { name: 'openssl', license: 'Apache-2.0', cpe: 'openssl:openssl' },
  simdjson: { name: 'simdjson', license: 'Apache-2.0' },
  simdutf: { name: 'simdutf', license: 'MIT OR Apache-2.0' },
  sqlite: { name: 'sqlite', license: 'blessing', cpe: 'sqlite:sqlite' },
  undici: { name: 'undici', license: 'MIT', cpe: 'nodejs:undici' },
  uv: { name: 'libuv', license: 'MIT', cpe: 'libuv:libuv' },
  uvwasi: { name: 'uvwasi', license: 'MIT' },
  v8: { name: 'v8', license: 'BSD-3-Clause' },
  zlib: { name: 'zlib', license: 'Zlib', cpe: 'zlib:zlib' },
  zstd: { name: 'zstd', license: 'BSD-3-Clause', cpe: 'facebook:zstandard' },
}

/**
 * What is inside as well and tells its version nowhere: parts of libraries above, and sources that were copied. From the runtime's LICENSE, and what
 * lintian finds in the program.
 */
const WITHOUT_VERSION: readonly EmbeddedLibrary[] = [
  { name: 'hdrhistogram', license: 'BSD-2-Clause' },
  { name: 'inspector_protocol', license: 'BSD-3-Clause' },
  { name: 'ittapi', license: 'BSD-3-Clause' },
  // In LIEF.
  { name: 'mbedtls', license: 'Apache-2.0 OR GPL-2.0-or-later' },
  { name: 'minimatch', license: 'BlueOak-1.0.0' },
  { name: 'punycode', license: 'MIT' },
  // In LIEF.
  { name: 'spdlog', license: 'MIT' },
  // In amaro.
  { name: 'swc', license: 'Apache-2.0' },
]

/** Names in `process.versions` that are no library: the runtime itself, numbers of interfaces, tables of data. */
const NO_LIBRARIES = new Set(['node', 'modules', 'napi', 'cldr', 'tz', 'unicode'])

/** A library inside the runtime, in the version that it was built with; null where nothing tells it. */
export interface RuntimeLibrary extends EmbeddedLibrary {
  readonly version: string | null
}

/**
 * The libraries inside a Node.js runtime.
 *
 * @param versions its `process.versions`; a library that it was built without has an empty version
 * @throws Error when it names something that nothing is known of
 */
export function runtimeLibraries(versions: Readonly<Record<string, string | undefined>>): RuntimeLibrary[] {
  const known = Object.entries(versions)
    .filter(([name, version]) => !NO_LIBRARIES.has(name) && version !== undefined && version !== '')
    .map(([name, version = '']) => {
      const library = LIBRARIES[name]
      if (library === undefined)
        throw new Error(`the runtime has ${name} ${version}: say in ${import.meta.filename} what it is`)
      return { ...library, version }
    })
  return [...known, ...WITHOUT_VERSION.map(library => ({ ...library, version: null }))].toSorted((a, b) =>
    a.name < b.name ? -1 : 1,
  )
}
