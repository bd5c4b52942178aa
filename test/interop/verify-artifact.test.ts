import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'

const here = import.meta.dirname
const vectors = join(here, '../vectors')
const verifier = join(here, 'verify_artifact.py')
// Debian's packages are for Debian's interpreter.
const python = ['/usr/bin/python3', 'python3'].find(
  name => spawnSync(name, ['-c', 'import cryptography']).status === 0,
)
if (python === undefined) console.warn('interop: left out, there is no python3 with cryptography')

describe.skipIf(python === undefined)('the verifier in another language (python3 with cryptography)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'writ-interop-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const run = (root: string) =>
    spawnSync(python ?? '', ['-B', verifier, root, join(here, '../../docs/schema')], { encoding: 'utf8' })

  it('comes to the same verdicts on every vector', () => {
    const { status, stdout, stderr } = run(vectors)
    expect(`${stdout}${stderr}`).toMatch(/^[1-9][0-9]{2,} vectors, 0 differ\n$/)
    expect(status).toBe(0)
  }, 60_000)

  it('says so when a verdict is another', () => {
    for (const name of ['artifact', 'statement'])
      cpSync(join(vectors, name), join(folder, name), { recursive: true })
    const file = join(folder, 'artifact/validity.json')
    writeFileSync(file, readFileSync(file, 'utf8').replace('ARTIFACT_EXPIRED', 'ARTIFACT_MALFORMED'))
    const { status, stdout } = run(folder)
    expect(stdout).toMatch(/validity\.json: .*ARTIFACT_EXPIRED/)
    expect(status).toBe(1)
  }, 60_000)

  it('is less than 200 lines', () => {
    expect(readFileSync(verifier, 'utf8').split('\n').length).toBeLessThan(200)
  })
})
