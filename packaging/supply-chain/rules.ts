import { type LockedPackage, nameAt } from '../sbom/lock.ts'

/** Licences under which parts may be distributed in the package: each asks for no more than its text, which the copyright file has. */
export const SHIPPED_LICENCES: ReadonlySet<string> = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  'MIT',
])

/** The same of tools that build and test, and of which nothing is distributed. */
export const TOOL_LICENCES: ReadonlySet<string> = new Set([
  ...SHIPPED_LICENCES,
  'BlueOak-1.0.0',
  'MIT OR Apache-2.0',
  'MPL-2.0',
])

/**
 * Packages that bring a script for their installation, in the version whose script somebody has read, with what it does. None is executed: .npmrc
 * says so, and setup.sh once more.
 */
export const KNOWN_SCRIPTS: Readonly<Record<string, string>> = {
  'protobufjs@7.6.6': 'prints a notice when the version range of whoever depends on it looks unusual',
}

/** What package.json has that is judged. */
export interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/** Packages of which something may be distributed: what is not for development alone, and not a tool for one platform. */
export function isShipped({ dev, optional }: LockedPackage): boolean {
  return dev !== true && optional !== true
}

/** What is wrong with the lock: one line each. */
export function lockFaults(packages: ReadonlyMap<string, LockedPackage>): string[] {
  return [...packages].flatMap(([place, pin]) => {
    const name = nameAt(place)
    const faults: string[] = []
    if (pin.resolved !== undefined)
      faults.push(`names where it is downloaded (${pin.resolved}); each installation asks its own registry`)
    if (!/^sha512-[A-Za-z0-9+/]{86}==$/.test(pin.integrity ?? '')) faults.push('is pinned by no SHA-512')
    // Everything else goes by the place: bill of materials, provenance, licences.
    if (pin.name !== undefined && pin.name !== name) faults.push(`is another package, ${pin.name}`)
    if (pin.hasInstallScript === true && !(`${name}@${pin.version}` in KNOWN_SCRIPTS))
      faults.push('brings a script for its installation that nobody has looked at')
    const allowed = isShipped(pin) ? SHIPPED_LICENCES : TOOL_LICENCES
    if (pin.license === undefined || !allowed.has(pin.license))
      faults.push(
        `has the licence ${pin.license ?? '(none)'}, which nobody has allowed ${isShipped(pin) ? 'for what is distributed' : 'for a tool'}`,
      )
    return faults.map(fault => `package-lock.json: ${place} ${fault}`)
  })
}

/** Versions in package.json that leave open which one is meant. */
export function versionFaults({ dependencies, devDependencies, optionalDependencies }: Manifest): string[] {
  const all = Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })
  return all
    .filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))
    .map(([name, version]) => `package.json: ${name} is asked for as ${version}, which is not one version`)
}

/**
 * What is wrong with npm's settings: scripts of packages have to be off. Of a setting that is there twice npm takes the last. What npm takes for a
 * setting besides (keys in quotes, lists, sections) is refused, not understood.
 */
export function settingFaults(npmrc: string): string[] {
  const wanted = { 'ignore-scripts': 'true', 'omit-lockfile-registry-resolved': 'true' }
  const lines = npmrc.split('\n').filter(line => !/^\s*(?:[#;].*)?$/.test(line))
  const pairs = lines.map(line => /^([a-z-]+)=([\w./:-]+)$/.exec(line))
  const settings = new Map(pairs.flatMap(pair => (pair === null ? [] : [[pair[1], pair[2]] as const])))
  return [
    ...lines
      .filter((_, i) => pairs[i] === null)
      .map(line => `.npmrc: ${JSON.stringify(line)} is in a form that is not read here`),
    ...Object.entries(wanted)
      .filter(([key, value]) => settings.get(key) !== value)
      .map(([key, value]) => `.npmrc: ${key}=${value} is missing, or taken back`),
  ]
}

/** Events at which words or code of a stranger meet a token or secrets. */
const STRANGE_EVENTS =
  /\b(?:pull_request_target|workflow_run|issue_comment|issues|discussion\w*|repository_dispatch)\b/
/** What may be put into the text of a step: nobody outside chooses it. */
const HARMLESS = /^\s*(?:github\.(?:sha|run_id)|matrix\.\w+|runner\.(?:os|arch))\s*$/
/** A branch's name is chosen by who pushes: as a name of a group it does nothing. */
const GROUP = /^\s*group: ci-\$\{\{ github\.ref \}\}$/

/**
 * Actions of a workflow that are not pinned by the hash of a commit, and what else a workflow must not have. It is read line by line: what could be
 * read otherwise by who knows all of YAML is refused, not understood.
 */
export function workflowFaults(name: string, text: string): string[] {
  const lines = text.split('\n').filter(line => !/^\s*#/.test(line))
  const words = lines.join('\n')
  const uses = [...words.matchAll(/^[\s-]*uses:\s*(\S+)(.*)$/gm)]
  const faults = uses.flatMap(([, action = '', rest = '']) => {
    if (!/^[\w.-]+\/[\w./-]+@[0-9a-f]{40}$/.test(action))
      return [`${action} is pinned by no hash of a commit`]
    return /#\s*v\d+\.\d+\.\d+/.test(rest) ? [] : [`${action} does not say beside it which version that is`]
  })
  const keys = (key: string) =>
    [...words.matchAll(new RegExp(`(?<![\\w.-])["']?${key}["']?\\s*:`, 'g'))].length
  if (keys('uses') !== uses.length) faults.push('names an action in a form that is not read here')
  // YAML breaks lines at these, too: what follows one in a comment is none.
  if (/[\r\x85\u2028\u2029]/.test(text)) faults.push('breaks lines in a way that is not read here')
  if (/^[\s-]*\?(?:\s|$)/m.test(words) || /"[^"\n]*\\[^"\n]*"\s*:/.test(words))
    faults.push('has keys in a form that is not read here')
  if (/\\[xuU]/.test(words)) faults.push('has escapes, which are not read here')
  if (keys('permissions') !== 1 || !/^permissions:\n {2}contents: read\n(?!(?:\s*\n)? )/m.test(words))
    faults.push('its token can do more than read')
  // In comments, too: in a script they are text like any other. One that goes on in the next line is not known to be harmless.
  const put = text
    .split('\n')
    .flatMap(line => (GROUP.test(line) ? [] : [...line.matchAll(/\$\{\{(.*?)(\}\}|$)/g)]))
    .map(([, what = '', end]) => (end === '' ? '' : what))
  if (STRANGE_EVENTS.test(words) || put.some(what => !HARMLESS.test(what)))
    faults.push('runs words of a stranger')
  return faults.map(fault => `${name}: ${fault}`)
}
