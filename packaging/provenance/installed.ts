/** What is read of an installed package. */
interface Installed {
  readonly version: string
  readonly isEssential: boolean
  /** Names of which it depends on one each, alternatives among them. */
  readonly needs: readonly string[]
}

/**
 * The installed packages that some rest on, themselves and everything that Debian calls essential included, with their versions.
 *
 * @param listing of dpkg-query: name, version, essential, status, pre-dependencies, dependencies and what is provided, by tabs, one package a line
 * @throws Error when one that is asked for is not installed
 */
export function installedClosure(listing: string, asked: readonly string[]): Record<string, string> {
  const packages = new Map<string, Installed>()
  const providers = new Map<string, string[]>()
  for (const line of listing.split('\n')) {
    const [name = '', version = '', essential, status, before = '', needs = '', provides = ''] =
      line.split('\t')
    if (status !== 'installed') continue
    packages.set(name, { version, isEssential: essential === 'yes', needs: namesIn(`${before}, ${needs}`) })
    for (const provided of namesIn(provides))
      providers.set(provided, [...(providers.get(provided) ?? []), name])
  }
  for (const name of asked) if (!packages.has(name)) throw new Error(`${name} is not installed`)
  const essential = [...packages].flatMap(([name, { isEssential }]) => (isEssential ? [name] : []))
  const found = new Set([...asked, ...essential])
  // A set is iterated to its end, with what is added on the way.
  for (const name of found)
    for (const need of packages.get(name)?.needs ?? [])
      for (const one of [need, ...(providers.get(need) ?? [])]) if (packages.has(one)) found.add(one)
  return Object.fromEntries([...found].toSorted().map(name => [name, packages.get(name)?.version ?? '']))
}

/** `a (>= 1) | b, c:any [amd64]` names a, b and c (deb-control(5)). */
function namesIn(field: string): string[] {
  return field.split(/[,|]/).flatMap(one => /^\s*([a-z0-9][a-z0-9+.-]+)/.exec(one)?.[1] ?? [])
}
