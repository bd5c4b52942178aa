import type { Argument, Command, Option } from 'commander'
import { declarationOf } from './command.ts'
import type { JsonResult } from './form.ts'

/** What a value can be completed with. */
export interface Value {
  /** As the help names it, without brackets; for example `file`. */
  readonly name: string
  readonly kind: 'file' | 'directory' | 'program' | 'text'
  /** Words that stand for themselves: choices, `any`, `none`. */
  readonly words: readonly string[]
}

export interface Operand extends Value {
  readonly required: boolean
  readonly variadic: boolean
}

export interface OptionDefinition {
  /** With its dashes. */
  readonly long: string
  /** With its dash; null of most. */
  readonly short: string | null
  /** Null of an option that takes none. */
  readonly value: Value | null
  readonly required: boolean
  readonly repeatable: boolean
  /** As the help says it; null if there is none worth saying. */
  readonly default: string | null
  readonly description: string
}

/** One command, or a group of them, as help, reference, manual and completion show it. */
export interface Definition {
  /** `writ`, then the names that lead to it. */
  readonly path: readonly string[]
  readonly description: string
  readonly operands: readonly Operand[]
  readonly options: readonly OptionDefinition[]
  readonly examples: readonly string[]
  readonly notes: readonly string[]
  readonly json: readonly JsonResult[]
  /** Whether what follows the first operand belongs to the program that it names. */
  readonly handsOn: boolean
  /** Empty unless it is a group. */
  readonly commands: readonly Definition[]
}

/** What the names of values stand for; every other is text. */
const KINDS: Readonly<Record<string, Value['kind']>> = {
  file: 'file',
  path: 'file',
  argument: 'file',
  request: 'file',
  challenge: 'file',
  answer: 'file',
  certificate: 'file',
  directory: 'directory',
  bundle: 'directory',
  program: 'program',
}
const LITERALS: ReadonlySet<string> = new Set(['any', 'none'])

function readValue(name: string, choices: readonly string[] = []): Value {
  const parts = name.split('|')
  return {
    name,
    kind: parts.map(part => KINDS[part]).find(kind => kind !== undefined) ?? 'text',
    words: [...choices, ...parts.filter(part => LITERALS.has(part))],
  }
}

/** The words that a value is one of; empty if there are others, or if its name says them. */
export function choicesOf({ name, words }: Value): readonly string[] {
  const said = name.split('|')
  return words.filter(word => !said.includes(word))
}

function operandOf(argument: Argument): Operand {
  const { required, variadic } = argument
  return { ...readValue(argument.name(), argument.argChoices), required, variadic }
}

function optionOf(option: Option): OptionDefinition {
  const name = /[<[](.*)[>\]]$/.exec(option.flags)?.[1]
  const { defaultValue, defaultValueDescription } = option
  const isSaid = name !== undefined && defaultValue !== undefined
  return {
    long: option.long ?? option.flags,
    short: option.short ?? null,
    value: name === undefined ? null : readValue(name, option.argChoices),
    required: option.mandatory,
    repeatable: option.description.includes('repeatable'),
    default: defaultValueDescription ?? (isSaid ? String(defaultValue) : null),
    description: option.description,
  }
}

/** Reads a program that has all its commands. */
export function definitionOf(command: Command, parents: readonly string[] = []): Definition {
  const path = [...parents, command.name()]
  const declaration = declarationOf(command)
  const help = { long: '--help', short: null, value: null, required: false, repeatable: false, default: null }
  return {
    path,
    description: command.description(),
    operands: command.registeredArguments.map(operandOf),
    options: [...command.options.map(optionOf), { ...help, description: 'show help' }],
    examples: declaration?.examples ?? [],
    notes: declaration?.notes ?? [],
    json: declaration?.json ?? [],
    handsOn: declaration?.handsOn ?? false,
    commands: command.commands.map(child => definitionOf(child, path)),
  }
}

/** A definition and all below it, each before its own. */
export function allDefinitions(definition: Definition): readonly Definition[] {
  return [definition, ...definition.commands.flatMap(allDefinitions)]
}

/** The one line that says how it is called. */
export function usageOf({ path, operands, options, commands }: Definition): string {
  const required = options.filter(option => option.required)
  const words = [
    ...path,
    ...(commands.length > 0 ? ['<command>'] : []),
    ...required.map(({ long, value }) => `${long} <${value?.name ?? ''}>`),
    ...(options.length > required.length && commands.length === 0 ? ['[options]'] : []),
    ...operands.map(({ name, required, variadic }) => {
      const text = variadic ? `${name}...` : name
      return required ? `<${text}>` : `[${text}]`
    }),
  ]
  return words.join(' ')
}
