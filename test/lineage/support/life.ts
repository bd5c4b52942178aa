import { openSync, readFileSync, readSync, writeSync } from 'node:fs'
import { encodeEvent, Lineage, LineageError, type LineageEvent, leafHash } from '../../../lineage/index.ts'
import { readPrivateKey } from '../../../signing/key.ts'
import { numbered, ORIGIN } from './numbered.ts'
import { CONFIG, daemonStart, large } from './plain-events.ts'
import { SoftwareAk } from './software-ak.ts'

/*
 * A whole life of a log in a process of its own, in which system calls fail: `life.ts DIRECTORY KEYS COUNTER`. It opens the log, appends,
 * rotates its tail, makes tiles, puts blobs, signs checkpoints, moves the counter and stops cleanly. What it is told by the log it says on standard
 * output, one line each, before it goes on:
 *
 *   ack INDEX HASH     the entry with this leaf hash is durable at this index
 *   sign EXTRADATA     the TPM was asked for a signature
 *   published NOTE     a checkpoint was given out (base64)
 *   blob DIGEST        a blob is durable
 *   refused CODE       it ended with this error
 *   closed             it stopped cleanly
 */

const [directory = '', keysPath = '', counterPath = ''] = process.argv.slice(2)
const keys = JSON.parse(readFileSync(keysPath, 'utf8')) as { log: string; ak: string }
const logKey = readPrivateKey(keys.log)
const software = new SoftwareAk(keys.ak)

function say(line: string): void {
  writeSync(1, `${line}\n`)
}

/** A counter as a TPM's: one write, so that no end of the process leaves half of a number. */
const counterFd = openSync(counterPath, 'r+')
const counter = {
  async read() {
    const digits = Buffer.alloc(20)
    readSync(counterFd, digits, 0, 20, 0)
    return BigInt(digits.toString())
  },
  async increment() {
    const next = (await counter.read()) + 1n
    writeSync(counterFd, Buffer.from(String(next).padStart(20, '0')), 0, 20, 0)
  },
}

async function append(log: Lineage, events: readonly LineageEvent[]): Promise<void> {
  const all = events.map(async event => {
    const { index } = await log.append(event)
    say(`ack ${index} ${leafHash(encodeEvent(event)).toString('hex')}`)
  })
  const failed = (await Promise.allSettled(all)).find(ended => ended.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

async function live(log: Lineage): Promise<void> {
  const first = Number(log.size)
  const some = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => numbered(first + from + i))
  const checkpoint = async () => {
    const { note } = await log.checkpoint()
    say(`published ${note.toString('base64')}`)
  }
  const put = async (bytes: Buffer) => say(`blob ${await log.putBlob(bytes)}`)
  await put(CONFIG)
  if (first === 0) await append(log, [daemonStart(logKey, Buffer.from(software.ak.name).toString('hex'))])
  const { v, time, bootNs } = numbered(first)
  if (log.openedAfterUncleanStop)
    await append(log, [{ v, time, bootNs, type: 'recovery', tail: Number(log.tailIndex) }])
  for (const event of some(0, 3)) await append(log, [event])
  await append(log, some(3, 64))
  await checkpoint()
  await put(Buffer.from(`blob at ${first}`))
  // Beyond the first full tile, whose partial one then goes.
  await append(log, some(100, 250))
  await checkpoint()
  // Beyond the first segment.
  await append(
    log,
    Array.from({ length: 240 }, (_, i) => large(first + 1000 + i, 16_000)),
  )
  await append(log, some(2000, 10))
  await log.anchor()
  await checkpoint()
}

try {
  const log = await Lineage.open(directory, {
    origin: ORIGIN,
    create: true,
    counter,
    signer: {
      logKey,
      ak: software.ak,
      async quote(extraData) {
        say(`sign ${extraData.toString('hex')}`)
        return software.quote(extraData)
      },
    },
  })
  try {
    await live(log)
  } finally {
    await log.close()
  }
  say('closed')
} catch (error) {
  say(`refused ${error instanceof LineageError ? error.code : String(error)}`)
  process.exitCode = 1
}
