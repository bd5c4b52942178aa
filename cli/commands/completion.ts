import { Argument, type Command } from 'commander'
import { addCommand, addNote, type Commands, setAction } from '../command.ts'
import { bashScript } from '../completion/bash.ts'
import { fishScript } from '../completion/fish.ts'
import { zshScript } from '../completion/zsh.ts'
import { type Definition, definitionOf } from '../definition.ts'
import { wholeProgram } from '../program.ts'

const SHELLS: Readonly<Record<string, (root: Definition) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
}

/** @param commands all of the program, which the script is about */
export function addCompletion(program: Command, commands: Commands): void {
  const command = addCommand(
    program,
    'completion',
    'Print a script that completes commands, options and files in a shell.',
    `writ completion bash > /etc/bash_completion.d/writ
     writ completion zsh > "\${fpath[1]}/_writ"
     writ completion fish > ~/.config/fish/completions/writ.fish`,
    { shell: 'text', script: 'text' },
  ).addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(SHELLS)))
  addNote(command, 'For the running shell alone, in bash: source <(writ completion bash)')
  setAction(command, async ({ args, output }) => {
    const [shell = ''] = args
    const root = definitionOf(await wholeProgram(commands))
    const script = SHELLS[shell]?.(root) ?? ''
    output.result({ shell, script }, () => [script.trimEnd()])
    return undefined
  })
}
