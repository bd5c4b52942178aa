import { rmSync } from 'node:fs'
import { DIRECTORY } from '../test/support/prepared.ts'
import setup from '../test/support/setup.ts'

/**
 * Imported before all that starts a program: both programs run as they are shipped, each with all its modules in one file. From the sources the daemon
 * takes some 20 MB and a second of its start for reading TypeScript, which no host has.
 */
setup()
const directory = process.env[DIRECTORY] ?? ''
process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
