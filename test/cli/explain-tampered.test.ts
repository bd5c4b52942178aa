import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LineageEvent } from '../../lineage/index.ts'
import { writ } from './cli.ts'
import { eventsOf, forge, recordOf, withRecord } from './forge.ts'
import { IS_ROOT, issueOptions, NEEDS_ROOT, type QuietSite, startAfter } from './site.ts'

type Decision = Extract<LineageEvent, { type: 'decision' }>

describe.skipIf(!IS_ROOT)(`a request explained from what was tampered with (${NEEDS_ROOT})`, () => {
  let site: QuietSite
  let bundle: string
  let events: LineageEvent[]
  let key: string[]
  const scratch = (name: string) => site.workspace.path(name)

  beforeAll(async () => {
    ;({ site, bundle } = await startAfter('explained-site', async (site, writ) => {
      const artifact = site.workspace.path('artifact.json')
      expect((await writ([...issueOptions(site, artifact), '/usr/bin/true'])).stderr).toBe('')
      const run = ['run', '--artifact', artifact, '--', '/usr/bin/true']
      expect((await writ(run)).status).toBe(0)
      expect((await writ([...run, 'more'])).stderr).toContain('SCOPE_EXCEEDED')
    }))
    key = ['--operator-key', join(site.operator, 'operator.pub')]
    events = await eventsOf(bundle)
  }, 240_000)
  afterAll(() => site?.workspace.close(), 60_000)

  /** Position of the first decision that fits. */
  const decision = (fits: (event: Decision) => boolean): string => {
    const index = events.findIndex(event => event.type === 'decision' && fits(event))
    return index === -1 ? expect.fail('no such decision') : String(index)
  }
  const permit = () => decision(({ outcome }) => outcome === 'permit')

  test('a flipped byte in the record', async () => {
    const copy = scratch('flipped')
    cpSync(bundle, copy, { recursive: true })
    const event = events[Number(permit())] as Decision
    const carried = event.inline[event.record] ?? expect.fail('the entry carries its record')
    const path = join(copy, 'lineage/tile/entries', `000.p/${events.length}`)
    const text = readFileSync(path, 'latin1')
    const flipped = carried[40] === 'A' ? 'B' : 'A'
    writeFileSync(
      path,
      text.replace(carried, `${carried.slice(0, 40)}${flipped}${carried.slice(41)}`),
      'latin1',
    )
    const { status, stdout } = await writ(['explain', permit(), '--bundle', copy])
    expect(status).toBe(1)
    expect(stdout).toMatch(/FAILED +decision evaluated again/)
    expect(stdout).toMatch(/FAILED +inclusion of its entries/)
    rmSync(copy, { recursive: true })
  })

  test('a flipped byte in the policy that it names', async () => {
    const copy = scratch('policy')
    cpSync(bundle, copy, { recursive: true })
    const blob = recordOf(events[Number(permit())] as Decision).inputs?.policy ?? expect.fail()
    const path = join(copy, 'lineage/evidence/sha256', blob.slice(0, 2), blob.slice(2))
    const bytes = readFileSync(path)
    bytes.writeUInt8(bytes.readUInt8(40) ^ 1, 40)
    writeFileSync(path, bytes)
    const { status, stdout } = await writ(['explain', permit(), '--bundle', copy])
    expect(status).toBe(1)
    expect(stdout).toMatch(/^Permitted: /)
    expect(stdout).toMatch(/Checks +not shown/)
    expect(stdout).toMatch(/FAILED +decision evaluated again/)
    rmSync(copy, { recursive: true })
  })

  test('a flipped byte in the entries: its proof does not lead to the signed root', async () => {
    const copy = scratch('entries')
    cpSync(bundle, copy, { recursive: true })
    const path = join(copy, 'lineage/tile/entries', `000.p/${events.length}`)
    const text = readFileSync(path, 'latin1')
    writeFileSync(
      path,
      text.replace(/"pid":(\d)/, (_, digit) => `"pid":${(Number(digit) % 9) + 1}`),
      'latin1',
    )
    const { status, stdout } = await writ(['explain', permit(), '--bundle', copy])
    expect(status).toBe(1)
    expect(stdout).toMatch(/FAILED +inclusion of its entries/)
    rmSync(copy, { recursive: true })
  })

  /** What a lying host can write, and have its TPM sign. */
  const lies: readonly [what: string, said: RegExp, lie: (all: LineageEvent[]) => LineageEvent[]][] = [
    [
      'another request in a record',
      /decision evaluated again: evaluated again, the decision is another one/,
      all =>
        changeDenied(all, event => {
          const { inputs, ...record } = recordOf(event)
          const request = inputs && { ...inputs.request, argv: ['/usr/bin/true'] }
          return withRecord(event, { ...record, inputs: { ...inputs, request } })
        }),
    ],
    [
      'another caller in an entry',
      /decision evaluated again: entry and record differ in the caller/,
      all => changeDenied(all, event => ({ ...event, caller: { ...event.caller, gid: 4711 } })),
    ],
    [
      'another epoch than the gate had',
      /grounds of the decision: the gate was .* in epoch 6/,
      all =>
        changeDenied(all, event => {
          const { inputs, ...record } = recordOf(event)
          const gate = inputs && { ...inputs.gate, epoch: 6 }
          return withRecord(event, { ...record, inputs: { ...inputs, gate } })
        }),
    ],
    [
      'the quote of another appraisal',
      /quote of the evidence: /,
      all => {
        const [first] = all.flatMap(event => (event.type === 'appraisal' ? [event.evidence] : []))
        const index = Number(recordOf(all[denial()] as Decision).inputs?.gate.appraisalIndex)
        return all.map((event, i) =>
          i === index && event.type === 'appraisal' && first !== undefined
            ? { ...event, evidence: { ...event.evidence, attest: first.signature } }
            : event,
        )
      },
    ],
  ]
  const denial = () => Number(decision(event => event.reasons.some(({ code }) => code === 'SCOPE_EXCEEDED')))
  const changeDenied = (all: LineageEvent[], change: (event: Decision) => LineageEvent) =>
    all.map((event, i) => (i === denial() ? change(event as Decision) : event))
  test.each(lies)(
    'a history that a lying host wrote and its TPM signed: %s',
    async (_what, said, lie) => {
      const to = await forge(site, bundle, scratch('forged'), lie)
      const { status, stdout } = await writ(['explain', String(denial()), '--bundle', to, ...key])
      rmSync(to, { recursive: true })
      expect(status).toBe(1)
      expect(stdout).toMatch(/VERIFIED +TPM signature of the checkpoint/)
      expect(stdout).toMatch(/VERIFIED +inclusion of its entries/)
      const failed = stdout.split('\n').filter(line => /^ +FAILED/.test(line))
      expect(failed.join('\n')).toMatch(said)
    },
    60_000,
  )
})
