import type { Command } from 'commander'
import type { Authorization } from '../authorization/index.ts'
import { collect, positive } from './workload.ts'

/** What an artifact says of children, as options. Each of them means that it may have some. */
export interface ChildrenOptions {
  children?: boolean
  maxChildren?: number
  childrenAtOnce?: number
  childrenPerMinute?: number
  childrenDepth?: number
  childProgram?: string[]
}

export function addChildrenOptions(command: Command): Command {
  return command
    .option(
      '--max-children <n>',
      'how many children it may start in its life (default: any, with --children)',
      positive('--max-children'),
    )
    .option(
      '--children-at-once <n>',
      'how many of them at one time (default: any)',
      positive('--children-at-once'),
    )
    .option(
      '--children-per-minute <n>',
      'how many of them within a minute (default: any)',
      positive('--children-per-minute'),
    )
    .option(
      '--children-depth <n>',
      'how many generations below it (default: 1, children without children)',
      positive('--children-depth'),
    )
    .option(
      '--child-program <digest>',
      'program that it may start, by SHA-256 (repeatable; default: any)',
      collect,
    )
}

/** What is signed about children. @throws CliError */
export function readChildren(options: ChildrenOptions): Authorization['scope']['children'] {
  const { children, maxChildren, childrenAtOnce, childrenPerMinute, childrenDepth, childProgram } = options
  const limits = [maxChildren, childrenAtOnce, childrenPerMinute, childrenDepth, childProgram]
  if (children !== true && limits.every(limit => limit === undefined)) return 'none'
  return {
    max: maxChildren ?? 'any',
    atOnce: childrenAtOnce ?? 'any',
    perMinute: childrenPerMinute ?? 'any',
    depth: childrenDepth ?? 1,
    programs: childProgram ?? 'any',
  }
}
