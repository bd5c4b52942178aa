import type { Command } from 'commander'
import { readVersion } from '../encoding/version.ts'
import { type Commands, loadCommands, newProgram } from './command.ts'

/** `writ`, before its commands are added. */
export function writProgram(): Command {
  return newProgram('writ')
    .description('Run workloads under signed authorization on an attested host, and check the evidence.')
    .version(readVersion(), '--version', 'print the version')
}

/** `writ` with all its commands: for what speaks of all of them. */
export async function wholeProgram(commands: Commands): Promise<Command> {
  const program = writProgram()
  await loadCommands(program, commands, [])
  return program
}
