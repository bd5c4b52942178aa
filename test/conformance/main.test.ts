import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { REFUSAL } from './case.ts'

describe('the answers to conformance cases', () => {
  const root = mkdtempSync(join(tmpdir(), 'writ-conformance-main-'))
  afterAll(() => rmSync(root, { recursive: true, force: true }))

  it('refuse what cannot be judged at all, and go on with the other cases', () => {
    mkdirSync(join(root, 'json'))
    writeFileSync(join(root, 'json/good.json'), '{}')
    writeFileSync(join(root, 'json/deep.json'), '['.repeat(100_000))
    writeFileSync(join(root, 'quote.json'), '{}')
    writeFileSync(join(root, 'attest'), 'no attest')
    const cases = [
      { path: 'quote.json', kind: 'quote', given: {}, case: { attest: 'attest' } },
      { path: 'absent.json', kind: 'certs', given: {}, case: {} },
      { path: 'json/deep.json', kind: 'json', given: {} },
      { path: 'json/good.json', kind: 'json', given: {} },
    ]
    const [list, out] = [join(root, 'cases.jsonl'), join(root, 'answers.json')]
    writeFileSync(list, cases.map(line => JSON.stringify(line)).join('\n'))
    const main = join(import.meta.dirname, 'main.ts')
    execFileSync(process.execPath, [main, '--root', root, '--cases', list, '--out', out], { stdio: 'pipe' })
    expect(JSON.parse(readFileSync(out, 'utf8'))).toEqual({
      'quote.json': REFUSAL,
      'absent.json': REFUSAL,
      'json/deep.json': { json: 'reject' },
      'json/good.json': { json: 'accept' },
    })
  })
})
