import { readFileSync } from 'node:fs'
import { sha256 } from '../../../encoding/digest.ts'
import { seeded } from '../../support/seeded.ts'
import { caseOf } from './cases.ts'
import type { Corpus } from './corpus.ts'
import { Deciding, type Way } from './deciding.ts'

/** What a process says of all its decisions. */
export interface Said {
  /** SHA-256 of each record in the order of the cases, whatever the order they were decided in; base64 of all of them. */
  readonly digests: string
  readonly reasons: Readonly<Record<string, number>>
  /** Permits by what was asked. */
  readonly permits: Readonly<Record<string, number>>
}

const [path = '', count = '0', way = 'cached', order = '0'] = process.argv.slice(2)
const corpus: Corpus = JSON.parse(readFileSync(path, 'utf8'))
const deciding = new Deciding(corpus, way as Way)
const digests = Buffer.alloc(Number(count) * 32)
const reasons: Record<string, number> = {}
const permits: Record<string, number> = {}
for (const number of shuffled(Number(count), Number(order))) {
  const it = caseOf(number, corpus)
  const { record, decision } = await deciding.decide(it)
  sha256(record).copy(digests, number * 32)
  for (const { code } of decision.reasons) reasons[code] = (reasons[code] ?? 0) + 1
  if (decision.outcome === 'permit') {
    const asked = decision.statement === null ? 'minted' : it.plain.request.operation
    permits[asked] = (permits[asked] ?? 0) + 1
  }
}
process.stdout.write(JSON.stringify({ digests: digests.toString('base64'), reasons, permits } satisfies Said))

/** The numbers below `count` in an order of their own (Fisher and Yates). */
function shuffled(count: number, seed: number): number[] {
  const random = seeded(seed)
  const numbers = Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[numbers[i], numbers[j]] = [numbers[j] as number, numbers[i] as number]
  }
  return numbers
}
