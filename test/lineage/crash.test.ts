import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkpointExtraData } from '../../attestation/index.ts'
import { formatCheckpointText } from '../../lineage/checkpoint.ts'
import { encodeEvent, leafHash, parseEvent } from '../../lineage/index.ts'
import { CompactRange } from '../../lineage/tree/merkle.ts'
import { generateKey, privateKeyToPem } from '../../signing/key.ts'
import { numbered, ORIGIN, openLog, temporaryDirectory } from './support/log.ts'
import { SoftwareAk } from './support/software-ak.ts'

const WRITER = join(import.meta.dirname, 'support/writer.ts')

/** Everything a killed writer has said in whole lines, and how it ended. */
async function said(child: ChildProcess): Promise<string[]> {
  const chunks: Buffer[] = []
  child.stdout?.on('data', chunk => chunks.push(chunk))
  await once(child, 'close')
  return Buffer.concat(chunks).toString().split('\n').slice(0, -1)
}

function acknowledged(lines: readonly string[]): { index: number; n: number }[] {
  return lines
    .filter(line => line.startsWith('ack '))
    .map(line => line.split(' ').slice(1).map(Number))
    .map(([index = -1, n = -1]) => ({ index, n }))
}

/** Opens the log as the next start does, checks that all that was acknowledged is where it was, and stops without a mark. */
async function checkAll(directory: string, acks: readonly { index: number; n: number }[]): Promise<number> {
  const log = await openLog(directory)
  expect(log.openedAfterUncleanStop).toBe(true)
  const found: number[] = []
  while (BigInt(found.length) < log.size) {
    for (const { bytes } of await log.readEntries(BigInt(found.length), log.size)) {
      found.push(Number(parseEvent(bytes).bootNs))
    }
  }
  expect(acks.filter(({ index, n }) => found[index] !== n)).toEqual([])
  const size = Number(log.size)
  await log.close()
  return size
}

describe('a writer that is killed', () => {
  it('loses nothing that it acknowledged and never has two trees of one size signed', async () => {
    const directory = temporaryDirectory()
    const pem = privateKeyToPem(generateKey('ed25519'))
    const ak = new SoftwareAk().pem
    const acks: { index: number; n: number }[] = []
    const signed = new Set<string>()
    let rounds = 0
    for (let round = 0; round < 10; round++) {
      const child = spawn(process.execPath, [WRITER, directory, pem, ak], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const lines = said(child)
      const kill = () => child.kill('SIGKILL')
      // Half of them at some moment of opening, half at some moment of appending, tiling or signing.
      if (round % 2 === 0) setTimeout(kill, 100 + Math.random() * 500)
      else child.stdout.once('data', () => setTimeout(kill, Math.random() * 400))
      const spoken = await lines
      expect(child.signalCode).toBe('SIGKILL')
      acks.push(...acknowledged(spoken))
      for (const line of spoken) if (line.startsWith('sign ')) signed.add(line.slice(5))
      if (acknowledged(spoken).length > 0) rounds++
    }
    // How many got that far is chance; that some did is what makes the rest say something.
    expect(rounds).toBeGreaterThan(1)
    const size = await checkAll(directory, acks)
    expect(new Set(acks.map(({ index }) => index)).size).toBe(acks.length)
    // Every tree that was signed is the tree that the log has at that size: so no size has two.
    const log = await openLog(directory)
    const trees = new Set<string>()
    const range = new CompactRange()
    for (let at = 0; at <= size; at++) {
      const text = formatCheckpointText({ origin: ORIGIN, size: at, root: range.root() })
      trees.add(checkpointExtraData(text).toString('hex'))
      if (at < size) range.append(leafHash(encodeEvent(numbered(at))))
    }
    // Each writer goes on counting where the log ends, so that entry n is event n, acknowledged or not.
    expect(range.root()).toEqual(log.rootHash())
    expect(signed.size).toBeGreaterThan(1)
    expect([...signed].filter(extraData => !trees.has(extraData))).toEqual([])
    await log.close()
  }, 120_000)
})
