import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readCertificateFile } from '../../attestation/index.ts'
import { allVerified } from '../../cli/verify/property.ts'
import { type VerifyTrust, verifyBundle } from '../../cli/verify/verify.ts'
import { readPublicKey } from '../../signing/key.ts'
import { writ } from './cli.ts'
import { filesOf } from './forge.ts'
import { IS_ROOT, NEEDS_ROOT, type QuietSite } from './site.ts'
import { find, startVerifiedSite } from './verified-site.ts'

describe.skipIf(!IS_ROOT)(`the offline verifier on a real bundle (${NEEDS_ROOT})`, () => {
  let site: QuietSite
  let bundle: string
  let trust: VerifyTrust
  const scratch = (name: string) => site.workspace.path(name)

  beforeAll(async () => {
    ;({ site, bundle, trust } = await startVerifiedSite())
  }, 180_000)
  afterAll(() => site?.workspace.close(), 60_000)

  test('verifies all that was asked, and says what was not', async () => {
    const { properties, tier, hostId } = await verifyBundle(bundle, trust)
    expect(properties.filter(p => p.status !== 'VERIFIED').map(p => p.property)).toEqual([
      'host that was asked for',
      'consistency with earlier checkpoints',
    ])
    expect(allVerified(properties)).toBe(true)
    expect(tier).toBe('simulated TPM')
    expect(hostId).toBe(site.hostId)
  })

  test('as a program: exit status 0, one line for each property', async () => {
    const root = ['--ek-root', site.tpm.paths.rootCertificate]
    const key = ['--operator-key', join(site.operator, 'operator.pub')]
    const checkpoint = join(bundle, 'lineage/checkpoint')
    const { status, stdout } = await writ([
      ...['verify', bundle, ...key, ...root, '--host', site.hostId, '--earlier', checkpoint],
    ])
    expect(stdout).not.toMatch(/FAILED|NOT CHECKED/)
    expect(stdout).toMatch(/\nverified: \d+ entries, simulated TPM, host 000b[0-9a-f]{64}\n$/)
    expect(status).toBe(0)
    const elsewhere = await writ(['verify', bundle, ...key, '--host', `000b${'0'.repeat(64)}`])
    expect(elsewhere.status).toBe(1)
    expect(elsewhere.stdout).toMatch(/FAILED +host that was asked for/)
    expect((await writ(['verify', scratch('none'), ...key])).status).toBe(2)
    expect((await writ(['verify', bundle])).status).toBe(2)
    expect((await writ(['verify', bundle, ...key, '--at', 'x'])).status).toBe(2)
  })

  test('finds a flipped byte in any file, and names the file', async () => {
    const copy = scratch('flipped')
    cpSync(bundle, copy, { recursive: true })
    for (const file of await filesOf(bundle)) {
      const path = join(copy, file)
      const bytes = readFileSync(path)
      if (bytes.length === 0) continue
      const changed = Buffer.from(bytes)
      const byte = Math.floor(Math.random() * bytes.length)
      changed.writeUInt8(changed.readUInt8(byte) ^ (1 << Math.floor(Math.random() * 8)), byte)
      writeFileSync(path, changed)
      const { properties } = await verifyBundle(copy, trust)
      writeFileSync(path, bytes)
      expect(
        properties.filter(p => p.status === 'FAILED').map(p => p.file),
        `${file}, byte ${byte}`,
      ).toContain(file)
    }
    expect(allVerified((await verifyBundle(copy, trust)).properties)).toBe(true)
    rmSync(copy, { recursive: true })
  }, 240_000)

  test.each(['host/identity.json', 'lineage/checkpoint', 'host/ak-certificate.der'])(
    'finds a flipped bit wherever it is in %s',
    async file => {
      const copy = scratch('bits')
      cpSync(bundle, copy, { recursive: true })
      const path = join(copy, file)
      const bytes = readFileSync(path)
      for (let byte = 0; byte < bytes.length; byte += Math.ceil(bytes.length / 40)) {
        const changed = Buffer.from(bytes)
        changed.writeUInt8(changed.readUInt8(byte) ^ 0x20, byte)
        writeFileSync(path, changed)
        const { properties } = await verifyBundle(copy, trust)
        expect(
          properties.filter(p => p.status === 'FAILED').map(p => p.file),
          `byte ${byte}`,
        ).toContain(file)
      }
      rmSync(copy, { recursive: true })
    },
    240_000,
  )

  test('finds what is missing and what rides along', async () => {
    const copy = scratch('files')
    const files = await filesOf(bundle)
    const kinds = [
      'host/identity.json',
      'lineage/checkpoint',
      'lineage/tile/0/',
      'lineage/tile/entries/',
      'lineage/evidence/',
    ]
    for (const kind of kinds) {
      cpSync(bundle, copy, { recursive: true })
      const file = files.find(path => path.startsWith(kind)) ?? expect.fail(kind)
      rmSync(join(copy, file))
      const { properties } = await verifyBundle(copy, trust)
      expect(
        properties.filter(p => p.status === 'FAILED').map(p => p.file),
        file,
      ).toContain(file)
      rmSync(copy, { recursive: true })
    }
    for (const stray of ['operator.pub', 'host/extra', 'lineage/extra', 'lineage/evidence/sha256/00/x']) {
      cpSync(bundle, copy, { recursive: true })
      mkdirSync(join(copy, stray, '..'), { recursive: true })
      writeFileSync(join(copy, stray), 'x')
      const { properties } = await verifyBundle(copy, trust)
      expect(
        properties.filter(p => p.status === 'FAILED').map(p => p.file),
        stray,
      ).toContain(stray)
      rmSync(copy, { recursive: true })
    }
    cpSync(bundle, copy, { recursive: true })
    rmSync(join(copy, 'lineage'), { recursive: true })
    symlinkSync(join(bundle, 'lineage'), join(copy, 'lineage'))
    expect(allVerified((await verifyBundle(copy, trust)).properties)).toBe(false)
    rmSync(copy, { recursive: true })
  })

  test('an empty directory verifies nothing', async () => {
    mkdirSync(scratch('empty'))
    const { properties, tier, hostId } = await verifyBundle(scratch('empty'), trust)
    expect(properties.filter(p => p.status === 'VERIFIED')).toEqual([])
    expect(allVerified(properties)).toBe(false)
    expect({ tier, hostId }).toEqual({ tier: 'TPM of unknown kind', hostId: null })
    expect(allVerified([])).toBe(false)
  })

  test('a bundle whose keys only the bundle vouches for fails', async () => {
    const stranger = readPublicKey(readFileSync(join(site.operator, 'stranger.pub'), 'utf8'))
    const { properties, hostId } = await verifyBundle(bundle, { ...trust, operators: [stranger] })
    for (const name of [
      'AK–EK binding, certified by the operator',
      'documents signed by the operator',
      'artifact signatures',
      'decisions evaluated again',
    ]) {
      expect(find(properties, name).status, name).toBe('FAILED')
    }
    expect(find(properties, 'TPM signature of the checkpoint').status).toBe('NOT CHECKED')
    expect(hostId).toBeNull()
    expect(allVerified(properties)).toBe(false)
  })

  test('without the certificate of the AK, its binding reads NOT CHECKED and nothing is signed', async () => {
    const copy = scratch('uncertified')
    cpSync(bundle, copy, { recursive: true })
    rmSync(join(copy, 'host/ak-certificate.der'))
    const { properties } = await verifyBundle(copy, trust)
    expect(find(properties, 'AK–EK binding, certified by the operator').status).toBe('NOT CHECKED')
    expect(find(properties, 'TPM signature of the checkpoint').status).toBe('NOT CHECKED')
    expect(allVerified(properties)).toBe(false)
    // Whoever knows the host's key from elsewhere has something to check the signature by.
    const known = await verifyBundle(copy, { ...trust, roots: null, hostId: site.hostId })
    expect(find(known.properties, 'TPM signature of the checkpoint').status).toBe('VERIFIED')
    expect(allVerified(known.properties)).toBe(true)
  })

  test('an EK certificate that leads elsewhere fails; without a root it is not checked', async () => {
    const other = readCertificateFile(readFileSync('test/fixtures/hosts/ca/swtpm-localca-rootca-cert.pem'))
    const wrong = await verifyBundle(bundle, { ...trust, roots: { hardware: [], other } })
    expect(find(wrong.properties, 'EK certificate chain')).toMatchObject({
      status: 'FAILED',
      file: 'host/identity.json',
    })
    const none = await verifyBundle(bundle, { ...trust, roots: null })
    expect(find(none.properties, 'EK certificate chain').status).toBe('NOT CHECKED')
    // What ran on a simulated TPM never reads as hardware, whatever root is trusted.
    const { roots } = trust
    const flattered = await verifyBundle(bundle, {
      ...trust,
      roots: { hardware: roots?.other ?? [], other: [] },
    })
    expect(flattered.tier).toBe('simulated TPM')
  })
})
