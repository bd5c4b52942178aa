import { chmodSync, existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { encodeReferenceValues } from '../../attestation/index.ts'
import { makeKeyFiles } from '../../cli/key-files.ts'
import { reference } from '../../cli/setup/steps/reference.ts'
import { CLASSIC, valuesOf } from '../attestation/made-up-boot.ts'
import { contextIn } from './setup-context.ts'

let etc: string
beforeEach(async () => {
  etc = mkdtempSync(join(tmpdir(), 'writ-reference-'))
  await makeKeyFiles(at('operator'), 'ed25519', undefined)
  writeFileSync(at('captured.json'), encodeReferenceValues(valuesOf(CLASSIC).document), { mode: 0o644 })
})
afterEach(() => rmSync(etc, { recursive: true }))

const at = (name: string) => join(etc, name)

async function sign() {
  const found = await reference.look(contextIn(etc))
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
