import { Command } from 'commander'
import { addChildrenOptions, type ChildrenOptions } from './children.ts'
import { addWorkloadOptions, collect, type WorkloadOptions } from './workload.ts'

/** What says which workload is signed. */
export interface ScopeOptions extends WorkloadOptions, ChildrenOptions {
  interpreter?: string
  tree?: string[]
  anyArguments?: boolean
}

/** Options of commands that say what an artifact allows. */
export function addScopeOptions(command: Command): Command {
  command
    .option('--interpreter <file>', 'interpreter, if the program is a script (default: from its first line)')
    .option(
      '--tree <directory>',
      'directory of the closure, with all that is in it, under one digest (repeatable)',
      collect,
    )
    .option('--any-arguments', 'allow whatever arguments')
  addWorkloadOptions(command)
  addChildrenOptions(command)
  return command
    .option('--detach', 'allow it to go on without its caller (run --detach)')
    .option('--terminal', 'allow it a terminal (run --terminal); pipes stay allowed')
}

/** Which of them were given, as they are typed. */
export function scopeOptionsGiven(options: ScopeOptions): string[] {
  const known = addScopeOptions(new Command()).options
  return known.filter(option => option.attributeName() in options).map(option => option.long ?? option.flags)
}
