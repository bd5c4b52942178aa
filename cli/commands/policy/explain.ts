import type { Command } from 'commander'
import { type PolicyCase, whatPoliciesSee } from '../../../authorization/index.ts'
import { addCommand, addNote, setAction } from '../../command.ts'
import { CliError, EXIT } from '../../error.ts'
import { printable, styled } from '../../output.ts'
import { answerer, nowOf, readCases, readPolicies } from '../../policy-cases.ts'

export function addPolicyExplain(parent: Command): void {
  const command = addCommand(
    parent,
    'explain <policies> <cases>',
    'Say what policies answer to a described request, which of them decide, and what they see of it.',
    'writ policy explain policies/ cases.toml --case "a stranger at night"',
    {
      name: 'text',
      outcome: 'text: permit, deny or error',
      'error|null': 'text: why the policies said nothing',
      policies: [{ id: 'text', text: 'text' }],
      principal: 'text',
      action: 'text',
      resource: 'text',
      context: 'json: what a policy sees below context',
    },
  ).option('--case <name>', 'the case that is meant, if the file has several')
  addNote(
    command,
    'Exit status: 0 if the request is permitted, else 1. What was decided, and why, of a request that was made: `writ explain`.',
  )
  setAction<{ case?: string }>(command, async ({ args, options, output }) => {
    const [policies = '', file = ''] = args
    const bundle = await readPolicies(policies)
    const described = chosen(await readCases(file), options.case)
    const asked = { ...described, now: nowOf(described) }
    const { found, error, policies: ids } = answerer(bundle)(asked)
    const { principal, action, resource, context } = whatPoliciesSee({ ...asked.question, now: asked.now })
    const uid = ({ type, id }: { type: string; id: string }) => `${type}::${JSON.stringify(id)}`
    const deciding = ids.map(id => ({ id, text: bundle.policies[id] ?? '' }))
    const named = { principal: uid(principal), action: uid(action), resource: uid(resource) }
    output.result({ name: asked.name, outcome: found, error, policies: deciding, ...named, context }, () => [
      `${printable(asked.name)}: ${styled(['bold', found === 'permit' ? 'green' : 'red'], found)}`,
      ...(error === null ? [] : [`  ${printable(error)}`]),
      ...(deciding.length === 0 && error === null ? ['  no policy permits it'] : []),
      ...deciding.flatMap(({ id, text }) => [
        styled('bold', id),
        ...text
          .trimEnd()
          .split('\n')
          .map(line => `  ${printable(line)}`),
      ]),
      `principal  ${printable(named.principal)}`,
      `action     ${named.action}`,
      `resource   ${named.resource}`,
      'context',
      ...JSON.stringify(context, null, 2)
        .split('\n')
        .map(line => `  ${printable(line)}`),
    ])
    return found === 'permit' ? EXIT.done : EXIT.refused
  })
}

function chosen(cases: readonly PolicyCase[], name: string | undefined): PolicyCase {
  const found =
    name === undefined ? (cases.length === 1 ? cases[0] : undefined) : cases.find(it => it.name === name)
  if (found !== undefined) return found
  const names = cases.slice(0, 20).map(it => JSON.stringify(it.name))
  throw new CliError(
    'USAGE',
    name === undefined ? 'the file has several cases' : `no case is called ${name}`,
    {
      next: `Give --case, one of ${names.join(', ')}.`,
    },
  )
}
