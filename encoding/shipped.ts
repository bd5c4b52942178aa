import { readFileSync } from 'node:fs'
import sea from 'node:sea'
import { fileURLToPath } from 'node:url'

/**
 * Where the programs find what belongs to them. In a checkout that is beside the sources. The packaged programs are one executable that
 * carries all of it (packaging/executable): nothing that decides what they do is read from a place that someone could name to them, by
 * an environment variable or by starting them elsewhere, and what IMA measures at their start is the whole of them.
 */

/** Where the package installs the addon, which cannot be loaded from within an executable. Only root writes there. */
const INSTALLED_ADDON = '/usr/lib/writ/writ.node'

/** Files that the programs read while they run, by their paths in a checkout. The executable carries each under the same name. */
export const SHIPPED_FILES = {
  manifest: 'package.json',
  definitions: 'proto/generated/definitions.json',
  descriptors: 'proto/generated/descriptors.binpb',
  daemonConfig: 'packaging/writd.toml',
  launcherConfig: 'packaging/launchd.conf',
  imaPolicy: 'packaging/ima/ima-policy',
  cedarScript: 'node_modules/@cedar-policy/cedar-wasm/nodejs/cedar_wasm.js',
  cedarModule: 'node_modules/@cedar-policy/cedar-wasm/nodejs/cedar_wasm_bg.wasm',
} as const

const inCheckout = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url))

/** The bytes of a shipped file. Whoever asks must not write to them. @throws Error of the system when a checkout lacks it */
export function shippedFile(name: keyof typeof SHIPPED_FILES): Buffer {
  const path = SHIPPED_FILES[name]
  return sea.isSea() ? Buffer.from(sea.getRawAsset(path)) : readFileSync(inCheckout(path))
}

/** The path of the addon (`native/addon`). */
export function addonPath(): string {
  return sea.isSea() ? INSTALLED_ADDON : inCheckout('native/build/writ.node')
}
