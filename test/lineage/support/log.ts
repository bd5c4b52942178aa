import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { type CheckpointSigner, Lineage, type LineageOptions } from '../../../lineage/index.ts'
import { generateKey } from '../../../signing/key.ts'
import { memoryDirectory } from '../../support/memory.ts'
import { numbered, ORIGIN } from './numbered.ts'
import { CONFIG, daemonStart, large } from './plain-events.ts'
import { SoftwareAk } from './software-ak.ts'

export { CONFIG, daemonStart, large, numbered, ORIGIN }

/** A directory that goes away with the test. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(memoryDirectory(), 'writ-lineage-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A signer in software, with what the verifier needs. */
export interface TestSigner extends CheckpointSigner {
  readonly software: SoftwareAk
}

export function testSigner(): TestSigner {
  const software = new SoftwareAk()
  return {
    software,
    logKey: generateKey('ed25519'),
    ak: software.ak,
    quote: async extraData => software.quote(extraData),
  }
}

export function openLog(directory: string, options: Partial<LineageOptions> = {}): Promise<Lineage> {
  return Lineage.open(directory, { origin: ORIGIN, create: true, ...options })
}

/** Appends numbered events `from` to `to`. */
export async function fill(log: Lineage, from: number, to: number): Promise<void> {
  const appends: Promise<unknown>[] = []
  for (let n = from; n < to; n++) appends.push(log.append(numbered(n)))
  await Promise.all(appends)
}
