import type { Command } from 'commander'
import { configDigest, examineConfig } from '../../../configuration/daemon-file.ts'
import { sayProblem } from '../../../configuration/problem.ts'
import { MAX_CONFIG_BYTES } from '../../../configuration/read-file.ts'
import {
  type Config,
  configValue,
  KEY_NAMES,
  type KeyName,
  RELOADED_KEYS,
} from '../../../configuration/schema.ts'
import { addCommand, addNote, setAction } from '../../command.ts'
import { DEFAULT_CONFIG } from '../../config/place.ts'
import { CliError } from '../../error.ts'
import { readDocument } from '../../files.ts'
import { printable, styled } from '../../output.ts'

export function addConfigShow(parent: Command): void {
  const command = addCommand(
    parent,
    'show [file]',
    'Show what a configuration file means: every key with the value that it has, set or by default.',
    `writ config show
     writ config show --json new-writd.toml`,
    {
      file: 'text',
      digest: 'digest: as `writ status` and the lineage have it of a daemon that has this in force',
      values: { '*': 'json: a section, with the names of the file; null for a key that is off' },
      set: ['text: section.key of each that the file sets'],
    },
  )
  addNote(
    command,
    `Without a file it is ${DEFAULT_CONFIG}. What a running daemon has in force may be older: \`writ status\` shows its digest.`,
  )
  setAction(command, async ({ args, output }) => {
    const file = args[0] ?? DEFAULT_CONFIG
    const { config, problems, set } = examineConfig(
      await readDocument(file, "writd's configuration", MAX_CONFIG_BYTES),
    )
    if (config === null) {
      throw new CliError('FILE_MALFORMED', `${file} is not a configuration`, {
        at: file,
        lines: problems.map(problem => `${problem.line ?? '?'}: ${sayProblem(problem)}`),
        next: '`writ config check` says more.',
      })
    }
    const digest = configDigest(config)
    output.result({ file, digest, values: valuesOf(config), set: [...set.keys()] }, () => [
      ...KEY_NAMES.flatMap((name, i) => keyLines(name, KEY_NAMES[i - 1], config, set)),
      '',
      `# digest ${digest}`,
    ])
    return undefined
  })
}

function valuesOf(config: Config): Record<string, Record<string, unknown>> {
  const values: Record<string, Record<string, unknown>> = {}
  for (const name of KEY_NAMES) {
    const [section = '', key = ''] = name.split('.')
    values[section] = { ...values[section], [key]: configValue(config, name) ?? null }
  }
  return values
}

/** The key as TOML, with where it comes from; before the first of a section its header. */
function keyLines(
  name: KeyName,
  before: KeyName | undefined,
  config: Config,
  set: ReadonlyMap<KeyName, number | undefined>,
): string[] {
  const [section = '', key = ''] = name.split('.')
  const header = before?.startsWith(`${section}.`)
    ? []
    : [...(before === undefined ? [] : ['']), styled('bold', `[${section}]`)]
  const value = configValue(config, name)
  const line = set.get(name)
  const from = !set.has(name) ? 'default' : line === undefined ? 'set' : `line ${line}`
  const when = RELOADED_KEYS.some(other => other === name) ? 'reload' : 'restart'
  const text = value === undefined ? `#${key} is off` : `${key} = ${JSON.stringify(value)}`
  return [...header, `${printable(text).padEnd(48)} ${styled('dim', `# ${from}, ${when}`)}`]
}
