import { isDeepStrictEqual } from 'node:util'
import type { ConfigProblem } from './problem.ts'
import {
  type Config,
  CROSS_RULES,
  camelCase,
  configValue,
  KEY_NAMES,
  type KeyName,
  RELOADED_KEYS,
  type ReloadedKey,
} from './schema.ts'

/** What a running daemon makes of a file that was changed. */
export interface TakeOver {
  /** What is in force afterwards: the reloaded keys of the file, and of everything else what is in force already. */
  readonly config: Config
  readonly changed: readonly ReloadedKey[]
  /** Keys whose value in the file is not the one in force, and comes with the next start. */
  readonly waiting: readonly KeyName[]
  /** Why nothing of it can be taken over: what would be in force breaks a rule that the file by itself keeps. */
  readonly problem: ConfigProblem | null
}

/** Puts the reloaded keys of `file` into the configuration in force. Pure. */
export function takeOver(inForce: Config, file: Config): TakeOver {
  const differing = KEY_NAMES.filter(
    name => !isDeepStrictEqual(configValue(inForce, name), configValue(file, name)),
  )
  const changed = differing.filter(isReloaded)
  const waiting = differing.filter(name => !isReloaded(name))
  const config = changed.reduce((next, name) => withValue(next, name, configValue(file, name)), inForce)
  const broken = CROSS_RULES.find(({ holds }) => !holds(config))
  const problem: ConfigProblem | null =
    broken === undefined
      ? null
      : {
          code: 'CONFIG_BAD_VALUE',
          message: `${broken.message}, while these wait for a restart: ${waiting.join(', ')}`,
          key: broken.key,
          line: undefined,
        }
  return { config, changed, waiting, problem }
}

function isReloaded(name: KeyName): name is ReloadedKey {
  return RELOADED_KEYS.some(key => key === name)
}

function withValue(config: Config, name: KeyName, value: unknown): Config {
  const [section = '', key = ''] = name.split('.')
  return {
    ...config,
    [section]: { ...config[section as keyof Config], [camelCase(key)]: value },
  }
}
