import { existsSync } from 'node:fs'
import { chmod, chown, stat } from 'node:fs/promises'
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
    const missing = [...(text === null ? [config] : []), ...(existsSync(launchd) ? [] : [launchd])]
    if (changes.size === 0 && missing.length === 0)
      return done([`configuration  ${config}`], await check(context))
    const will = [
      ...missing.map(file => `write ${file}, as it is shipped`),
      ...[...changes].map(([key, value]) => `set ${key} = ${JSON.stringify(value)}`),
    ]
    return toDo(will, () => carryOut(context, text, changes))
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

async function carryOut(
  context: StepContext,
  text: string | null,
  changes: ReadonlyMap<KeyName, TomlValue>,
): Promise<Done> {
  const { config, launchd } = context.files
  await ensurePlace(context.answers.places.etc)
  const did: string[] = []
  if (changes.size > 0 || text === null) {
    await writeConfig(config, edited(config, text ?? shippedText(), changes))
    did.push(`configuration  ${config}: ${[...changes.keys()].join(', ') || 'as it is shipped'}`)
  }
  if (!existsSync(launchd)) {
    await writeDocument(launchd, launcherText(context))
    did.push(`launcher       ${launchd}`)
  }
  return { did, warnings: await check(context) }
}

/** launchd.conf as it is shipped, for the user and the logs that the answers name. */
function launcherText({ answers: { daemon, places } }: StepContext): string {
  const { uid, gid } = /^[0-9]/.test(daemon.user) ? readOwner(daemon.user) : { uid: null, gid: null }
  const lines: Readonly<Record<string, string>> = {
    writd_user: uid === null ? `writd_user = ${daemon.user}` : `writd_uid = ${uid}\nwritd_gid = ${gid}`,
    event_log: `event_log = ${places.event_log}`,
    userspace_log: log('userspace_log', places.userspace_log),
    ima_log: log('ima_log', places.ima_log),
  }
  return shippedFile('launcherConfig')
    .toString('utf8')
    .replace(
      /^(writd_user|event_log|userspace_log|ima_log) = .*$/gm,
      (line, key: string) => lines[key] ?? line,
    )
}

function log(key: string, path: string): string {
  return path === 'none' ? `# ${key}: there is none` : `${key} = ${path}`
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

/** In the place of the one that is there, with its owner and mode. */
async function writeConfig(path: string, text: string): Promise<void> {
  const before = existsSync(path) ? await stat(path) : null
  await writeDocument(path, text, { replace: true, mode: before === null ? 0o644 : before.mode & 0o777 })
  if (before !== null) {
    await chown(path, before.uid, before.gid)
    await chmod(path, before.mode & 0o777)
  }
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
