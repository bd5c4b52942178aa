import type { Caller, ExecutionRequest, ObservedSubject, PlainInput } from '../../../authorization/index.ts'
import { seeded } from '../../support/seeded.ts'
import type { Corpus } from './corpus.ts'

/** One random request and the state of the host that it meets. The documents are named by their places in the corpus. */
export interface Case {
  readonly plain: PlainInput
  readonly artifact: number
  /** Bytes of the artifact that are changed. */
  readonly flips: readonly { readonly at: number; readonly by: number }[]
  readonly trustRoots: number
  readonly policy: number
  readonly labels: number
  readonly revocations: number
  readonly used: readonly { readonly claim: number; readonly times: number }[]
  readonly uncleanSince: string | null
  readonly observed: readonly ObservedSubject[] | null
  readonly parent: {
    readonly which: number
    readonly live: boolean
    readonly started: number
    readonly running: number
    readonly lastMinute: number
    readonly ancestors: readonly string[]
  } | null
}

/** What a change may touch. */
type Draft = { -readonly [K in keyof Case]: Case[K] }

class Draw {
  readonly #next: () => number
  constructor(seed: number) {
    this.#next = seeded(Math.imul(seed + 1, 0x9e37_79b1))
    // The first numbers of neighbouring seeds are alike.
    for (let i = 0; i < 4; i++) this.#next()
  }
  chance(of: number): boolean {
    return this.#next() < of
  }
  below(most: number): number {
    return Math.floor(this.#next() * most)
  }
  of<T>(...values: readonly T[]): T {
    return values[this.below(values.length)] as T
  }
}

const TEXTS = [
  '7',
  '',
  'İstanbul',
  'straße',
  'é',
  'e\u0301',
  '\u202eevil',
  '😀',
  'a\nb',
  '"',
  '\\',
  '\u{e0041}',
] as const

/** Each changes one thing; most of them alone turn a permit into a denial. */
const CHANGES: readonly ((it: Draft, draw: Draw, corpus: Corpus) => void)[] = [
  (it, draw, { artifacts }) => {
    it.artifact = draw.below(artifacts.length)
  },
  (it, draw) => {
    it.flips = Array.from({ length: 1 + draw.below(3) }, () => ({
      at: draw.below(2500),
      by: 1 + draw.below(255),
    }))
  },
  (it, draw) => withRequest(it, { argv: [it.plain.request.program, '--digits', draw.of(...TEXTS)] }),
  (it, draw) => withRequest(it, { argv: [draw.of(...TEXTS)] }),
  (it, draw) => withRequest(it, { operation: draw.of('authorize', 'continue') }),
  (it, draw) =>
    withRequest(it, { sandbox: { network: draw.of('none', 'host'), seccomp: null, writable: null } }),
  (it, draw) =>
    withRequest(it, {
      env: [
        { name: draw.of('LANG', 'LD_PRELOAD', 'ı'), value: draw.of(...TEXTS) },
        { name: 'A', value: 'b' },
      ],
    }),
  (it, draw) => withRequest(it, { devices: [draw.of('gpu', 'tpu')] }),
  (it, draw) =>
    withRequest(it, { limits: { ...it.plain.request.limits, memoryBytes: draw.of(1, 1 << 20, 2 ** 40) } }),
  it => withRequest(it, { children: true }),
  it => withRequest(it, { detach: true }),
  (it, draw) => withRequest(it, { user: { uid: draw.of(0, 1, 1000), gid: 1, groups: [] } }),
  (it, draw) => withRequest(it, { program: draw.of('/bin/sh', 'relative', '/opt/app/../x') }),
  it => {
    it.plain = { ...it.plain, caller: null }
  },
  (it, draw) => withCaller(it, { uid: draw.of(0, 7, 1000), gid: draw.of(4, 1000), pid: draw.below(1 << 22) }),
  (it, draw) =>
    withCaller(it, {
      unit: draw.of('sshd.service', 'x@\\x2d.service', null),
      cgroup: draw.of('/', '/system.slice/sshd.service', '/ü'),
    }),
  (it, draw, { parents }) => {
    const which = draw.below(parents.length)
    it.parent = draw.chance(0.8)
      ? {
          which,
          live: draw.chance(0.8),
          started: draw.below(4),
          running: draw.below(2),
          lastMinute: draw.below(3),
          ancestors: [],
        }
      : null
    withCaller(it, { parentExecution: parents[which]?.executionId ?? null })
    if (draw.chance(0.7)) it.artifact = 5
  },
  (it, draw) =>
    withClock(it, {
      now: draw.of(
        '2026-11-19T23:59:59.999Z',
        '2026-11-20T00:00:00.000Z',
        '2026-11-21T23:59:59.999Z',
        '2026-11-22T00:00:00.000Z',
        '2027-03-28T01:30:00.000Z',
      ),
    }),
  it => withClock(it, { trusted: false }),
  (it, draw) =>
    withGate(it, {
      state: draw.of('UNATTESTED', 'STALE', 'FAILED'),
      reasons: [{ code: 'PCR_MISMATCH', message: draw.of(...TEXTS) }],
    }),
  (it, draw) =>
    withGate(it, {
      evidenceAgeMs: draw.of(0, 99, 100, 30_000, 30_001, null),
      deadlineInMs: draw.of(0, 26_000),
    }),
  (it, draw) => withGate(it, { referenceValuesDigest: draw.of(null, 'f'.repeat(64)) }),
  (it, draw) => withGate(it, { tier: draw.of('hardware', 'unknown'), resetCount: draw.of(4, 5, null) }),
  (it, draw) => {
    it.plain = { ...it.plain, lineage: draw.of('broken', 'unavailable') }
  },
  (it, draw) => {
    const fault = {
      code: draw.of('CAPACITY', 'LINEAGE_UNAVAILABLE', 'INTERNAL'),
      message: draw.of(...TEXTS),
    } as const
    it.plain = { ...it.plain, fault }
  },
  (it, _draw, { otherHost }) => {
    it.plain = { ...it.plain, host: { ...it.plain.host, id: otherHost } }
  },
  it => {
    it.plain = { ...it.plain, host: { ...it.plain.host, enforces: { controllers: ['cpu'], devices: [] } } }
  },
  it => {
    it.plain = { ...it.plain, minting: { ...it.plain.minting, enabled: true } }
    it.artifact = 0
    withRequest(it, { operation: 'authorize' })
  },
  // What cannot be written down at all.
  it => withGate(it, { epoch: Number.NaN }),
  (it, draw, { trustRoots }) => {
    it.trustRoots = draw.below(trustRoots.length)
  },
  (it, draw, { policies }) => {
    it.policy = draw.below(policies.length)
    if (draw.chance(0.5)) it.artifact = 2
  },
  (it, draw, { labels }) => {
    it.labels = draw.below(labels.length)
    it.artifact = 6
  },
  (it, draw, { revocations }) => {
    it.revocations = draw.below(revocations.length)
  },
  (it, draw, { claims }) => {
    it.used = claims.map((_, claim) => ({ claim, times: draw.below(4) }))
    it.artifact = 1 + draw.below(4)
  },
  (it, draw) => {
    it.uncleanSince = draw.of('2026-11-19T00:00:00.000Z', '2026-11-21T00:00:00.000Z')
  },
  it => {
    it.observed = null
  },
  (it, draw) => {
    it.observed = (it.observed ?? []).map(item =>
      draw.chance(0.5) ? { path: item.path, error: draw.of('ENOENT', 'EACCES') } : item,
    )
  },
  it => {
    it.observed = (it.observed ?? []).toReversed()
  },
  it => {
    it.observed = (it.observed ?? []).map(item =>
      'sha256' in item ? { ...item, sha256: '1'.repeat(64) } : item,
    )
  },
]

function withRequest(it: Draft, fields: Partial<ExecutionRequest>): void {
  it.plain = { ...it.plain, request: { ...it.plain.request, ...fields } }
}

function withCaller(it: Draft, fields: Partial<Caller>): void {
  const { caller } = it.plain
  if (caller !== null) it.plain = { ...it.plain, caller: { ...caller, ...fields } }
}

function withClock(it: Draft, fields: Partial<PlainInput['clock']>): void {
  it.plain = { ...it.plain, clock: { ...it.plain.clock, ...fields } }
}

function withGate(it: Draft, fields: Partial<PlainInput['gate']>): void {
  it.plain = { ...it.plain, gate: { ...it.plain.gate, ...fields } }
}

/** The request with a number: the same wherever it is made. About a third of them have nothing wrong with them. */
export function caseOf(number: number, corpus: Corpus): Case {
  const draw = new Draw(number)
  const it: Draft = {
    plain: corpus.plain,
    artifact: draw.of(1, 2, 3, 4),
    flips: [],
    trustRoots: 1,
    policy: 1,
    labels: 0,
    revocations: draw.of(0, 0, 1),
    used: [],
    uncleanSince: null,
    observed: corpus.observed,
    parent: null,
  }
  withRequest(it, { executionId: number.toString(16).padStart(32, '0') })
  const changes = draw.of(0, 0, 1, 1, 1, 2, 3)
  for (let i = 0; i < changes; i++) draw.of(...CHANGES)(it, draw, corpus)
  return it
}
