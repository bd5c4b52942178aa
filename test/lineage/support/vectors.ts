import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { RECORDED_EVIDENCE } from '../../support/recorded-evidence.ts'

/** Where outside vectors are, or an empty string. */
export const VECTORS = RECORDED_EVIDENCE ?? ''

export const hasVectors = RECORDED_EVIDENCE !== undefined

/** One case of the vectors' manifest and what is expected of it. */
export interface VectorCase {
  readonly path: string
  readonly kind: string
  readonly role: string
  readonly expected: {
    readonly type?: string
    readonly vkeys?: string[]
    readonly valid: boolean
    readonly validTolerated?: boolean[]
    readonly signers?: string[]
    readonly format?: string
    readonly checkpointOrigin?: string
    readonly checkpoint?: { origin: string; size: number; root: string }
    readonly root?: string
    readonly size?: number
    readonly log?: string
  }
}

/** The cases of one kind; none when there are no vectors. */
export function vectorCases(kind: string): VectorCase[] {
  if (!hasVectors) return []
  const { entries } = JSON.parse(readFileSync(join(VECTORS, 'manifest.json'), 'utf8')) as {
    entries: VectorCase[]
  }
  return entries.filter(entry => entry.kind === kind && entry.role === 'case')
}
