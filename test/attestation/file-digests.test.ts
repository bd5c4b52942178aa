import { describe, expect, it } from 'vitest'
import { encodeReferenceValues, parseReferenceValues, withoutFileList } from '../../attestation/index.ts'
import { FileDigests } from '../../attestation/reference/file-digests.ts'
import { SyntheticHost } from './synthetic-host.ts'

const one = `sha256:${'ab'.repeat(32)}`
const other = `sha1:${'cd'.repeat(20)}`

describe('digests of files by their paths', () => {
  const files = new FileDigests([
    { path: '/bin/a', digests: [one, other] },
    { path: '/bin/b', digests: [other] },
    { path: '/bin/d', digests: [one] },
    { path: '/bin/\ud800', digests: [one] },
    { path: `/bin/c\0${one}`, digests: [other] },
  ])

  it('accept each digest at its own path alone', () => {
    expect(files.accepts('/bin/a', one)).toBe(true)
    expect(files.accepts('/bin/a', other)).toBe(true)
    expect(files.accepts('/bin/b', other)).toBe(true)
    expect(files.accepts('/bin/b', one)).toBe(false)
    expect(files.accepts('/bin/d', one)).toBe(true)
    expect(files.accepts('/bin/d', one.replace('ab', 'cd'))).toBe(false)
    expect(files.accepts('/bin/d', one.replace('sha256', 'sha512'))).toBe(false)
    expect(files.accepts('/bin/d', other)).toBe(false)
    expect(files.accepts('/bin', one)).toBe(false)
    expect(files.accepts('/bin/d', one.toUpperCase())).toBe(false)
    expect(files.accepts('/bin/a', one.toUpperCase())).toBe(false)
  })

  it('know which paths are listed, of whatever characters', () => {
    expect(files.size).toBe(5)
    expect(
      ['/bin/a', '/bin/b', '/bin/c', '/bin/\ud800', '/bin/\udfff', ''].map(path => files.has(path)),
    ).toEqual([true, true, false, true, false, false])
    expect(files.has(`/bin/a\0${one}`)).toBe(false)
    expect(files.accepts('/bin/c', one)).toBe(false)
  })

  it('count a path that is listed twice once', () => {
    const [plain, several] = [[one], [one, other]].map(digests => ({ path: '/bin/a', digests }))
    for (const first of [plain, several])
      for (const second of [plain, several]) expect(new FileDigests([first, second] as never).size).toBe(1)
  })
})

describe('reference values that are kept', () => {
  const document = new SyntheticHost().document()
  const whole = parseReferenceValues(encodeReferenceValues(document))
  const kept = withoutFileList(whole)

  it('judge as before, without the text of the list', () => {
    const { ima, ...others } = document
    expect(kept.digest).toBe(whole.digest)
    expect(kept.document).toEqual({ ...others, ima: { ...ima, files: [] } })
    expect([...kept.pcrs]).toEqual([...whole.pcrs])
    expect([...kept.components]).toEqual([...whole.components])
    expect(kept.ima.toleratedViolations).toEqual(whole.ima.toleratedViolations)
    expect(kept.ima.exclude).toEqual(whole.ima.exclude)
    expect(kept.ima.signedPaths).toEqual(whole.ima.signedPaths)
    for (const { path, digests } of ima.files)
      for (const digest of digests) expect(kept.ima.files.accepts(path, digest)).toBe(true)
    expect(kept.ima.files.size).toBe(ima.files.length)
  })
})
