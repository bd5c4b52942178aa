import { access } from 'node:fs/promises'
import type { Component, ReferenceDocument } from '../attestation/index.ts'
import { CliError } from './error.ts'
import { measureFile } from './measured-files.ts'

/** Where the package puts the code that guards a host (packaging). Each is one file that IMA measures when it is executed or mapped. */
export const PACKAGED_COMPONENTS: readonly (readonly [name: string, path: string])[] = [
  ['writd', '/usr/lib/writ/writd'],
  ['addon', '/usr/lib/writ/writ.node'],
  ['writ-launchd', '/usr/lib/writ/writ-launchd'],
]

/** Where systemd finds the IMA policy that it loads (systemd's src/core/ima-setup.c); the kernel measures what it loads from there. */
const IMA_POLICY = { name: 'ima-policy', path: '/etc/ima/ima-policy' }

/** What `--component any` says: whatever code runs as the daemon. */
const ANY = 'any'

/** `name=path` each, `any`, or nothing for those that the package installs. */
export type AskedComponents = 'any' | readonly (readonly [name: string, path: string])[] | undefined

/**
 * What `--component` asks for. Looks at no file.
 *
 * @throws CliError `USAGE`
 */
export function askedComponents(options: readonly string[] | undefined): AskedComponents {
  if (!options?.includes(ANY)) return options?.map(readOption)
  if (options.length > 1) throw new CliError('USAGE', '--component any stands alone')
  return ANY
}

/**
 * The components that reference values are to name, with the digests of their files as they are now.
 *
 * @throws CliError
 */
export async function readComponents(asked: AskedComponents): Promise<'any' | Component[]> {
  if (asked === ANY) return ANY
  if (asked === undefined && !(await isThere(PACKAGED_COMPONENTS[0]?.[1] ?? ''))) {
    throw new CliError('HOST_UNFIT', 'the daemon that the package installs is not on this host', {
      next: 'Name the code that guards it with --component NAME=PATH, or say --component any: then a changed daemon passes.',
    })
  }
  return Promise.all(
    (asked ?? PACKAGED_COMPONENTS).map(async ([name, file]) => {
      const { path, digest } = await measureFile(file)
      return { name, path, digests: [digest] }
    }),
  )
}

function readOption(option: string): readonly [string, string] {
  const at = option.indexOf('=')
  if (at <= 0) throw new CliError('USAGE', `--component ${option}: not name=path`)
  return [option.slice(0, at), option.slice(at + 1)]
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

/** Whether the quoted log has the IMA policy at its place, given what was captured of it before any component was taken out. */
export function isImaPolicyMeasured({ ima }: ReferenceDocument): boolean {
  return ima.files.some(({ path }) => path === IMA_POLICY.path)
}

/**
 * Makes the IMA policy a component where this boot has loaded it from its place and other components are named: their entries mean
 * little on a host that boots without it.
 */
export function withImaPolicy(document: ReferenceDocument): ReferenceDocument {
  const { components, ima } = document
  const policy = ima.files.find(({ path }) => path === IMA_POLICY.path)
  if (components === 'any' || policy === undefined) return document
  if (components.some(({ path, name }) => path === policy.path || name === IMA_POLICY.name)) return document
  return {
    ...document,
    components: [...components, { ...IMA_POLICY, digests: policy.digests }],
    ima: { ...ima, files: ima.files.filter(file => file !== policy) },
  }
}
