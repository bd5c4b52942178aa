import { hash } from 'node:crypto'
import { mkdirSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { encodeEvent, Lineage, type LineageEvent, verifyLog } from '../lineage/index.ts'
import { generateKey } from '../signing/key.ts'
import { numbered } from '../test/lineage/support/numbered.ts'
import { SoftwareAk } from '../test/lineage/support/software-ak.ts'
import { compare, type Row, timed } from './measure.ts'

const ENTRIES = 1_000_000
const APPENDED_AT_ONCE = 16_384
const ORIGIN = 'bench'

export const lineageVerifyTitle = `verify a lineage of ${ENTRIES / 1e6} M entries`

/** The whole offline verification of an exported log, beside the hashes that it cannot do without: a leaf and a node per entry. */
export async function lineageVerify(directory: string): Promise<Row> {
  const ak = new SoftwareAk()
  const exported = join(directory, 'exported')
  await makeLog(join(directory, 'million'), exported, ak)
  const verify = async () => {
    const { results } = await verifyLog(exported, { ak: ak.ak, origin: ORIGIN })
    const wrong = results.find(({ status }) => status === 'FAILED')
    if (wrong !== undefined) throw new Error(`${wrong.property}: ${wrong.detail}`)
  }
  const leaf = Buffer.concat([Buffer.of(0), encodeEvent(numbered(ENTRIES))])
  const node = Buffer.alloc(65, 1)
  const bare = () => {
    for (let i = 0; i < ENTRIES; i++) {
      hash('sha256', leaf, 'latin1')
      hash('sha256', node, 'latin1')
    }
  }
  const part = { name: 'SHA-256 of as many leaves and nodes', time: timed(bare) }
  return compare(lineageVerifyTitle, 1.5, timed(verify), [part], 1)
}

async function makeLog(directory: string, exported: string, software: SoftwareAk): Promise<void> {
  const logKey = generateKey('ed25519')
  const signer = { logKey, ak: software.ak, quote: async (data: Buffer) => software.quote(data) }
  const lineage = await Lineage.open(directory, { origin: ORIGIN, create: true, signer })
  const spki = logKey.public.spki.toString('base64')
  const start: LineageEvent = {
    v: 1,
    type: 'daemon-start',
    time: '2026-01-01T00:00:00.000Z',
    bootNs: '1',
    daemonVersion: '0.1.0',
    bootId: '01234567-89ab-cdef-0123-456789abcdef',
    configDigest: await lineage.putBlob(Buffer.from('[daemon]\n')),
    sessionKeySpki: spki,
    logKeySpki: spki,
    hostId: Buffer.from(software.ak.name).toString('hex'),
    clean: true,
    tier: 'simulated',
  }
  await lineage.append(start)
  for (let at = 1; at < ENTRIES; at += APPENDED_AT_ONCE) {
    const count = Math.min(APPENDED_AT_ONCE, ENTRIES - at)
    await Promise.all(Array.from({ length: count }, (_, i) => lineage.append(numbered(at + i))))
  }
  await lineage.checkpoint()
  await lineage.close()
  // What an export of a log with one checkpoint copies.
  mkdirSync(exported)
  for (const name of readdirSync(directory))
    if (name !== 'state') renameSync(join(directory, name), join(exported, name))
}
