import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { RECORDED_EVIDENCE } from '../support/recorded-evidence.ts'

/** Larger files are left out: an execution would take as long as thousands of small ones. */
const MOST_BYTES = 64 << 10

interface Entry {
  readonly path: string
  readonly kind: string
  readonly role: string
}

const entries: readonly Entry[] =
  RECORDED_EVIDENCE === undefined
    ? []
    : JSON.parse(readFileSync(join(RECORDED_EVIDENCE, 'manifest.json'), 'utf8')).entries

/** Files of the outside cases, where they are at hand, whose path fits. */
export function recordedFiles(pattern: RegExp): Buffer[] {
  return entries
    .filter(({ path }) => pattern.test(path))
    .map(({ path }) => readFileSync(join(RECORDED_EVIDENCE ?? '', path)))
    .filter(({ length }) => length <= MOST_BYTES)
}

const hosts = join(import.meta.dirname, '../fixtures/hosts')

/** A file of each recorded host. */
export function hostFiles(name: string): Buffer[] {
  return ['debian13-uki', 'debian13-uki-secureboot', 'ca']
    .map(host => join(hosts, host, name))
    .filter(existsSync)
    .map(path => readFileSync(path))
}

/** Beginnings of long inputs: what is small is tried more often in the same time. */
export function beginnings(inputs: readonly Buffer[], ...lengths: number[]): Buffer[] {
  return [
    ...inputs,
    ...inputs.flatMap(input => lengths.filter(n => n < input.length).map(n => input.subarray(0, n))),
  ]
}
