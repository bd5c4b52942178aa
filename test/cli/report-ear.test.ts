import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { earKeyFromSpki, verifyEar, verifyReport } from '../../attestation/index.ts'
import { readEarKey, writeEar } from '../../cli/report/ear.ts'
import { generateKey } from '../../signing/key.ts'
import { NONCE, ReportingHost } from '../attestation/made-up-report.ts'

describe('the EAR of a report', async () => {
  const made = await ReportingHost.make()
  const key = generateKey('ed25519')
  const folder = mkdtempSync(join(tmpdir(), 'writ-ear-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'result.jwt')

  /** The token of a verification in which these properties are said to be other than they are. */
  async function told(over: Record<string, 'FAILED' | 'NOT CHECKED'> = {}) {
    const trust = made.trust()
    const found = verifyReport(made.report(), trust)
    const properties = found.properties.map(({ name, status, detail }) => ({
      ...{ property: name, detail, status: over[name] ?? status },
      asked: (over[name] ?? status) !== 'NOT CHECKED' || Object.hasOwn(over, name),
    }))
    rmSync(path, { force: true })
    await writeEar(path, key, found, properties, trust)
    await expect(writeEar(path, key, found, properties, trust)).rejects.toThrow()
    const { submods } = verifyEar(readFileSync(path, 'latin1'), {
      key: earKeyFromSpki(key.public.spki),
      algorithms: ['EdDSA'],
      now: Math.floor(trust.at.getTime() / 1000),
      nonce: NONCE.toString('base64url'),
    })
    expect([...submods.keys()]).toEqual([made.hostId])
    return submods.get(made.hostId)
  }

  test('says what was appraised, for the nonce that was asked with', async () => {
    expect(await told()).toMatchObject({ vector: { 'instance-identity': 2 } })
    expect((await told())?.status).not.toBe('contraindicated')
  })

  test.each(['freshness', 'AK certificate', 'EK certificate', 'quote'])(
    'says nothing good of evidence that nobody vouches for: %s',
    async property => {
      expect(await told({ [property]: 'FAILED' })).toEqual({ status: 'contraindicated', vector: undefined })
      expect(await told({ [property]: 'NOT CHECKED' })).toEqual({
        status: 'contraindicated',
        vector: undefined,
      })
    },
  )

  test('of failed reference values keeps the claims, and is contraindicated', async () => {
    const said = await told({ 'reference values': 'FAILED' })
    expect(said?.status).toBe('contraindicated')
    expect(said?.vector).toBeDefined()
  })

  test('needs a key, and reference values', async () => {
    await expect(readEarKey({ ear: 'x', reference: 'r' })).rejects.toMatchObject({ code: 'USAGE' })
    await expect(readEarKey({ earKey: 'x', reference: 'r' })).rejects.toMatchObject({ code: 'USAGE' })
    await expect(readEarKey({ ear: 'x', earKey: 'x' })).rejects.toMatchObject({ code: 'USAGE' })
    await expect(readEarKey({})).resolves.toBeNull()
  })
})
