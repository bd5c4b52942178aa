import type { Command } from 'commander'
import { declarationOf } from '../../cli/command.ts'
import { COMMANDS } from '../../cli/commands/index.ts'
import { readField, type Shape } from '../../cli/form.ts'
import { wholeProgram } from '../../cli/program.ts'

const ATOMS: Readonly<Record<string, (value: unknown) => boolean>> = {
  text: value => typeof value === 'string',
  number: value => typeof value === 'number',
  boolean: value => typeof value === 'boolean',
  decimal: value => typeof value === 'string' && /^[0-9]+$/.test(value),
  hex: value => typeof value === 'string' && /^(?:[0-9a-f]{2})*$/.test(value),
  digest: value => typeof value === 'string' && /^(?:[0-9a-f]{64})?$/.test(value),
  time: value => typeof value === 'string' && (value === '' || !Number.isNaN(Date.parse(value))),
  json: () => true,
}

/** Where a value is not of its declared form: missing and undeclared fields, and values of another kind. */
export function misfits(shape: Shape, value: unknown, at = ''): string[] {
  if (typeof shape === 'string') {
    const atom = shape.split(':')[0] ?? ''
    return ATOMS[atom]?.(value) ? [] : [`${at}: ${JSON.stringify(value)} is not ${atom}`]
  }
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) return [`${at}: is not a list`]
    return value.flatMap((item, i) => misfits(shape[0], item, `${at}[${i}]`))
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return [`${at}: is not an object`]
  const fields = Object.entries(shape).map(([field, form]) => ({ ...readField(field), form }))
  const rest = fields.find(({ name }) => name === '*')
  const found = value as Record<string, unknown>
  const wrong = fields.flatMap(({ name, optional, nullable, form }) => {
    if (name === '*' || (nullable && found[name] === null)) return []
    if (!Object.hasOwn(found, name)) return optional ? [] : [`${at}.${name}: is missing`]
    return misfits(form, found[name], `${at}.${name}`)
  })
  const known = new Set(fields.map(({ name }) => name))
  const more = Object.keys(found).filter(name => !known.has(name))
  return [
    ...wrong,
    ...more.flatMap(name =>
      rest === undefined
        ? [`${at}.${name}: is not declared`]
        : misfits(rest.form, found[name], `${at}.${name}`),
    ),
  ]
}

let whole: Promise<Command> | undefined

/** The program with all its commands. */
export function everything(): Promise<Command> {
  whole ??= wholeProgram(COMMANDS)
  return whole
}

/** The command that a command line is of, as `key trust sign`; null if it is of none. */
export async function commandOf(args: readonly string[]): Promise<{ name: string; command: Command } | null> {
  let command: Command = await everything()
  const names: string[] = []
  for (const word of args) {
    const next = command.commands.find(other => other.name() === word)
    if (next === undefined) break
    names.push(word)
    command = next
  }
  return declarationOf(command) === undefined ? null : { name: names.join(' '), command }
}

/** Commands whose JSON has been held against its form in this process. */
export const heldAgainstForm = new Set<string>()

/**
 * Holds what `writ … --json` printed against what the command declares.
 *
 * @throws Error that says each difference
 */
export async function checkJson(args: readonly string[], stdout: string, stderr: string): Promise<void> {
  const found = await commandOf(args)
  const results = found === null ? [] : (declarationOf(found.command)?.json ?? [])
  if (found === null || results.length === 0) return
  const onError = results.some(({ as }) => as === 'stderr')
  const text = (onError ? (stderr.trimEnd().split('\n').at(-1) ?? '') : stdout).trim()
  if (text === '') return
  const tries = results.map(({ fields, as }) => {
    const values = as === 'lines' ? text.split('\n') : [text]
    try {
      return values.flatMap(value => misfits(fields, JSON.parse(value)))
    } catch {
      return ['is no JSON']
    }
  })
  if (!tries.some(wrong => wrong.length === 0)) {
    throw new Error(`the JSON of writ ${found.name} is not of its form:\n${tries.flat().join('\n')}`)
  }
  heldAgainstForm.add(found.name)
}
