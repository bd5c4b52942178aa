import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Machine } from '../machine.ts'
import { Operator } from '../operator.ts'
import type { Steps } from '../steps.ts'

/** What a scenario works with. */
export interface Bench {
  readonly steps: Steps
  /** Off, and this scenario's own. Provisioned, but for the scenario that provisions it. */
  readonly machine: Machine
  readonly operator: Operator
  /** A directory of this scenario's own. */
  readonly dir: string
  /** The package. */
  readonly deb: string
}

/** What is known outside of a provisioned host. */
export interface Known {
  readonly hostId: string
}

export function remember(bench: Bench, known: Known): void {
  writeFileSync(bench.operator.path('known.json'), JSON.stringify(known))
}

export function known({ operator }: Bench): Known {
  return JSON.parse(readFileSync(operator.path('known.json'), 'utf8')) as Known
}

/** The operator whose keys are in `dir`, new if there is none. */
export function operatorIn(dir: string): Promise<Operator> {
  return existsSync(join(dir, 'operator.key')) ? Promise.resolve(Operator.of(dir)) : Operator.make(dir)
}
