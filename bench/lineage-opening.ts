import { readFileSync } from 'node:fs'
import { History } from '../daemon/history/history.ts'
import { Lineage } from '../lineage/index.ts'
import { BENCH_ORIGIN } from './lineage-log.ts'

// A process of its own: opens the log in argv[2] as a start of the daemon does, and says on its standard output how long that took and what memory it has.

const [, , directory = ''] = process.argv
const start = performance.now()
const lineage = await Lineage.open(directory, { origin: BENCH_ORIGIN, create: true })
const history = await History.fold(lineage, { governance: [], hostId: '', recoversByItself: true })
const ms = performance.now() - start
const status = readFileSync('/proc/self/status', 'utf8')
const kB = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1])
console.log(JSON.stringify({ ms, rss: kB('VmRSS'), peak: kB('VmHWM'), uses: history.uses.size }))
await lineage.close()
