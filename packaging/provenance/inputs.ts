import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CHECKOUT } from '../executable/bundle.ts'
import { archiveDigest, lockedPackages, nameAt } from '../sbom/lock.ts'
import { installedClosure } from './installed.ts'
import type { Resource } from './statement.ts'

/** Debian packages that the build asks for (setup.sh package), besides those that every system has. */
const TOOLS = ['gcc', 'binutils', 'libc6-dev', 'libatomic1', 'make', 'dpkg-dev']

/** A command that has to succeed. @returns what it printed */
function output(command: string, args: readonly string[]): string {
  const { error, status, stdout, stderr } = spawnSync(command, args, { cwd: CHECKOUT, encoding: 'utf8' })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr.trim()}`)
  return stdout.trim()
}

/** SHA-256 of a file. */
export function fileDigest(path: string): { sha256: string } {
  return { sha256: createHash('sha256').update(readFileSync(path)).digest('hex') }
}

/**
 * What npm installed for the build, by the digests of the archives: of the packages that the lock pins those that are there, the runtime among
 * them. Those for other machines are not. That they are what the lock says is not looked at here: npm has held each archive against it when it
 * installed them for this build (packaging/deb/source.sh).
 */
export function npmInputs(): Resource[] {
  const lock = { name: 'package-lock.json', digest: fileDigest(join(CHECKOUT, 'package-lock.json')) }
  const archives = [...lockedPackages()]
    .filter(([place]) => existsSync(join(CHECKOUT, place, 'package.json')))
    .map(([place, pin]) => ({
      uri: `pkg:npm/${nameAt(place).replace('@', '%40')}@${pin.version}`,
      digest: { sha512: archiveDigest(place, pin) },
    }))
  const once = new Map(archives.map(archive => [archive.uri, archive]))
  return [lock, ...[...once.values()].toSorted((a, b) => (a.uri < b.uri ? -1 : 1))]
}

/** The runtime that built it and became part of it, by its own bytes. */
export function runtimeInput(): Resource {
  return { name: `node ${process.version} ${process.arch}`, digest: fileDigest(process.execPath) }
}

/**
 * The tools of the distribution, as it calls their versions: with everything that they rest on, as Debian's .buildinfo has it. The compiler and
 * the compressor are not in the packages that one asks for, but in some that these depend on.
 */
export function toolchain(): Record<string, string> {
  const fields = ['Package', 'Version', 'Essential', 'db:Status-Status', 'Pre-Depends', 'Depends', 'Provides']
  const format = `${fields.map(name => `$\{${name}}`).join('\\t')}\\n`
  return installedClosure(output('dpkg-query', ['-W', '-f', format]), TOOLS)
}
