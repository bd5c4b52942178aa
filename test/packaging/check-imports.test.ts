import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const house = resolve(import.meta.dirname, '../..')
let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'writ-imports-'))
  copyFileSync(join(house, 'tsconfig.json'), join(dir, 'tsconfig.json'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

function write(path: string, text: string): void {
  mkdirSync(dirname(join(dir, path)), { recursive: true })
  writeFileSync(join(dir, path), text)
}

/** A small house: every room has a face and an inside. */
function build(): void {
  for (const room of [
    'encoding',
    'signing',
    'attestation',
    'attestation/tpm2',
    'authorization',
    'lineage',
    'receipt',
    'daemon',
    'cli',
  ]) {
    write(`${room}/inside.ts`, 'export const inside = 1\n')
    write(`${room}/index.ts`, "export * from './inside.ts'\n")
  }
}

function check(least: number): { status: number | null; out: string } {
  const script = join(house, 'packaging/setup/check-imports.ts')
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, dir, String(least)], {
    encoding: 'utf8',
  })
  return { status, out: stdout + stderr }
}

describe('the check of imports', () => {
  it('passes imports that go downward, and through a face', () => {
    build()
    write('daemon/good.ts', "import '../lineage/index.ts'\nimport '../encoding/inside.ts'\n")
    write('lineage/good.ts', "import '../attestation/index.ts'\n")
    write('receipt/good.ts', "import '../lineage/index.ts'\nimport '../authorization/index.ts'\n")
    const { status, out } = check(16)
    expect(out).toContain('21 modules read, 0 imports forbidden')
    expect(status).toBe(0)
  })

  it('names each forbidden import', () => {
    build()
    write('node_modules/execa/index.js', '')
    write('package.json', '{"dependencies":{"execa":"1"}}')
    const bad = [
      ['encoding-imports-downward', 'encoding/bad.ts', "import '../signing/inside.ts'\n"],
      ['attestation-imports-downward', 'attestation/bad.ts', "import '../lineage/index.ts'\n"],
      ['authorization-imports-downward', 'authorization/bad.ts', "import '../attestation/index.ts'\n"],
      ['lineage-imports-downward', 'lineage/bad.ts', "import '../attestation/inside.ts'\n"],
      ['receipt-imports-downward', 'receipt/bad.ts', "import '../daemon/index.ts'\n"],
      ['daemon-imports-downward', 'daemon/bad.ts', "import '../authorization/inside.ts'\n"],
      ['cli-imports-downward', 'cli/bad.ts', "import '../daemon/index.ts'\n"],
      ['cli-imports-downward', 'cli/late.ts', "export const late = import('../daemon/index.ts')\n"],
      ['cli-imports-downward', 'cli/type.ts', "export type { inside } from '../daemon/inside.ts'\n"],
      ['verifier-reaches-no-tpm', 'attestation/index.ts', "export * from './tpm2/inside.ts'\n"],
      ['no-circular', 'daemon/inside.ts', "import './index.ts'\nexport const inside = 1\n"],
      ['base-rooms-need-no-package', 'signing/bad.ts', "import 'execa'\n"],
      ['resolves', 'cli/missing.ts', "import './nowhere.ts'\n"],
    ] as const
    for (const [, path, text] of bad) write(path, text)
    const { status, out } = check(1)
    for (const [rule, path] of bad) {
      // A circle is named from any of its modules.
      const where = rule === 'no-circular' ? 'daemon/in' : path
      expect(out).toContain(`imports: ${rule}: ${where}`)
    }
    expect(status).toBe(1)
  })

  it('fails on a single forbidden import', () => {
    build()
    write('cli/bad.ts', "import '../daemon/index.ts'\n")
    const { status, out } = check(1)
    expect(out).toContain('1 imports forbidden')
    expect(status).toBe(1)
  })

  it('fails when it has read nothing, or less than there should be', () => {
    expect(check(1)).toMatchObject({ status: 1, out: expect.stringContaining('gave no result') })
    write('test/fixtures/unread.ts', 'export {}\n')
    expect(check(1)).toMatchObject({ status: 1, out: expect.stringContaining('0 modules read') })
    build()
    expect(check(50)).toMatchObject({
      status: 1,
      out: expect.stringContaining('18 modules read, 0 imports forbidden'),
    })
  })
})
