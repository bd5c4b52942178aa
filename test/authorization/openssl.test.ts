import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { publicKeyToPem } from '../../signing/key.ts'
import * as world from './scenario.ts'

/** The commands are taken from the documentation, so that it cannot say something that does not work. */
const page = readFileSync(new URL('../../docs/artifact.md', import.meta.url), 'utf8')
const commands = (heading: string): string => {
  const found = new RegExp(`### ${heading}\\n[^]*?\`\`\`sh\\n([^]*?)\`\`\``).exec(page)?.[1]
  if (found === undefined) throw new Error(`docs/artifact.md has no commands under ${heading}`)
  return found
}

describe('openssl alone', () => {
  let directory: string
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'writ-openssl-'))
  })
  afterAll(() => rmSync(directory, { recursive: true }))

  const run = (heading: string, artifact: Buffer, key: typeof world.alice) => {
    writeFileSync(join(directory, 'artifact.json'), artifact)
    writeFileSync(join(directory, 'authority.pub'), publicKeyToPem(key.public))
    const script = `set -e\n${commands('Take it apart')}\n${commands(heading)}`
    return () => execFileSync('bash', ['-c', script], { cwd: directory, stdio: 'pipe' }).toString()
  }

  const cases = [
    ['Ed25519', world.alice, world.carol],
    ['ECDSA P-256', world.bob, world.dave],
  ] as const
  for (const [heading, key, other] of cases) {
    it(`verifies an artifact that is signed with ${heading}`, () => {
      expect(run(heading, world.artifact(undefined, [key]), key)()).toMatch(
        /Verified OK|Signature Verified Successfully/,
      )
      const digest = execFileSync('sha256sum', [join(directory, 'payload.json')])
        .toString()
        .slice(0, 64)
      expect(digest).toBe(world.payloadDigest(world.artifact(undefined, [key])))
    })

    it(`finds a flipped byte under ${heading}`, () => {
      const artifact = world.changed(world.artifact(undefined, [key]), it => {
        const payload = Buffer.from(String(it.payload), 'base64')
        payload[20] = (payload[20] ?? 0) ^ 1
        it.payload = payload.toString('base64')
      })
      expect(run(heading, artifact, key)).toThrow()
    })

    it(`finds another key under ${heading}`, () => {
      expect(run(heading, world.artifact(undefined, [key]), other)).toThrow()
    })
  }
})
