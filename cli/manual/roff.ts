import { brief } from '../completion/words.ts'
import {
  allDefinitions,
  choicesOf,
  type Definition,
  type Operand,
  type OptionDefinition,
} from '../definition.ts'
import type { JsonResult } from '../form.ts'
import { fieldLines } from './form-text.ts'
import { ENVIRONMENT, EXIT_STATUSES, JSON_CONVENTIONS, JSON_ERRORS } from './general.ts'

/** A manual page: its file's name and what is in it. */
export interface Page {
  readonly file: string
  readonly text: string
}

/** When and of what the pages are. */
export interface Edition {
  readonly version: string
  /** `2026-11-21` */
  readonly date: string
}

/** Longest line of input; a longer one is a warning of mandoc's. */
const WIDTH = 78

/**
 * Text as input of roff (mandoc_roff(7)): an escape character and a hyphen are spelled out, a line does not begin with a control
 * character, and what is not ASCII is named by its code point.
 */
export function roffText(text: string): string {
  return text
    .toWellFormed()
    .replace(/\s+/g, ' ')
    .replace(/[\\\-'`^~]|[^\x20-\x7e]/gu, character => {
      if (character === '\\') return '\\e'
      if (character === '-') return '\\-'
      if (character === "'") return '\\(aq'
      if (character === '`') return '\\(ga'
      if (character === '^') return '\\(ha'
      if (character === '~') return '\\(ti'
      const point = character.codePointAt(0) ?? 0
      return point < 0xa0 ? '' : `\\[u${point.toString(16).toUpperCase().padStart(4, '0')}]`
    })
    .replace(/^\./, '\\&.')
}

/** A paragraph as input of roff, broken into lines at its spaces. */
export function paragraph(text: string): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/\s+/).filter(word => word !== '')) {
    if (line !== '' && line.length + word.length >= WIDTH) {
      lines.push(roffText(line))
      line = ''
    }
    line = line === '' ? word : `${line} ${word}`
  }
  return line === '' ? lines : [...lines, roffText(line)]
}

const bold = (text: string) => `\\fB${roffText(text)}\\fR`
const italic = (text: string) => `\\fI${roffText(text)}\\fR`
const tagged = (tag: string, about: string) => ['.TP', tag, ...(about === '' ? ['\\&'] : paragraph(about))]
const pageName = (path: readonly string[]) => path.join('-')

/** The manual pages of a program: one of its own, and one for each command and group. */
export function pages(root: Definition, edition: Edition): Page[] {
  return allDefinitions(root).map(definition => ({
    file: `${pageName(definition.path)}.1`,
    text: `${page(definition, edition).join('\n')}\n`,
  }))
}

function page(definition: Definition, { version, date }: Edition): string[] {
  const { path, description, options, notes, json, examples, commands } = definition
  const top = path.length === 1
  return [
    `.TH ${pageName(path).toUpperCase()} 1 ${date} "Writ ${version}" "Writ"`,
    '.SH NAME',
    `${roffText(pageName(path))} \\- ${roffText(brief(description).replace(/^[A-Z](?=[a-z])/, c => c.toLowerCase()))}`,
    '.SH SYNOPSIS',
    synopsis(definition),
    '.SH DESCRIPTION',
    ...paragraph(description),
    ...notes.flatMap(note => ['.PP', ...paragraph(note)]),
    ...(commands.length === 0
      ? []
      : [
          '.SH COMMANDS',
          ...commands.flatMap(({ path, description }) => tagged(bold(path.join(' ')), description)),
        ]),
    '.SH OPTIONS',
    ...options.flatMap(option => tagged(optionTag(option), optionText(option))),
    ...(json.length === 0 ? [] : ['.SH JSON', ...json.flatMap((result, i) => jsonLines(result, i))]),
    ...(top ? ['.SH JSON', ...paragraph(JSON_CONVENTIONS), '.PP', ...paragraph(JSON_ERRORS)] : []),
    ...(top ? ['.SH ENVIRONMENT', ...ENVIRONMENT.flatMap(([name, text]) => tagged(bold(name), text))] : []),
    '.SH EXIT STATUS',
    ...EXIT_STATUSES.filter(([status]) => top || status !== 'other' || path[1] === 'run').flatMap(
      ([status, text]) => tagged(bold(status), text.replaceAll('`', '')),
    ),
    ...(examples.length === 0 ? [] : ['.SH EXAMPLES', ...examples.flatMap(exampleLines)]),
    '.SH SEE ALSO',
    seeAlso(definition),
  ]
}

function synopsis({ path, options, operands, commands }: Definition): string {
  const required = options.filter(option => option.required).map(optionTag)
  return [
    bold(path.join(' ')),
    ...(commands.length > 0 ? [italic('command')] : []),
    ...required,
    ...(commands.length > 0 ? [] : [`[${italic('options')}]`]),
    ...operands.map(operandText),
  ].join(' ')
}

function operandText({ name, required, variadic }: Operand): string {
  const text = `${italic(name)}${variadic ? ' ...' : ''}`
  return required ? text : `[${text}]`
}

function optionTag({ long, short, value }: OptionDefinition): string {
  return `${short === null ? '' : `${bold(short)}, `}${bold(long)}${value === null ? '' : ` ${italic(value.name)}`}`
}

function optionText({ description, required, value, default: fallback }: OptionDefinition): string {
  const words = value === null ? [] : choicesOf(value)
  return [
    description,
    ...(required ? ['(required)'] : []),
    ...(words.length === 0 ? [] : [`(${words.join(', ')})`]),
    ...(fallback === null || description.includes('default:') ? [] : [`(default: ${fallback})`]),
  ].join(' ')
}

function jsonLines({ when, fields, as }: JsonResult, position: number): string[] {
  const where = as === 'lines' ? 'in each line' : as === 'stderr' ? 'on standard error' : ''
  const head = [when, where].filter(part => part !== undefined && part !== '').join(', ')
  return [
    ...(head === '' ? [] : [...(position === 0 ? [] : ['.PP']), ...paragraph(`${head}:`)]),
    ...fieldLines(fields).flatMap(({ at, kind, about }) =>
      tagged(bold(at), about === '' ? kind : `${kind}: ${about}`),
    ),
  ]
}

/** As it is typed: neither filled nor adjusted. */
function exampleLines(example: string, position: number): string[] {
  return [...(position === 0 ? [] : ['.PP']), '.nf', roffText(example), '.fi']
}

function seeAlso({ path, commands }: Definition): string {
  const parent = path.length > 1 ? [pageName(path.slice(0, -1))] : []
  const names = [...parent, ...commands.map(command => pageName(command.path))]
  return names.map(name => `${bold(name)}(1)`).join(',\n')
}
