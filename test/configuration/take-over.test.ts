import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../configuration/daemon-file.ts'
import {
  type Config,
  configValue,
  KEY_NAMES,
  type KeyName,
  RELOADED_KEYS,
} from '../../configuration/schema.ts'
import { takeOver } from '../../configuration/take-over.ts'
import { CHANGED } from './changed-values.ts'

const config = (sections: Record<string, string> = {}): Config => {
  const trust = sections.trust ?? 'governance_keys = ["/k"]'
  const all = Object.entries({ ...sections, trust })
  return parseConfig(Buffer.from(all.map(([name, lines]) => `[${name}]\n${lines}\n`).join('')))
}

/** A configuration in which one key has another value than its default. */
const changedAt = (name: KeyName): Config => {
  const [section = '', key = ''] = name.split('.')
  const line = `${key} = ${CHANGED[name]}`
  return config({
    [section]: section === 'trust' && key !== 'governance_keys' ? `governance_keys = ["/k"]\n${line}` : line,
  })
}

describe('what a reload takes over', () => {
  it.each(KEY_NAMES)('%s', name => {
    const before = config()
    const file = changedAt(name)
    expect(configValue(file, name), name).not.toEqual(configValue(before, name))
    const { config: after, changed, waiting, problem } = takeOver(before, file)
    expect(problem).toBeNull()
    if (RELOADED_KEYS.some(key => key === name)) {
      expect({ after, changed, waiting }).toEqual({ after: file, changed: [name], waiting: [] })
    } else {
      const also = name === 'tpm.transport' ? ['tpm.transport', 'tpm.path'] : [name]
      expect({ after, changed, waiting }).toEqual({ after: before, changed: [], waiting: also })
    }
  })

  it('nothing of the same, and what is in force is left as it is', () => {
    const before = config()
    const frozen = JSON.stringify(before)
    expect(takeOver(before, config())).toMatchObject({
      config: before,
      changed: [],
      waiting: [],
      problem: null,
    })
    takeOver(before, changedAt('minting.enabled'))
    expect(JSON.stringify(before)).toBe(frozen)
  })

  it('nothing at all, where the mixture would break a rule that each of the two keeps', () => {
    const before = config()
    // Good by itself: the range moves away from the new auditor. The range waits for a restart, and the auditor would be a workload.
    const file = config({ execution: 'uid_range = [70000, 70299]', access: 'auditors = [60600]' })
    const { problem, waiting } = takeOver(before, file)
    expect(problem).toMatchObject({ code: 'CONFIG_BAD_VALUE', key: 'access.auditors' })
    expect(problem?.message).toContain('while these wait for a restart: execution.uid_range')
    expect(waiting).toEqual(['execution.uid_range'])
  })
})
