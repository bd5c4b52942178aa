import { type Command, CommanderError } from 'commander'
import { EXIT, type ExitStatus } from './error.ts'
import { Output, reportError } from './output.ts'

/** What a command's action gives: nothing when it is done, else an exit status. */
export type Outcome = Promise<ExitStatus | undefined>

/**
 * Adds a command that does something.
 *
 * @param spec commander's form: name and arguments, for example `show <file>`
 * @param example complete command lines for the end of its `--help`
 */
export function addCommand(parent: Command, spec: string, description: string, example: string): Command {
  const lines = example.split('\n').map(line => `  ${line.trim()}\n`)
  return parent
    .command(spec)
    .description(description)
    .option('--json', 'print the result as JSON')
    .addHelpText('after', `\nExample${lines.length > 1 ? 's' : ''}:\n${lines.join('').trimEnd()}`)
}

/** Adds one command, or a group of them, to its parent; `argv` is what follows the parent's name. */
export type AddCommand = (parent: Command, argv: readonly string[]) => Promise<void>

/** Commands by their names. */
export type Commands = Readonly<Record<string, AddCommand>>

/** Adds the command that `argv` begins with; all of them when it begins with something else, for the help. */
export async function loadCommands(
  parent: Command,
  commands: Commands,
  argv: readonly string[],
): Promise<void> {
  const [word = '', ...rest] = argv
  if (Object.hasOwn(commands, word)) await commands[word]?.(parent, rest)
  else for (const add of Object.values(commands)) await add(parent, [])
}

/** A command that only groups others. */
export function loadGroup(name: string, description: string, commands: Commands): AddCommand {
  return (parent, argv) =>
    loadCommands(parent.command(name).description(description).helpCommand(false), commands, argv)
}

/**
 * Sets what a command does. The action gets the arguments, then the options, then where to write.
 *
 * @param action gives the exit status; nothing means done
 */
export function setAction<Options extends object>(
  command: Command,
  action: (context: { args: readonly string[]; options: Options; output: Output }) => Outcome,
): Command {
  return command.action(async () => {
    const options = command.opts<Options & { json?: boolean }>()
    const output = new Output(options.json === true)
    process.exitCode = (await action({ args: command.args, options, output })) ?? EXIT.done
  })
}

/** Runs the program and gives the exit status. Every error ends here. */
export async function runProgram(program: Command, argv: readonly string[]): Promise<void> {
  // A reader that went away (`writ lineage tail | head`) is not an error.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', error => {
      if ('code' in error && error.code === 'EPIPE') process.exit(EXIT.done)
      throw error
    })
  }
  const json = argv.includes('--json')
  try {
    await program.parseAsync([...argv], { from: 'user' })
  } catch (error) {
    process.exitCode = error instanceof CommanderError ? usageStatus(error) : reportError(error, json)
  }
}

/** Commander has printed its message already. */
function usageStatus(error: CommanderError): ExitStatus {
  return error.exitCode === 0 ? EXIT.done : EXIT.wrongUse
}
