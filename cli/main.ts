import { Command } from 'commander'
import { type Commands, loadCommands, loadGroup, runProgram } from './command.ts'

/** Every command, loaded only when it is asked for, so that a small one starts fast. In the order of the help. */
const COMMANDS: Commands = {
  run: async p => (await import('./commands/run.ts')).addRun(p),
  status: async p => (await import('./commands/status.ts')).addStatus(p),
  key: loadGroup('key', 'Make and show keys, name the authorities, enroll a host', {
    new: async p => (await import('./commands/key/new.ts')).addKeyNew(p),
    show: async p => (await import('./commands/key/show.ts')).addKeyShow(p),
  }),
}

const argv = process.argv.slice(2)
const program = new Command('writ')
  .description('Run workloads under signed authorization on an attested host, and check the evidence.')
  .version('0.1.0', '--version', 'print the version')
  .helpOption('--help', 'show help')
  .helpCommand(false)
  .enablePositionalOptions()
  .exitOverride()
  .showHelpAfterError('(add --help for the options and an example)')

await loadCommands(program, COMMANDS, argv)
await runProgram(program, argv)
