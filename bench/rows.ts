import {
  authorize,
  authorizeRevoked,
  authorizeRevokedTitle,
  authorizeTitle,
  judge,
  judgeTitle,
} from './authorize.ts'
import { decisionStep, decisionStepTitle } from './decision-step.ts'
import { EmptyRpc } from './empty-rpc.ts'
import { evidenceRows } from './evidence.ts'
import { evidenceCycle, evidenceCycleTitle } from './evidence-cycle.ts'
import { execute, executeTitle } from './execute.ts'
import { freeze, freezeTitle } from './freeze.ts'
import { Governed } from './governed.ts'
import { idleCpu, idleCpuTitle, startTitle, startToAttested } from './idle.ts'
import { imaReplayRows } from './ima-replay.ts'
import { largeSubject, largeSubjectGoal, largeSubjectTitle } from './large-subject.ts'
import { launchRows } from './launch.ts'
import { lineageAppend, lineageAppendTitle } from './lineage-append.ts'
import { type BenchLog, benchLog, dropBenchLog } from './lineage-log.ts'
import { lineageProof, lineageProofTitle } from './lineage-proof.ts'
import { lineageSingle, lineageSingleTitle } from './lineage-single.ts'
import { lineageMemory, lineageMemoryTitle, lineageStart, lineageStartTitle } from './lineage-start.ts'
import { lineageVerify, lineageVerifyTitle } from './lineage-verify.ts'
import type { Row } from './measure.ts'
import { execution, executionTitle, idle, idleTitle } from './memory.ts'
import { permits, permitsTitle } from './permits.ts'
import { revoke, revokeTitle } from './revoke.ts'
import { STREAMS, streams } from './streams.ts'

/** A row: its name, its goal, and how it is measured. */
export interface Bench {
  readonly row: string
  readonly goal: number
  measure(place: Place): Promise<Row> | Row
}

/** In the order of the design's table of goals. Memory comes first: a daemon is idle before it has worked. */
export const BENCHES: readonly Bench[] = [
  { row: idleTitle, goal: 1, measure: async place => idle(await place.governed()) },
  { row: idleCpuTitle, goal: 1, measure: async place => idleCpu(await place.governed()) },
  { row: startTitle, goal: 1, measure: async place => startToAttested(await place.governed()) },
  { row: executionTitle, goal: 1, measure: async place => execution(await place.governed()) },
  ...launchRows,
  { row: largeSubjectTitle, goal: largeSubjectGoal, measure: () => largeSubject() },
  {
    row: executeTitle,
    goal: 1,
    measure: async place => execute(await place.governed(), place.directory),
  },
  ...STREAMS.map(bench => ({
    row: bench.row,
    goal: bench.goal,
    measure: async (place: Place) => streams(await place.governed(), place.directory, bench),
  })),
  ...[10, 100, 1000].map(policies => ({
    row: authorizeTitle(policies),
    goal: 1.3,
    measure: async (place: Place) => authorize(await place.governed(), await place.empty(), policies),
  })),
  {
    row: authorizeRevokedTitle,
    goal: 1.3,
    measure: async place => authorizeRevoked(await place.governed(), await place.empty()),
  },
  { row: decisionStepTitle, goal: 1, measure: () => decisionStep() },
  {
    row: judgeTitle,
    goal: 1.3,
    measure: async place => judge(await place.governed(), await place.empty()),
  },
  {
    row: permitsTitle,
    goal: 1 / 0.6,
    measure: async place => permits(await place.governed(), await place.empty()),
  },
  { row: revokeTitle, goal: 1.3, measure: async place => revoke(await place.governed(), place.directory) },
  { row: freezeTitle, goal: 1, measure: () => freeze() },
  { row: evidenceCycleTitle, goal: 2, measure: place => evidenceCycle(place.directory) },
  ...evidenceRows,
  ...imaReplayRows,
  { row: lineageAppendTitle, goal: 85 / 60, measure: place => lineageAppend(place.directory) },
  { row: lineageSingleTitle, goal: 1.5, measure: place => lineageSingle(place.directory) },
  { row: lineageProofTitle, goal: 1, measure: place => lineageProof(place.directory) },
  {
    row: lineageVerifyTitle,
    goal: 1.5,
    measure: async place => lineageVerify(await place.log(), place.directory),
  },
  {
    row: lineageStartTitle,
    goal: 1,
    measure: async place => lineageStart(await place.log(), place.directory),
  },
  {
    row: lineageMemoryTitle,
    goal: 1,
    measure: async place => lineageMemory(await place.log(), place.directory),
  },
]

/** Where rows are measured, and what they share: made when first asked for. */
export class Place {
  readonly directory: string
  #governed: Promise<Governed> | undefined
  #empty: Promise<EmptyRpc> | undefined
  #log: Promise<BenchLog> | undefined

  constructor(directory: string) {
    this.directory = directory
  }

  governed(): Promise<Governed> {
    this.#governed ??= Governed.start()
    return this.#governed
  }

  empty(): Promise<EmptyRpc> {
    this.#empty ??= EmptyRpc.start(`${this.directory}/empty.sock`)
    return this.#empty
  }

  log(): Promise<BenchLog> {
    this.#log ??= benchLog(this.directory)
    return this.#log
  }

  async close(): Promise<void> {
    await this.#log?.then(dropBenchLog, () => undefined)
    await this.#empty?.then(empty => empty.close())
    await this.#governed?.then(
      governed => governed.close(),
      () => undefined,
    )
  }
}
