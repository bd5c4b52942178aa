import { allDefinitions, type Definition, type OptionDefinition, type Value } from '../definition.ts'

/** What the scripts of all shells are made from. The name of a command leaves `writ` out; the program itself has none. */
export interface CompletedCommand {
  readonly name: string
  readonly commands: readonly { name: string; about: string }[]
  readonly options: readonly OptionDefinition[]
  /** By position; the last stands for all that follow if it is `variadic`. */
  readonly operands: readonly Value[]
  readonly variadic: boolean
  readonly handsOn: boolean
}

/** Its first sentence, without the full stop. */
export function brief(description: string): string {
  return (/^(.*?[^.])\.(?:\s|$)/s.exec(description)?.[1] ?? description).replace(/\s+/g, ' ')
}

export function completedCommands(root: Definition): readonly CompletedCommand[] {
  return allDefinitions(root).map(({ path, commands, options, operands, handsOn }) => ({
    name: path.slice(1).join(' '),
    commands: commands.map(({ path, description }) => ({
      name: path.at(-1) ?? '',
      about: brief(description),
    })),
    options,
    operands,
    variadic: operands.at(-1)?.variadic ?? false,
    handsOn,
  }))
}

/** What a value is completed with, as one word for a shell: `file`, `directory`, `program`, `text`, or `words:a b`. */
export function offerOf({ kind, words }: Value): string {
  return words.length > 0 && kind === 'text' ? `words:${words.join(' ')}` : kind
}

/** In single quotes, as sh, bash and zsh read them. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

/** A table for a `case` of sh: patterns and what each of them prints. Rows that print the same share a branch. */
export function caseRows(rows: readonly (readonly [pattern: string, printed: string])[]): string[] {
  const byPrinted = new Map<string, string[]>()
  for (const [pattern, printed] of rows) {
    byPrinted.set(printed, [...(byPrinted.get(printed) ?? []), quoted(pattern)])
  }
  return [...byPrinted].map(([printed, patterns]) => `    ${patterns.join('|')}) REPLY=${quoted(printed)} ;;`)
}

/** A shell function that looks `"$1"` up and gives what it finds in REPLY; empty for everything else. */
export function lookUp(name: string, rows: readonly (readonly [string, string])[]): string[] {
  return [`${name}() {`, "  REPLY=''", '  case $1 in', ...caseRows(rows), '  esac', '}']
}

/** The look-ups that bash and zsh share: of commands, options' values and operands. */
export function tables(commands: readonly CompletedCommand[]): string[] {
  return [
    '# Whether the words $1 name a command.',
    ...lookUp(
      '_writ_is_command',
      commands.flatMap(({ name }) => (name === '' ? [] : [[name, 'yes'] as const])),
    ),
    '# What the value of an option is: "$1" is the command, a slash and the option.',
    ...lookUp(
      '_writ_value',
      commands.flatMap(({ name, options }) =>
        options.flatMap(({ long, value }) =>
          value === null ? [] : [[`${name}/${long}`, offerOf(value)] as const],
        ),
      ),
    ),
    '# What an operand is: "$1" is the command, a slash and the position from 0; + for all that follow.',
    ...lookUp(
      '_writ_operand',
      commands.flatMap(({ name, operands, variadic }) =>
        operands.map((operand, i) => {
          const position = variadic && i === operands.length - 1 ? '+' : String(i)
          return [`${name}/${position}`, offerOf(operand)] as const
        }),
      ),
    ),
    '# Whether what follows the first operand belongs to a program.',
    ...lookUp(
      '_writ_hands_on',
      commands.flatMap(({ name, handsOn }) => (handsOn ? [[name, 'yes'] as const] : [])),
    ),
  ]
}

/**
 * Goes through the words before the one that is completed. Sets `at` (the command), `pending` (an option that waits for its value),
 * `operands` (how many there are) and `ended` (no options any longer). `word` is the next one.
 */
export const STEP = `    if [[ -n $pending ]]; then pending=''; continue; fi
    if [[ -z $ended && $word == -- ]]; then ended=yes; continue; fi
    if [[ -z $ended && $word == -* ]]; then
      [[ $word == *=* ]] && continue
      _writ_value "$at/$word"
      [[ -n $REPLY ]] && pending=$word
      continue
    fi
    if ((operands == 0)); then
      _writ_is_command "\${at:+$at }$word"
      if [[ -n $REPLY ]]; then at="\${at:+$at }$word"; continue; fi
    fi
    operands=$((operands + 1))
    _writ_hands_on "$at"
    [[ -n $REPLY ]] && ended=yes`
