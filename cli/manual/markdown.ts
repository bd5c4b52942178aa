import { allDefinitions, choicesOf, type Definition, usageOf, type Value } from '../definition.ts'
import type { JsonResult } from '../form.ts'
import { fieldLines } from './form-text.ts'
import { ENVIRONMENT, EXIT_STATUSES, JSON_CONVENTIONS, JSON_ERRORS } from './general.ts'

/** In a cell of a table and in text: what Markdown would take for its own. */
function escaped(text: string): string {
  return text.replace(/[|<>*_[\]\\]/g, '\\$&')
}

const code = (text: string) => `\`${text.replaceAll('|', '\\|')}\``
const table = (head: readonly string[], rows: readonly (readonly string[])[]) =>
  [head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`)

/** The reference of the command line: every command with its options, its JSON, its exit statuses and examples. */
export function markdown(root: Definition): string {
  const [, ...commands] = allDefinitions(root)
  return `${[
    '# Command line',
    '',
    '<!-- Made by `npm run manual` from the definitions of the commands. -->',
    '',
    root.description,
    '',
    ...commands
      .filter(({ commands }) => commands.length === 0)
      .map(({ path, description }) => `- [\`${path.join(' ')}\`](#${anchor(path)}): ${escaped(description)}`),
    '',
    '## What holds for all of them',
    '',
    ...table(
      ['exit status', ''],
      EXIT_STATUSES.map(([status, meaning]) => [status, meaning]),
    ),
    '',
    ...table(
      ['environment', ''],
      ENVIRONMENT.map(([name, meaning]) => [code(name), meaning]),
    ),
    '',
    JSON_CONVENTIONS,
    '',
    JSON_ERRORS,
    ...commands.filter(({ commands }) => commands.length === 0).flatMap(section),
  ].join('\n')}\n`
}

const anchor = (path: readonly string[]) => path.join('-')

function section(definition: Definition): string[] {
  const { path, description, options, notes, json, examples } = definition
  const shown = options.filter(({ long }) => long !== '--help' && long !== '--json')
  return [
    '',
    `## ${path.join(' ')}`,
    '',
    escaped(description),
    '',
    '```',
    usageOf(definition),
    '```',
    '',
    ...(shown.length === 0
      ? []
      : [
          ...table(
            ['option', ''],
            shown.map(({ long, short, value, required, description, default: fallback }) => [
              code(`${short === null ? '' : `${short}, `}${long}${value === null ? '' : ` <${value.name}>`}`),
              `${escaped(description)}${required ? ' **Required.**' : ''}${valueText(value, fallback, description)}`,
            ]),
          ),
          '',
        ]),
    ...notes.flatMap(note => [escaped(note), '']),
    ...json.flatMap(jsonSection),
    '```sh',
    ...examples,
    '```',
  ]
}

function valueText(value: Value | null, fallback: string | null, description: string): string {
  const offered = value === null ? [] : choicesOf(value)
  const parts = [
    ...(offered.length === 0 ? [] : [`one of ${offered.join(', ')}`]),
    ...(fallback === null || description.includes('default:') ? [] : [`default: ${fallback}`]),
  ]
  return parts.length === 0 ? '' : ` (${escaped(parts.join('; '))})`
}

function jsonSection({ when, fields, as }: JsonResult): string[] {
  const where = as === 'lines' ? ', in each line' : as === 'stderr' ? ', on standard error' : ''
  return [
    `JSON${when === undefined ? '' : ` ${when}`}${where}:`,
    '',
    ...table(
      ['field', 'is', ''],
      fieldLines(fields).map(({ at, kind, about }) => [code(at), kind, escaped(about)]),
    ),
    '',
  ]
}
