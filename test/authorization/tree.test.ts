import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { type TreeEntry, treeDigest, treeManifest } from '../../authorization/index.ts'
import { treeOf } from '../../cli/tree.ts'

interface Vector {
  readonly name: string
  readonly entries: readonly {
    path: string
    kind: 'directory' | 'file' | 'link'
    executable?: boolean
    sha256?: string
    content?: string
    target?: string
  }[]
  readonly manifest: string
  readonly digest: string
}

const ROOT = join(import.meta.dirname, '../..')
const vectors = JSON.parse(readFileSync(join(ROOT, 'test/fixtures/tree-v1.json'), 'utf8')) as Vector[]
const python = /```python\n([^`]*)```/.exec(readFileSync(join(ROOT, 'docs/artifact.md'), 'utf8'))?.[1] ?? ''
const directory = mkdtempSync(join(tmpdir(), 'writ-tree-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const bytes = (hex = ''): Buffer => Buffer.from(hex, 'hex')
const entriesOf = ({ entries }: Vector): TreeEntry[] =>
  entries.map(({ path, kind, executable = false, sha256 = '', target }) => {
    if (kind === 'directory') return { path: bytes(path), kind }
    if (kind === 'link') return { path: bytes(path), kind, target: bytes(target) }
    return { path: bytes(path), kind, executable, sha256 }
  })

describe('the digest of a directory', () => {
  it.each(vectors)('is that of the vector: $name', vector => {
    expect(treeManifest(entriesOf(vector)).toString('hex')).toBe(vector.manifest)
    expect(treeManifest(entriesOf(vector).toReversed()).toString('hex')).toBe(vector.manifest)
    expect(treeDigest(entriesOf(vector))).toBe(vector.digest)
  })

  it.each(vectors.map((vector, i) => ({ ...vector, i })))(
    'is read from disk, and by the program in the documentation: $name',
    async vector => {
      const top = join(directory, String(vector.i))
      mkdirSync(top)
      for (const { path, kind, executable, content, target } of vector.entries) {
        const full = Buffer.concat([Buffer.from(`${top}/`), bytes(path)])
        if (kind === 'directory') mkdirSync(full)
        else if (kind === 'link') symlinkSync(bytes(target), full)
        else {
          writeFileSync(full, bytes(content))
          chmodSync(full, executable ? 0o754 : 0o611)
        }
      }
      expect((await treeOf(top)).sha256).toBe(vector.digest)
      expect(execFileSync('python3', ['-c', python, top], { encoding: 'utf8' })).toBe(`${vector.digest}\n`)
    },
  )

  it('is no directory’s that has what cannot be a subject', async () => {
    const top = join(directory, 'special')
    mkdirSync(top)
    execFileSync('mkfifo', [join(top, 'fifo')])
    await expect(treeOf(top)).rejects.toMatchObject({ code: 'FILE_UNREADABLE' })
    await expect(treeOf(join(top, 'fifo'))).rejects.toMatchObject({ code: 'FILE_UNREADABLE' })
    await expect(treeOf(join(top, 'none'))).rejects.toMatchObject({ code: 'FILE_MISSING' })
    let deep = join(directory, 'deep')
    for (let i = 0; i <= 33; i++) deep = join(deep, 'd')
    mkdirSync(deep, { recursive: true })
    await expect(treeOf(join(directory, 'deep'))).rejects.toMatchObject({ code: 'FILE_UNREADABLE' })
    expect((await treeOf(join(directory, 'deep/d/d'))).size).toBe(0)
  })

  it('tells any two apart, whatever their names and links say', () => {
    const text = fc
      .uint8Array({ minLength: 1, maxLength: 6 })
      .map(b => Buffer.from(b.filter(byte => byte !== 0)))
    const name = text.filter(b => b.length > 0 && !b.includes(0x2f))
    const sha256 = fc.constantFrom('a'.repeat(64), 'b'.repeat(64))
    const entry: fc.Arbitrary<TreeEntry> = fc.oneof(
      fc.record({ path: name, kind: fc.constant('directory' as const) }),
      fc.record({ path: name, kind: fc.constant('link' as const), target: text }),
      fc.record({ path: name, kind: fc.constant('file' as const), executable: fc.boolean(), sha256 }),
    )
    const tree = fc.uniqueArray(entry, { maxLength: 4, selector: item => item.path.toString('hex') })
    const shown = (entries: readonly TreeEntry[]): string[] =>
      entries
        .map(item =>
          JSON.stringify({
            ...item,
            path: item.path.toString('hex'),
            target: 'target' in item ? item.target.toString('hex') : '',
          }),
        )
        .toSorted()
    fc.assert(
      fc.property(tree, tree, (one, other) => {
        const same = treeManifest(one).equals(treeManifest(other))
        expect(same).toBe(JSON.stringify(shown(one)) === JSON.stringify(shown(other)))
      }),
      { numRuns: 300 },
    )
  })
})
