import type { Command } from 'commander'
import { readVersion } from '../encoding/version.ts'
import { newProgram } from './command.ts'

/** `writ`, before its commands are added. */
export function writProgram(): Command {
  return newProgram('writ')
    .description('Run workloads under signed authorization on an attested host, and check the evidence.')
    .version(readVersion(), '--version', 'print the version')
}
