import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { afterAll, expect, test } from 'vitest'
import {
  checkListedPaths,
  encodeReferenceValues,
  MAX_REFERENCE_BYTES,
  MAX_REFERENCE_ENVELOPE_BYTES,
  REFERENCE_VALUES_TYPE,
  type ReferenceDocument,
} from '../../attestation/index.ts'
import { openDocument, signDocument } from '../../authorization/index.ts'
import { measureSources } from '../../cli/measured-files.ts'
import { openReferenceValues } from '../../cli/reference-values.ts'
import { MAX_ENVELOPE_BYTES, MAX_SIGNATURES, signEnvelope } from '../../signing/dsse.ts'
import { generateKey } from '../../signing/key.ts'
import { CLASSIC, valuesOf } from '../attestation/made-up-boot.ts'
import { temporaryDirectory, writ } from './cli.ts'

const dir = temporaryDirectory()
afterAll(() => dir.remove())

/** Few files of much room: a path has up to 16 KiB. */
const LONG = 8000
function documentOf(files: number, from = 0): ReferenceDocument {
  const { document } = valuesOf(CLASSIC)
  const listed = Array.from({ length: files }, (_, i) => ({
    path: `/${String(from + i).padStart(LONG, '0')}`,
    digests: [`sha256:${'0'.repeat(64)}`],
  }))
  return { ...document, ima: { ...document.ima, files: listed } }
}

test('what would be larger than anybody reads is refused before it is written, with its count and what to do', async () => {
  for (const [name, from] of [
    ['base.json', 0],
    ['more.json', 2400],
  ] as const)
    writeFileSync(dir.in(name), encodeReferenceValues(documentOf(2400, from)))
  const { status, stdout, stderr } = await writ(
    ['reference', 'add', 'base.json', 'more.json', '--out', 'next.json'],
    { cwd: dir.path },
  )
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
  expect(stderr).toMatch(/4800 files make \d+ bytes of reference values, at most 33554432 are taken/)
  expect(stderr).toContain('List fewer files')
  expect(existsSync(dir.in('next.json'))).toBe(false)
})

test('the largest values that can be made are signed by sixteen, read, and one byte more are not made', () => {
  const fits = documentOf(Math.floor(MAX_REFERENCE_BYTES / (LONG + 100)) - 1)
  const room = MAX_REFERENCE_BYTES - encodeReferenceValues(fits).length - '""'.length
  const filled = (bytes: number) =>
    encodeReferenceValues({ ...fits, ima: { ...fits.ima, violations: ['v'.repeat(bytes)] } })
  const payload = filled(room)
  expect(payload.length).toBe(MAX_REFERENCE_BYTES)
  const keys = Array.from({ length: MAX_SIGNATURES }, () => generateKey('ecdsa-p256'))
  const envelope = signEnvelope(REFERENCE_VALUES_TYPE, payload, keys, MAX_REFERENCE_ENVELOPE_BYTES)
  const values = openReferenceValues(
    envelope,
    keys.map(key => key.public),
  )
  expect(values.ima.files.size).toBe(fits.ima.files.length)
  expect(() => filled(room + 1)).toThrow(
    expect.objectContaining({ code: 'REFERENCE_TOO_LARGE', at: 'ima.files' }),
  )
})

test('too many files are refused before they are hashed', async () => {
  mkdirSync(dir.in('files'))
  writeFileSync(dir.in('files/one'), '1')
  const asked: string[][] = []
  const measured = measureSources({ directories: [dir.in('files')], root: dir.path }, paths => {
    asked.push([...paths])
    throw new Error('asked')
  })
  await expect(measured).rejects.toThrow('asked')
  expect(asked).toEqual([['/files/one']])
  const paths = (count: number) => Array.from({ length: count }, (_, i) => `/usr/lib/modules/${i}`)
  expect(() => checkListedPaths(paths(200_000))).not.toThrow()
  expect(() => checkListedPaths(paths(400_000))).toThrow(/400000 files make \d+ bytes/)
  // Never more than they take in the end.
  const { document } = valuesOf(CLASSIC)
  const sizeOf = (files: number) => encodeReferenceValues({ ...document, ima: documentOf(files).ima }).length
  expect(sizeOf(11) - sizeOf(10)).toBe(LONG + 1 + 98)
})

test('no document is signed that nobody would read', () => {
  const key = generateKey('ed25519')
  const sign = (bytes: number) => signDocument('type', Buffer.alloc(bytes), key)
  const most = (MAX_ENVELOPE_BYTES / 4) * 3
  for (const bytes of [most, most - 100])
    expect(() => sign(bytes)).toThrow(expect.objectContaining({ code: 'ENVELOPE_TOO_LARGE' }))
  expect(openDocument(sign(most - 300), 'type', [key.public]).payload).toHaveLength(most - 300)
})
