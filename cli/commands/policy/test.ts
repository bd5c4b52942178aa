import type { Command } from 'commander'
import { addCommand, addNote, setAction } from '../../command.ts'
import { EXIT } from '../../error.ts'
import { printable, styled } from '../../output.ts'
import { answerer, type CaseAnswer, readCases, readPolicies } from '../../policy-cases.ts'

export function addPolicyTest(parent: Command): void {
  const command = addCommand(
    parent,
    'test <policies> <cases>',
    'Ask policies about described requests, and hold each answer against what is expected.',
    `writ policy test policies/ cases.toml
     writ policy test policy.json cases.json --cover-all`,
    {
      passed: 'boolean',
      cases: [
        {
          name: 'text',
          passed: 'boolean',
          expected: 'text: permit, deny or error',
          found: 'text',
          policies: ['text: those that decided, or failed to evaluate'],
          'error|null': 'text: why the policies said nothing',
        },
      ],
      uncovered: ['text: policies that decided no case'],
    },
  ).option('--cover-all', 'fail when a policy decides no case')
  addNote(
    command,
    'Policies are a directory as `writ policy sign` takes it, or a signed bundle, whose signature is not looked at. Cases are a TOML or\n' +
      'JSON file (docs/policy.md). Exit status: 1 if a case has another answer than expected.',
  )
  setAction<{ coverAll?: boolean }>(command, async ({ args, options, output }) => {
    const [policies = '', file = ''] = args
    const bundle = await readPolicies(policies)
    const answers = (await readCases(file)).map(answerer(bundle))
    const decided = new Set(answers.flatMap(answer => answer.policies))
    const uncovered = Object.keys(bundle.policies).filter(id => !decided.has(id))
    const failed = answers.filter(({ wrong }) => wrong !== null)
    const passed = failed.length === 0 && (options.coverAll !== true || uncovered.length === 0)
    const cases = answers.map(({ wrong, ...answer }) => ({ ...answer, passed: wrong === null }))
    output.result({ passed, cases, uncovered }, () => [
      ...answers.flatMap(caseLines),
      ...uncovered.map(id => styled('yellow', `no case is decided by ${id}`)),
      `${answers.length - failed.length} of ${answers.length} cases are as expected; ${decided.size} of ${Object.keys(bundle.policies).length} policies decide one`,
    ])
    return passed ? EXIT.done : EXIT.refused
  })
}

function caseLines({ name, found, policies, wrong, error }: CaseAnswer): string[] {
  const mark = wrong === null ? styled('green', 'ok     ') : styled('red', 'FAILED ')
  const by = policies.length === 0 ? '' : ` by ${policies.join(', ')}`
  return [
    `${mark} ${printable(name)}: ${wrong ?? `${found}${by}`}`,
    ...(error === null ? [] : [`        ${printable(error)}`]),
  ]
}
