import type { Command } from 'commander'
import { DEFAULT_SCHEMA, policyLanguageVersion } from '../../../authorization/index.ts'
import { addCommand, setAction } from '../../command.ts'

export function addPolicySchema(parent: Command): void {
  const command = addCommand(
    parent,
    'schema',
    'Print the schema that policies are written against: what a policy can see of a request.',
    'writ policy schema > schema.cedarschema',
    { schema: 'text', cedarVersion: 'text' },
  )
  setAction(command, async ({ output }) => {
    const cedarVersion = policyLanguageVersion()
    output.result({ schema: DEFAULT_SCHEMA, cedarVersion }, () => DEFAULT_SCHEMA.trimEnd().split('\n'))
    return undefined
  })
}
