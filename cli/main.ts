import { loadCommands, runProgram } from './command.ts'
import { COMMANDS } from './commands/index.ts'
import { writProgram } from './program.ts'

const argv = process.argv.slice(2)
const program = writProgram()
await loadCommands(program, COMMANDS, argv)
await runProgram(program, argv)
