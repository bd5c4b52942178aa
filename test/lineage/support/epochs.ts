import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  beginEpoch,
  type Carried,
  encodeCarried,
  inspectLog,
  type LineageEvent,
  listFiles,
  type NewEpochError,
} from '../../../lineage/index.ts'
import type { Io } from '../../../lineage/writer/io.ts'
import {
  CONFIG,
  daemonStart,
  fill,
  ORIGIN,
  openLog,
  type TestSigner,
  temporaryDirectory,
  testSigner,
} from './log.ts'

export const HASH = 'ab'.repeat(32)
export const common = { v: 1, time: '2026-11-21T02:00:00.000Z', bootNs: '1' } as const

/** A counter that no file can set back. */
export function counter(at = 7n) {
  const it = { value: at, read: async () => it.value, increment: async () => ++it.value }
  return it
}

/** A log of `size` entries with a checkpoint of all of them and one of its first entries, closed. */
export async function makeLog(size: number, signer = testSigner(), nv = counter()) {
  const directory = join(temporaryDirectory(), 'lineage')
  const log = await openLog(directory, { signer, counter: nv })
  await log.putBlob(CONFIG)
  await log.append(daemonStart(signer.logKey, Buffer.from(signer.ak.name).toString('hex')))
  await fill(log, 1, size)
  await log.checkpoint()
  await log.close()
  // A start lets go of what is in tiles.
  if (size > 256) await (await openLog(directory, { signer, counter: nv })).close()
  return { directory, signer, nv }
}

/** Nothing is carried over. */
export const facts: Carried = { governed: [], open: [], lost: [] }

/** The next epoch with an `epoch` entry that says what was found, and what else is given. */
export async function nextEpoch(
  directory: string,
  options: {
    io?: Io
    more?: readonly LineageEvent[]
    carried?: Carried
    change?: (event: LineageEvent) => LineageEvent
  } = {},
): Promise<string | null> {
  const found = await inspectLog(directory, ORIGIN)
  const files = await listFiles(directory)
  const { beginning, note, origin, epoch } = found
  return beginEpoch(
    directory,
    {
      base: ORIGIN,
      previous: epoch,
      entries: async log => {
        const event: LineageEvent = {
          ...common,
          type: 'epoch',
          epoch: epoch + 1,
          previous: {
            origin,
            checkpoint: note?.toString('base64') ?? null,
            salvaged: { size: beginning.size, root: beginning.root.toString('hex') },
            files: await log.putBlob(files),
          },
          carried: await log.putBlob(encodeCarried(options.carried ?? facts)),
          attest: null,
          why: { code: 'LINEAGE_BROKEN', message: 'a test', at: null },
        }
        return [options.change?.(event) ?? event, ...(options.more ?? [])]
      },
    },
    options.io,
  )
}

/** As a daemon does it: the acceptance is durable before the counter moves. */
export async function accept(
  directory: string,
  signer: TestSigner,
  nv: ReturnType<typeof counter>,
): Promise<void> {
  const { found } = (await openLog(directory, { signer, counter: nv }).catch(error => error)) as NewEpochError
  const log = await openLog(directory, { signer, counter: nv, accepted: found })
  await log.putBlob(CONFIG)
  await log.append(daemonStart(signer.logKey, Buffer.from(signer.ak.name).toString('hex')))
  await log.append({
    ...common,
    type: 'epoch-accepted',
    epoch: found.epoch,
    counter: String(found.counter),
    tail: found.size,
    root: found.root.toString('hex'),
    digest: HASH,
    blob: await log.putBlob(Buffer.from('a clearance')),
  })
  await log.anchor()
  await log.checkpoint()
  await log.close()
}

/** Turns one byte over. */
export function damage(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes[at] = (bytes[at] ?? 0) ^ 0xff
  writeFileSync(path, bytes)
}
