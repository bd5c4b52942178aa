import { loadCommands, runProgram } from './command.ts'
import { COMMANDS } from './commands/index.ts'
import { writProgram } from './program.ts'

const argv = process.argv.slice(2)
const program = writProgram()
// No `await` at the top level: as part of the packaged executable this is no module.
void loadCommands(program, COMMANDS, argv).then(() => runProgram(program, argv))
