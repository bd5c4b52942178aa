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

/** Packages that bring a script for their installation, with what it does. None is executed: .npmrc says so, and setup.sh once more. */
export const KNOWN_SCRIPTS: Readonly<Record<string, string>> = {
  protobufjs: 'prints a notice when the version range of whoever depends on it looks unusual',
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
    if (pin.hasInstallScript === true && !(name in KNOWN_SCRIPTS))
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

/** What is wrong with npm's settings: scripts of packages have to be off. */
export function settingFaults(npmrc: string): string[] {
  const wanted = ['ignore-scripts=true', 'omit-lockfile-registry-resolved=true']
  const lines = npmrc.split('\n').map(line => line.trim())
  return wanted.filter(setting => !lines.includes(setting)).map(setting => `.npmrc: ${setting} is missing`)
}

/** Actions of a workflow that are not pinned by the hash of a commit, and what else a workflow must not have. */
export function workflowFaults(name: string, text: string): string[] {
  const uses = [...text.matchAll(/^[\s-]*uses:\s*(\S+)(.*)$/gm)]
  const faults = uses.flatMap(([, action = '', rest = '']) => {
    if (!/^[\w.-]+\/[\w./-]+@[0-9a-f]{40}$/.test(action))
      return [`${action} is pinned by no hash of a commit`]
    return /#\s*v\d+\.\d+\.\d+/.test(rest) ? [] : [`${action} does not say beside it which version that is`]
  })
  if (!/^permissions:\n {2}contents: read\n(?! )/m.test(text)) faults.push('its token can do more than read')
  if (/pull_request_target|\$\{\{[^}]*github\.event\./.test(text)) faults.push('runs words of a stranger')
  return faults.map(fault => `${name}: ${fault}`)
}
