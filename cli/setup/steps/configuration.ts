import { existsSync } from 'node:fs'
import { chmod, chown, realpath, stat } from 'node:fs/promises'
import { parse } from 'smol-toml'
import { examineConfig } from '../../../configuration/daemon-file.ts'
import { MAX_CONFIG_BYTES } from '../../../configuration/read-file.ts'
import { camelCase, type KeyName } from '../../../configuration/schema.ts'
import { shippedFile } from '../../../encoding/shipped.ts'
import { utf8ToString } from '../../../encoding/text.ts'
import { checkConfiguration } from '../../config/check.ts'
import { findingText } from '../../config/findings.ts'
import { CliError } from '../../error.ts'
import { readDocument, writeDocument } from '../../files.ts'
import { keyFiles } from '../../key-files.ts'
import { readOwner } from '../../state-directory.ts'
import { launcherText } from '../launcher-text.ts'
import { ensurePlace } from '../place.ts'
import { type Done, done, type Step, type StepContext, toDo } from '../step.ts'
import { setTomlKeys, TomlEditError } from '../toml-edit.ts'
import type { TomlValue } from '../toml-value.ts'

/** Writes into the configuration what the steps before have made, and has it checked as `writ config check` does. */
export const configuration: Step = {
  name: 'configuration',
  title: 'configuration',
  why: 'It names keys and documents to the daemon. Everything else in it stays as it is.',
  async look(context) {
    const { config, launchd } = context.files
    const text = existsSync(config) ? await readConfigText(config) : null
    const changes = whatToSet(context, text)
    const launcher = await launcherText(context)
    const missing = [...(text === null ? [config] : []), ...(existsSync(launchd) ? [] : [launchd])]
    if (changes.size === 0 && missing.length === 0 && launcher === null)
      return done([`configuration  ${config}`], await check(context))
    const will = [
      ...missing.map(file => `write ${file}, as it is shipped`),
      ...[...changes].map(([key, value]) => `set ${key} = ${JSON.stringify(value)}`),
      ...(launcher === null || missing.includes(launchd) ? [] : [`set user and logs in ${launchd}`]),
    ]
    return toDo(will, () => carryOut(context, { text, changes, launcher }))
  },
}

const shippedText = () => shippedFile('daemonConfig').toString('utf8')

function readConfigText(path: string): Promise<string> {
  return readDocument(path, "writd's configuration", MAX_CONFIG_BYTES).then(bytes => utf8ToString(bytes))
}

/** What the setup needs the daemon to know; what has its default needs no mention. */
function wanted({ answers, files }: StepContext): ReadonlyMap<KeyName, TomlValue> {
  const { places, tpm } = answers
  const [, transport = '', path = ''] = /^(\w+):(.*)$/.exec(tpm.where) ?? []
  const keys: [KeyName, TomlValue][] = [
    ['trust.governance_keys', [keyFiles(files.operator).public]],
    ['trust.trust_roots', files.trust],
    ['trust.policy_bundle', files.policy],
    ['attestation.reference_values', files.reference],
    ['daemon.state_directory', places.state_directory],
    ['daemon.socket', places.socket],
    ['tpm.transport', transport],
    ['tpm.path', path],
    ...(tpm.hardware_roots.length === 0
      ? []
      : ([['tpm.hardware_roots', [...tpm.hardware_roots]]] as [KeyName, TomlValue][])),
  ]
  return new Map(keys)
}

/**
 * The keys that have to be set: those that say nothing, or no more than the shipped file.
 *
 * @param text the file as it is; null where there is none
 * @throws CliError for a key that says something else, which is not overwritten
 */
function whatToSet(context: StepContext, text: string | null): Map<KeyName, TomlValue> {
  const shipped = tableOf(shippedText())
  const own = text === null ? shipped : tableOf(text)
  const defaults = examineConfig(Buffer.from('')).values
  const changes = new Map<KeyName, TomlValue>()
  for (const [name, value] of wanted(context)) {
    const said = at(own, name)
    const effective = said ?? at(defaults, name, camelCase)
    if (same(effective, value) || (Array.isArray(value) && includesAll(said, value))) continue
    if (said !== undefined && !same(said, at(shipped, name)))
      throw new CliError(
        'FILE_EXISTS',
        `${context.files.config} says ${name} = ${JSON.stringify(said)}, and is not overwritten`,
        {
          at: name,
          next: `Set it to ${JSON.stringify(value)}, or take it out, and run \`writ setup\` again.`,
        },
      )
    changes.set(name, value)
  }
  return changes
}

/** A file that is no TOML says nothing here; what is wrong with it is said when it is checked. */
function tableOf(text: string): unknown {
  try {
    return parse(text, { maxDepth: 8 })
  } catch {
    return {}
  }
}

function at(table: unknown, name: KeyName, spell = (key: string) => key): unknown {
  const [section = '', key = ''] = name.split('.')
  const found = (table as Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>>)[section]
  return found === null || typeof found !== 'object' ? undefined : found[spell(key)]
}

const same = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other)

/** Governance keys and roots that are there beside ours stay. */
function includesAll(said: unknown, value: readonly unknown[]): boolean {
  return Array.isArray(said) && value.every(item => said.includes(item))
}

/** What is to be written. */
interface Work {
  /** writd.toml as it is; null where there is none. */
  readonly text: string | null
  readonly changes: ReadonlyMap<KeyName, TomlValue>
  /** What launchd.conf is to be; null where it is as it should be. */
  readonly launcher: string | null
}

async function carryOut(context: StepContext, { text, changes, launcher }: Work): Promise<Done> {
  const { config, launchd } = context.files
  await ensurePlace(context.answers.places.etc)
  const did: string[] = []
  if (changes.size > 0 || text === null) {
    await writeConfig(config, edited(config, text ?? shippedText(), changes))
    did.push(`configuration  ${config}: ${[...changes.keys()].join(', ') || 'as it is shipped'}`)
  }
  if (launcher !== null) {
    await writeConfig(launchd, launcher)
    did.push(`launcher       ${launchd}`)
  }
  return { did, warnings: await check(context) }
}

function edited(path: string, text: string, changes: ReadonlyMap<KeyName, TomlValue>): string {
  try {
    return setTomlKeys(text, changes)
  } catch (cause) {
    if (!(cause instanceof TomlEditError)) throw cause
    const set = [...changes].map(([key, value]) => `${key} = ${JSON.stringify(value)}`)
    throw new CliError('FILE_MALFORMED', `cannot change ${path}: ${cause.message}`, {
      at: cause.at ?? path,
      cause,
      next: `Set by hand what is missing, and run \`writ setup\` again: ${set.join('; ')}`,
    })
  }
}

/** In the place of the one that is there, with its owner and mode; where that is a link, in the place of what it leads to. */
async function writeConfig(path: string, text: string): Promise<void> {
  if (!existsSync(path)) return writeDocument(path, text)
  const file = await realpath(path)
  const { mode, uid, gid } = await stat(file)
  await writeDocument(file, text, { replace: true, mode: mode & 0o777 })
  await chown(file, uid, gid)
  await chmod(file, mode & 0o777)
}

/** @returns warnings @throws CliError with every error */
async function check({ answers, files, stage }: StepContext): Promise<string[]> {
  const { findings } = await checkConfiguration(files.config, {
    launchd: files.launchd,
    user: stage === 'image' ? undefined : readOwner(answers.daemon.user),
    // Users, TPM and state directory are the host's.
    onlyFiles: stage === 'image',
  })
  const errors = findings.filter(({ severity }) => severity === 'error')
  if (errors.length > 0)
    throw new CliError('HOST_UNFIT', `the configuration has ${errors.length} errors`, {
      at: files.config,
      lines: errors.map(findingText),
      next: '`writ config check` shows them again.',
      detail: { findings: errors },
    })
  return findings.map(findingText)
}
