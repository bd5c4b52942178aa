import { Command, CommanderError } from 'commander'
import { CliError, EXIT, type ExitStatus } from './error.ts'
import { systemReason } from './files.ts'
import { type JsonForm, type JsonResult, resultsOf } from './form.ts'
import { Output, reportError } from './output.ts'
import { watchStreams } from './streams.ts'

/** What a command's action gives: nothing when it is done, else an exit status. */
export type Outcome = Promise<ExitStatus | undefined>

/** What a command says of itself beside what commander knows. */
interface Declaration {
  /** Complete command lines. */
  readonly examples: readonly string[]
  /** What `--json` prints; empty if there is nothing to print. */
  readonly json: readonly JsonResult[]
  readonly notes: string[]
  /** Whether its words behind the first operand belong to the program that it names. */
  handsOn: boolean
}

const DECLARATIONS = new WeakMap<Command, Declaration>()

/** What was declared with {@link addCommand}; undefined for a group. */
export function declarationOf(command: Command): Readonly<Declaration> | undefined {
  return DECLARATIONS.get(command)
}

/**
 * Adds a command that does something.
 *
 * @param spec commander's form: name and arguments, for example `show <file>`
 * @param example complete command lines for the end of its `--help`
 * @param json what it prints with `--json`; the reference shows it, and tests hold the output against it
 */
export function addCommand(
  parent: Command,
  spec: string,
  description: string,
  example: string,
  json: JsonForm,
): Command {
  const examples = example.split('\n').map(line => line.trim())
  const command = parent.command(spec).description(description)
  DECLARATIONS.set(command, { examples, json: resultsOf(json), notes: [], handsOn: false })
  const shown = examples.map(line => `  ${line}`).join('\n')
  return command
    .option('--json', 'print the result as JSON')
    .addHelpText('after', `\nExample${examples.length > 1 ? 's' : ''}:\n${shown}`)
}

/** Adds a paragraph behind the options and the example. */
export function addNote(command: Command, text: string): Command {
  DECLARATIONS.get(command)?.notes.push(text)
  return command.addHelpText('after', `\n${text}`)
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

/** What follows the program is the program's, whether it looks like an option or not. */
export function handOn(command: Command): Command {
  const declaration = DECLARATIONS.get(command)
  if (declaration !== undefined) declaration.handsOn = true
  return command.passThroughOptions()
}

/**
 * Whether the tool itself is asked for JSON, however wrong the rest of the command line is: nothing behind `--`, no option's
 * value, and nothing that belongs to a program counts.
 */
export function asksForJson(program: Command, argv: readonly string[]): boolean {
  let command = program
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? ''
    if (word === '--') return false
    if (word === '--json') return true
    if (word.startsWith('-')) {
      if (command.options.find(({ short, long }) => word === short || word === long)?.required) i++
      continue
    }
    if (DECLARATIONS.get(command)?.handsOn) return false
    command = command.commands.find(other => other.name() === word) ?? command
  }
  return false
}

/** Makes the program, before commands are added. Its own errors are thrown, not printed. */
export function newProgram(name: string): Command {
  return new Command(name)
    .exitOverride()
    .helpOption('--help', 'show help')
    .helpCommand(false)
    .enablePositionalOptions()
    .configureOutput({ outputError: () => {} })
}

/** Runs the program and gives the exit status. Every error ends here. */
export async function runProgram(program: Command, argv: readonly string[]): Promise<void> {
  const json = asksForJson(program, argv)
  watchStreams((name, cause) => {
    const error = new CliError('OUTPUT_UNWRITABLE', `cannot write ${name}: ${systemReason(cause)}`, { cause })
    process.exit(reportError(error, json))
  })
  try {
    await program.parseAsync([...argv], { from: 'user' })
  } catch (error) {
    process.exitCode = error instanceof CommanderError ? reportUsage(error, json) : reportError(error, json)
  }
}

/** Help and version were asked for, or commander says what is wrong with the command line. */
function reportUsage(error: CommanderError, json: boolean): ExitStatus {
  if (error.exitCode === 0) return EXIT.done
  // A group alone has shown its help.
  if (error.code === 'commander.help') return EXIT.wrongUse
  const [message = '', ...lines] = error.message.replace(/^error: /, '').split('\n')
  const [, nearest] = /^\(Did you mean (.*)\?\)$/.exec(lines[0] ?? '') ?? []
  return nearest === undefined
    ? reportError(new CliError('USAGE', message, { lines }), json)
    : reportError(new CliError('USAGE', message, { next: `Did you mean ${nearest}?` }), json)
}
