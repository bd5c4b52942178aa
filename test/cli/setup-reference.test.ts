import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { encodeReferenceValues } from '../../attestation/index.ts'
import { Findings } from '../../cli/config/findings.ts'
import { checkNamedFiles } from '../../cli/config/named-files.ts'
import { makeKeyFiles } from '../../cli/key-files.ts'
import { readReferenceFile } from '../../cli/reference/file.ts'
import { reference } from '../../cli/setup/steps/reference.ts'
import { examineConfig } from '../../configuration/daemon-file.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { CLASSIC, valuesOf } from '../attestation/made-up-boot.ts'
import { contextIn, ownPlace } from './setup-context.ts'

const place = ownPlace()
const { at } = place
beforeEach(async () => {
  await makeKeyFiles(at('operator'), 'ed25519', undefined)
  writeFileSync(at('captured.json'), encodeReferenceValues(valuesOf(CLASSIC).document), { mode: 0o644 })
})

/** Captured values that list so many files more. */
function capturedOf(files: number): Buffer {
  const { document } = valuesOf(CLASSIC)
  const more = Array.from({ length: files }, (_, i) => ({
    path: `/usr/share/${'made-up/'.repeat(200)}${i}`,
    digests: [`sha256:${sha256Hex(Buffer.from(String(i)))}`],
  }))
  return encodeReferenceValues({ ...document, ima: { ...document.ima, files: more } })
}

async function sign() {
  const found = await reference.look(contextIn(place.etc))
  if (found.state !== 'to do') throw new Error(found.state)
  return found.carryOut()
}

test('what was captured before is signed as it is, and that is said', async () => {
  expect((await sign()).warnings?.join()).toContain('was signed as it was found')
  expect(existsSync(at('reference.json'))).toBe(true)
})

test.each<[string, () => void]>([
  ['that others can write', () => chmodSync(at('captured.json'), 0o646)],
  [
    'behind a link',
    () => {
      rmSync(at('captured.json'))
      symlinkSync(at('operator.pub'), at('captured.json'))
    },
  ],
])('what was captured before into a file %s is not signed', async (_, change) => {
  change()
  await expect(sign()).rejects.toMatchObject({ code: 'HOST_UNFIT', at: at('captured.json') })
  expect(existsSync(at('reference.json'))).toBe(false)
})

test('values of more than 8 MiB are signed, found again, taken from elsewhere, shown and checked', async () => {
  const captured = capturedOf(5500)
  expect(captured.length).toBeGreaterThan(8 << 20)
  writeFileSync(at('captured.json'), captured, { mode: 0o644 })
  expect((await sign()).did?.join()).toContain('5500 files')
  expect(await reference.look(contextIn(place.etc))).toMatchObject({ state: 'done' })
  const given = { documents: { reference: at('reference.json') } }
  expect(await reference.look(contextIn(place.etc, given))).toMatchObject({ state: 'done' })

  const other = at('other')
  mkdirSync(other)
  for (const name of ['operator.key', 'operator.pub']) copyFileSync(at(name), join(other, name))
  const taken = await reference.look(contextIn(other, given))
  if (taken.state !== 'to do') throw new Error(taken.state)
  await taken.carryOut()
  expect(readFileSync(join(other, 'reference.json')).equals(readFileSync(at('reference.json')))).toBe(true)

  expect((await readReferenceFile(at('reference.json'), at('operator.pub'))).values.ima.files.size).toBe(5500)
  const named = `[trust]\ngovernance_keys = ["${at('operator.pub')}"]\n[attestation]\nreference_values = "${at('reference.json')}"\n`
  const findings = new Findings(at('writd.toml'), () => undefined)
  await checkNamedFiles(examineConfig(Buffer.from(named)).values, null, findings)
  // Only of what made the directory, which everybody may write to.
  expect(findings.list.filter(({ code }) => code === 'FILE_UNUSABLE')).toEqual([])
})
