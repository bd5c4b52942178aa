import type { Definition, Value } from '../definition.ts'
import { brief, type CompletedCommand, completedCommands } from './words.ts'

/** In single quotes, as fish reads them: only a backslash and a quote are special. */
function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`
}

/** What `complete` takes for a value: files, words, or something that cannot be guessed. */
function valueFlags({ kind, words }: Value): string {
  const offered = words.length === 0 ? '' : ` -a ${quoted(words.join(' '))}`
  return kind === 'text'
    ? `-x${offered}`
    : kind === 'directory'
      ? "-x -a '(__fish_complete_directories)'"
      : `-r -F${offered}`
}

/** A completion script for fish (complete(1)). */
export function fishScript(root: Definition): string {
  const commands = completedCommands(root)
  const names = commands.flatMap(({ name }) => (name === '' ? [] : [quoted(name)]))
  const valued = new Set(
    commands.flatMap(({ options }) => options.flatMap(({ long, value }) => (value === null ? [] : [long]))),
  )
  return `${[
    '# fish completion of writ. Made by: writ completion fish',
    `set -g __writ_commands ${names.join(' ')}`,
    `set -g __writ_valued ${[...valued].join(' ')}`,
    `set -g __writ_hands_on ${commands.flatMap(c => (c.handsOn ? [quoted(c.name)] : [])).join(' ')}`,
    FUNCTIONS,
    'complete -c writ -f',
    ...commands.flatMap(lines),
  ].join('\n')}\n`
}

function lines(command: CompletedCommand): string[] {
  const { name, commands, options, operands, handsOn } = command
  const here = `-n ${quoted(`__writ_at ${quoted(name)}`)}`
  const [first] = operands
  const behind = `-n ${quoted(`__writ_at ${quoted(`${name} --`)}`)}`
  return [
    ...commands.map(c => `complete -c writ ${here} -a ${c.name} -d ${quoted(c.about)}`),
    ...options.map(({ long, value, description }) => {
      const takes = value === null ? '' : ` ${valueFlags(value)}`
      return `complete -c writ ${here} -l ${long.slice(2)}${takes} -d ${quoted(brief(description))}`
    }),
    ...(first === undefined
      ? []
      : first.words.length > 0
        ? [`complete -c writ ${here} -a ${quoted(first.words.join(' '))}`]
        : first.kind === 'text'
          ? []
          : first.kind === 'directory'
            ? [`complete -c writ ${here} -a '(__fish_complete_directories)'`]
            : [`complete -c writ ${here} -F`, `complete -c writ ${behind} -F`]),
    ...(handsOn && first !== undefined ? [`complete -c writ ${here} -a '(__fish_complete_command)'`] : []),
  ]
}

const FUNCTIONS = `# Whether the words before the cursor are of the command $argv[1]; with ' --' behind it: beyond where options end.
function __writ_at
    set -l at
    set -l ended ''
    set -l pending 0
    set -l words (commandline -opc)
    for word in $words[2..-1]
        if test $pending = 1
            set pending 0
        else if test -z "$ended" -a "$word" = --
            set ended ' --'
        else if test -z "$ended"; and string match -q -- '-*' $word
            contains -- $word $__writ_valued; and set pending 1
        else if contains -- (string join ' ' $at $word) $__writ_commands
            set at $at $word
        else if contains -- "$at" $__writ_hands_on
            set ended ' --'
        end
    end
    test "$at$ended" = "$argv[1]"
end`
