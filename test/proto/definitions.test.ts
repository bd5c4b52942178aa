import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'

const PROTO = join(import.meta.dirname, '../../proto')
const NODE_MODULES = join(import.meta.dirname, '../../node_modules')
const BUF = join(
  NODE_MODULES,
  `@bufbuild/buf-linux-${process.arch === 'arm64' ? 'aarch64' : 'x64'}`,
  'bin',
  'buf',
)

const scratch = mkdtempSync(join(tmpdir(), 'writ-proto-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const filesIn = (directory: string) =>
  Object.fromEntries(
    readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile())
      .map(entry => join(entry.parentPath, entry.name))
      .sort()
      .map(path => [path.slice(directory.length), readFileSync(path, 'utf8')]),
  )

describe('the definitions', () => {
  it('are clean by buf lint and buf format, comments on every field included', () => {
    const env = { ...process.env, HOME: scratch }
    execFileSync(BUF, ['lint'], { cwd: PROTO, env })
    execFileSync(BUF, ['format', '--diff', '--exit-code'], { cwd: PROTO, env })
  })

  it('and the committed types agree', () => {
    const out = join(scratch, 'generated')
    const env = { ...process.env, PATH: `${join(NODE_MODULES, '.bin')}:${process.env.PATH}` }
    execFileSync('sh', [join(PROTO, 'generate.sh'), out], { env })
    expect(filesIn(out)).toEqual(filesIn(join(PROTO, 'generated')))
  })
})
