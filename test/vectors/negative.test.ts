import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  decideAndReserve,
  openRevocation,
  RevocationSet,
  signRevocation,
  type UseClaim,
  UseTable,
} from '../../authorization/index.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { parseEnvelope } from '../../signing/dsse.ts'
import { answer, expectedOf, inputOf } from './decide.ts'
import { type Bytes, bytesOf, type DecisionVector, type Given, type VectorFile } from './form.ts'
import { quoteCode } from './quote-code.ts'
import { ed25519Key } from './source/keys.ts'
import {
  type EvidenceVector,
  type RecordVector,
  rootOf,
  type ScriptVector,
  type Step,
  type TreeVector,
} from './source/negative.ts'

const read = <T>(path: string): T => JSON.parse(readFileSync(join(import.meta.dirname, path), 'utf8')) as T
const file = <T>(name: string) => read<VectorFile<T>>(`negative/${name}.json`).vectors
const defaults = read<Given>('artifact/defaults.json')
const governance = ed25519Key('governance')

describe('attacks on one decision', () => {
  it.each(file<DecisionVector>('decisions').map(vector => [vector.name, vector] as const))(
    '%s',
    (_, vector) => {
      expect(expectedOf(answer({ ...defaults, ...vector.given }))).toEqual(vector.expect)
    },
  )
})

describe('evidence', () => {
  it.each(file<EvidenceVector>('evidence').map(vector => [vector.name, vector] as const))(
    '%s',
    (_, vector) => {
      const [attest, signature] = [vector.attest, vector.signature].map(text =>
        Buffer.from(text, 'base64'),
      ) as [Buffer, Buffer]
      expect(quoteCode({ attest, signature })).toBe(vector.expect)
    },
  )
})

describe('records', () => {
  it.each(file<RecordVector>('records').map(vector => [vector.name, vector] as const))(
    '%s',
    (_, { given, claims, expect: wanted }) => {
      expect(answer({ ...defaults, ...given }).outcome === claims ? 'same' : 'forged').toBe(wanted)
    },
  )
})

describe('trees', () => {
  it.each(file<TreeVector>('tree').map(vector => [vector.name, vector] as const))(
    '%s',
    (_, { entries, root, expect: wanted }) => {
      expect(rootOf(entries) === root ? 'same' : 'changed').toBe(wanted)
    },
  )
})

/** One host: what it holds in memory, and the two logs that outlast it. */
class Host {
  readonly permits: UseClaim[] = []
  readonly lists: Buffer[] = []
  #uses = new UseTable()
  #revocations = RevocationSet.empty

  /** Folds the logs, as a start does. */
  restart(): void {
    this.#uses = new UseTable()
    for (const claim of this.permits) this.#uses.apply(claim, '2027-01-01T00:00:00.000Z')
    this.#revocations = RevocationSet.empty.with(
      ...this.lists.map(bytes => openRevocation(bytes, [governance.public])),
    )
  }

  revoke(digest: string): void {
    this.lists.push(
      signRevocation(
        { version: 1, epoch: this.lists.length + 1, revoke: [{ kind: 'artifact', digest }] },
        governance,
      ),
    )
    this.#revocations = this.#revocations.with(
      openRevocation(this.lists.at(-1) ?? Buffer.alloc(0), [governance.public]),
    )
  }

  /** One request: decided, made durable with other requests in between, answered. Null: permitted. */
  async request(artifact: Bytes): Promise<string | null> {
    const given = inputOf({ ...defaults, artifact })
    const input = { ...given, uses: this.#uses, revocations: this.#revocations }
    await Promise.resolve()
    const { decision, reservation } = decideAndReserve(input, defaults.observed)
    if (decision.use === null) return decision.reasons.map(({ code }) => code).join(' ')
    await new Promise(setImmediate)
    this.permits.push(decision.use)
    reservation?.commit()
    return null
  }
}

describe('scripts', () => {
  const { artifacts } = read<{ artifacts: Record<'once' | 'always', Bytes> }>('negative/scripts.json')
  const digestOf = (name: 'once' | 'always') => sha256Hex(parseEnvelope(bytesOf(artifacts[name])).payload)
  it.each(file<ScriptVector>('scripts').map(vector => [vector.name, vector] as const))(
    '%s',
    async (_, { steps }) => {
      const host = new Host()
      const run = async (step: Step): Promise<void> => {
        if (step.do === 'restart') return host.restart()
        if (step.do === 'revoke') return host.revoke(digestOf(step.artifact))
        const answers = await Promise.all(
          Array.from({ length: step.times }, () => host.request(artifacts[step.artifact])),
        )
        expect(answers.filter(answer => answer === null).length).toBe(step.permitted)
        const denials = new Set(answers.filter(answer => answer !== null))
        expect([...denials]).toEqual(step.permitted === step.times ? [] : [step.reason])
      }
      for (const step of steps) await run(step)
    },
  )
})
