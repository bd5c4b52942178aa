import { chmodSync, mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compiledDirectory } from './compiled.ts'
import { DIRECTORY } from './prepared.ts'

/** Vitest calls this before the first file: makes the directory of what is prepared, and gives what takes it away after the last. */
export default function setup(): () => Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'writ-prepared-'))
  // What is secret in it has a mode of its own.
  chmodSync(directory, 0o755)
  process.env[DIRECTORY] = directory
  // Of the test files' own processes and of all that they start with their environment.
  process.env.NODE_COMPILE_CACHE ??= compiledDirectory()
  // The last processes write to it what they compiled while they end.
  return () => rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
}
