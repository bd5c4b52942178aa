/** A Rust crate inside a compiled module. */
export interface Crate {
  readonly name: string
  readonly version: string
}

/** Where the compiler found a source: cargo's copy of a registry, or what its own library is built from. */
const SOURCE =
  /(?:registry\/src\/[\w.-]+|\/rust\/deps)\/([A-Za-z0-9_-]+?)-(\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?)\/src\//g

/**
 * The crates that have left their names in a compiled module: those of which a place in the source is told where the program panics. A crate that cannot panic is
 * not among them, so that it is not all of them.
 */
export function cratesIn(module: Uint8Array): Crate[] {
  const found = new Map<string, Crate>()
  for (const [, name = '', version = ''] of Buffer.from(module).toString('latin1').matchAll(SOURCE))
    found.set(`${name}@${version}`, { name, version })
  return [...found].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, crate]) => crate)
}
