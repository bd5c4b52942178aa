import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { newCedar } from '../../authorization/policy/cedar.ts'
import { type CedarCall, PolicyEngine } from '../../authorization/policy/engine.ts'
import { askCedar } from '../../authorization/policy/plain.ts'
import { RECORDED_EVIDENCE } from '../support/recorded-evidence.ts'

/** Cases of the Cedar project's own integration tests, where they are at hand. */
const fixtures = RECORDED_EVIDENCE
const root = join(fixtures ?? '', 'json', 'cedar')

interface Case {
  readonly policies: string
  readonly entities: string
  readonly schema: string
  readonly shouldValidate: boolean
  readonly requests: readonly (CedarCall & { decision: string; reason: string[]; errors: string[] })[]
}

const read = (path: string) => readFileSync(join(root, path), 'utf8')

describe.skipIf(fixtures === undefined)('the Cedar project\u2019s own cases (WRIT_FIXTURES)', () => {
  const names = fixtures === undefined ? [] : readdirSync(root, { recursive: true, encoding: 'utf8' })
  for (const name of names.filter(path => path.startsWith('tests') && path.endsWith('.json'))) {
    it(name, () => {
      const it: Case = JSON.parse(read(name))
      const parts = newCedar().policySetTextToParts(read(it.policies))
      if (parts.type !== 'success') throw new Error('the policies do not parse')
      const policies = parts.policies.map((text, i) => [`policy${i}`, text] as const)
      const engine = PolicyEngine.create({ policies, schema: read(it.schema) })
      expect(engine instanceof PolicyEngine).toBe(it.shouldValidate)
      if (!(engine instanceof PolicyEngine)) return
      const entities = JSON.parse(read(it.entities))
      for (const { principal, action, resource, context, decision, reason, errors } of it.requests) {
        expect(engine.evaluate({ principal, action, resource, context, entities })).toEqual({
          type: 'answer',
          allow: decision === 'allow',
          determining: reason.toSorted(),
          failed: errors.toSorted(),
        })
      }
    })
  }
})

describe('askCedar', () => {
  const uid = (id: string) => ({ type: 'U', id })
  const question = { principal: uid('a'), action: uid('b'), resource: uid('c'), context: {}, entities: [] }

  it('answers as Cedar does: a policy that fails is left out, and named', () => {
    const policies =
      'permit(principal, action, resource);\nforbid(principal, action, resource) when { context.x };'
    expect(askCedar({ ...question, policies })).toEqual({
      type: 'answer',
      allow: true,
      determining: ['policy0'],
      failed: ['policy1'],
    })
    expect(askCedar({ ...question, policies, context: { x: true } })).toMatchObject({ allow: false })
    expect(askCedar({ ...question, policies: 'permit(' })).toMatchObject({ type: 'failure' })
    expect(askCedar({ ...question, policies: '('.repeat(5_000) })).toMatchObject({ type: 'failure' })
  })
})
