/** The parts of a request's context that policies look at, as paths of attribute names; `[]` is all of it. */
export type ContextUse = readonly (readonly string[])[]

/**
 * What a set of policies can see of the context. Errs towards more: any use of the context that is not a chain of attributes
 * counts as a use of everything. No path is a beginning of another.
 *
 * @param policies in Cedar's JSON form (https://docs.cedarpolicy.com/policies/json-format.html)
 */
export function contextUse(policies: readonly unknown[]): ContextUse {
  const found = new Map<string, readonly string[]>()
  for (const policy of policies) collect(policy, path => found.set(JSON.stringify(path), path))
  const paths = [...found.values()]
  const covers = (path: readonly string[], other: readonly string[]) =>
    path.length < other.length && path.every((name, i) => name === other[i])
  return paths.filter(path => !paths.some(other => covers(other, path)))
}

function collect(node: unknown, use: (path: readonly string[]) => void): void {
  if (typeof node !== 'object' || node === null) return
  const path = contextPath(node)
  if (path !== null) use(path)
  else for (const part of Object.values(node)) collect(part, use)
}

/** `context.a.b`, `context.a has b` and `context has a.b` as `['a', 'b']`, and `context` as `[]`; null for every other expression. */
function contextPath(node: object): readonly string[] | null {
  if ('Var' in node) return node.Var === 'context' ? [] : null
  const access = '.' in node ? node['.'] : 'has' in node ? node.has : null
  if (typeof access !== 'object' || access === null || !('left' in access)) return null
  const { left } = access
  const before = typeof left === 'object' && left !== null ? contextPath(left) : null
  if (before === null) return null
  // `has` takes a path too.
  const names = 'attr' in access ? [access.attr].flat() : []
  return names.every(name => typeof name === 'string') ? [...before, ...names] : before
}

/** What is at a path; undefined where the path ends before. */
function at(context: unknown, path: readonly string[]): unknown {
  let value = context
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Record<string, unknown>)[name]
  }
  return value
}

/**
 * The part of a context that policies look at, as text: contexts with the same text get the same answer. What is absent
 * differs from everything that is there.
 */
export function contextKey(context: unknown, use: ContextUse): string {
  return JSON.stringify(use.map(path => [at(context, path)].filter(value => value !== undefined)))
}

type Members = Readonly<Record<string, unknown>>

/** The context without what no policy looks at. */
export function contextSeen(context: Members, use: ContextUse): Members {
  const seen: Record<string, unknown> = {}
  for (const path of use) copy(context, seen, path)
  return seen
}

function copy(from: Members, into: Record<string, unknown>, [name, ...rest]: readonly string[]): void {
  if (name === undefined) Object.assign(into, from)
  if (name === undefined || !Object.hasOwn(from, name)) return
  const value = from[name]
  if (rest.length === 0 || typeof value !== 'object' || value === null || Array.isArray(value)) {
    into[name] = value
  } else {
    into[name] ??= {}
    copy(value as Members, into[name] as Record<string, unknown>, rest)
  }
}
