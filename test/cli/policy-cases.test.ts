import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { temporaryDirectory, writ } from './cli.ts'

const dir = temporaryDirectory()
afterAll(() => dir.remove())
const run = (...args: string[]) => writ(args, { cwd: dir.path })
const json = async (...args: string[]) => {
  const { status, stdout, stderr } = await run(...args, '--json')
  if (stdout === '') throw new Error(`${status}: ${stderr}`)
  return { status, ...JSON.parse(stdout) }
}
const PROGRAM = 'ab'.repeat(32)
const write = (name: string, text: string) => writeFileSync(dir.in(name), text)

beforeAll(async () => {
  mkdirSync(dir.in('policies'))
  write(
    'policies/ml.cedar',
    'permit (principal in Writ::Group::"ml", action, resource) when { context.attestation.tier == "hardware" };\n',
  )
  write(
    'policies/gpu.cedar',
    'permit (principal, action, resource) when { context.hostLabels.contains("gpu") && context.parents.depth == 1 };\n',
  )
  write(
    'policies/no-net.cedar',
    'forbid (principal, action, resource) when { context.request.network == "host" };\n',
  )
  write(
    'policies/overflow.cedar',
    'forbid (principal, action, resource) when { context.caller.uid + 9223372036854775807 > 0 && false };\n',
  )
  write(
    'policies/entities.json',
    '[{"uid":{"type":"Writ::User","id":"1000"},"attrs":{},"parents":[{"type":"Writ::Group","id":"ml"}]}]',
  )
  await run('key', 'new', 'operator')
})

const CASES = `
[[case]]
name = "ml"
expect = "permit"
policies = ["ml"]
[[case]]
name = "simulated"
expect = "deny"
policies = []
request = { attestation = { tier = "simulated" } }
[[case]]
name = "a child on a gpu"
expect = "permit"
policies = ["gpu"]
[case.request]
now = 2026-11-21T02:00:00Z
hostLabels = ["gpu"]
caller = { uid = 0 }
parents = [{ execution = "${'1'.repeat(32)}", program = "${PROGRAM}" }]
[[case]]
name = "network"
expect = "deny"
policies = ["no-net"]
request = { request = { network = "host" } }
`

describe('writ policy test', () => {
  beforeAll(() => {
    mkdirSync(dir.in('sound'))
    for (const name of ['ml.cedar', 'gpu.cedar', 'no-net.cedar', 'entities.json'])
      write(`sound/${name}`, readFileSync(dir.in(`policies/${name}`), 'utf8'))
    write('cases.toml', CASES)
  })

  test('passes when every case is as expected, and names what is never decided', async () => {
    const done = await json('policy', 'test', 'sound', 'cases.toml')
    expect(done).toMatchObject({ status: 0, passed: true, uncovered: [] })
    expect(done.cases.map((it: { found: string; policies: string[] }) => [it.found, ...it.policies])).toEqual(
      [['permit', 'ml'], ['deny'], ['permit', 'gpu'], ['deny', 'no-net']],
    )
    write('one.json', '{"case":[{"name":"ml","expect":"permit"}]}')
    expect(await json('policy', 'test', 'sound', 'one.json')).toMatchObject({
      ...{ status: 0, uncovered: ['gpu', 'no-net'] },
    })
    expect(await json('policy', 'test', 'sound', 'one.json', '--cover-all')).toMatchObject({
      status: 1,
      passed: false,
    })
  })

  test.each([
    ['another outcome', '{"case":[{"name":"x","expect":"deny"}]}', 'permit by ml, not deny'],
    ['another policy', '{"case":[{"name":"x","expect":"permit","policies":["gpu"]}]}', 'not by gpu'],
    [
      'one policy more',
      '{"case":[{"name":"x","expect":"permit","policies":["ml","gpu"]}]}',
      'not by ml, gpu',
    ],
  ])('fails by %s', async (what, text, said) => {
    write(`${what}.json`, text)
    const { status, stdout } = await run('policy', 'test', 'sound', `${what}.json`)
    expect({ status, said: stdout.includes(said) }).toEqual({ status: 1, said: true })
  })

  test('sees what a host would see: a policy that fails is an error, and so is a bundle that is over', async () => {
    write(
      'error.json',
      `{"case":[{"name":"x","expect":"error","policies":["overflow"],"request":{"caller":{"uid":1}}}]}`,
    )
    expect(await json('policy', 'test', 'policies', 'error.json')).toMatchObject({ status: 0 })
    await run(
      'policy',
      'sign',
      'sound',
      '--version',
      '1',
      '--valid',
      '1h',
      '--key',
      'operator.key',
      '--out',
      'b.json',
    )
    write(
      'late.json',
      '{"case":[{"name":"now","expect":"permit"},{"name":"late","expect":"error","request":{"now":"2999-01-01T00:00:00.000Z"}}]}',
    )
    const { cases, status } = await json('policy', 'test', 'b.json', 'late.json')
    expect(status).toBe(0)
    expect(cases[1].error).toMatch(/^the policy was valid until /)
  })

  test.each([
    ['no case', '{"case":[]}'],
    ['a member that is not known', '{"case":[{"name":"x","expect":"permit","request":{"calller":{}}}]}'],
    ['an expectation that is none', '{"case":[{"name":"x","expect":"allow"}]}'],
    ['two cases of one name', '{"case":[{"name":"x","expect":"deny"},{"name":"x","expect":"deny"}]}'],
    [
      'a claim out of range',
      '{"case":[{"name":"x","expect":"deny","request":{"attestation":{"claims":{"hardware":128}}}}]}',
    ],
    ['no JSON', '{"case":'],
  ])('refuses %s by name', async (what, text) => {
    write(`${what}.json`, text)
    const { status, stderr } = await run('policy', 'test', 'sound', `${what}.json`)
    expect(status).not.toBe(0)
    expect(stderr).toContain(`${what}.json`)
  })

  test('refuses TOML that is none, and policies that a host would refuse', async () => {
    write('bad.toml', 'case = [')
    expect((await run('policy', 'test', 'sound', 'bad.toml')).stderr).toContain('bad.toml')
    mkdirSync(dir.in('advisory'))
    write(
      'advisory/a.cedar',
      `permit (principal, action, resource) when { context.advisory.program == "${PROGRAM}" };`,
    )
    expect((await run('policy', 'test', 'advisory', 'cases.toml')).stderr).toContain('context.advisory')
  })
})

test('the example of docs/policy.md is one', async () => {
  const [, example = ''] = /```toml\n(.*?)```/s.exec(readFileSync('docs/policy.md', 'utf8')) ?? []
  write('example.toml', example)
  expect(await json('policy', 'test', 'sound', 'example.toml')).toMatchObject({
    ...{ status: 0, cases: [{ name: 'the ml group on hardware' }, { name: 'nobody else' }] },
  })
})

describe('writ policy explain', () => {
  test('says who decides, and what they see', async () => {
    const said = await json('policy', 'explain', 'sound', 'cases.toml', '--case', 'a child on a gpu')
    expect(said).toMatchObject({
      status: 0,
      outcome: 'permit',
      policies: [{ id: 'gpu', text: readFileSync(dir.in('sound/gpu.cedar'), 'utf8') }],
      principal: `Writ::Execution::"${'1'.repeat(32)}"`,
      context: {
        hostLabels: ['gpu'],
        parents: { depth: 1, programs: [PROGRAM] },
        now: Date.parse('2026-11-21T02:00:00Z'),
      },
    })
    const { status, stdout } = await run('policy', 'explain', 'sound', 'cases.toml', '--case', 'simulated')
    expect(status).toBe(1)
    expect(stdout).toContain('no policy permits it')
  })

  test('shows the present as the time of a case that has none', async () => {
    const before = Date.now()
    const said = await json('policy', 'explain', 'sound', 'example.toml', '--case', 'nobody else')
    expect(said.context.now).toBeGreaterThanOrEqual(before)
  })

  test('wants to know which case, and one that is there', async () => {
    for (const more of [[], ['--case', 'none']])
      expect((await run('policy', 'explain', 'sound', 'cases.toml', ...more)).stderr).toContain(
        '"a child on a gpu"',
      )
  })
})
