import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { firstDifference } from '../../cli/replay/difference.ts'
import { type Replayed, replayBundle } from '../../cli/replay/replay.ts'
import { allVerified } from '../../cli/verify/property.ts'
import type { VerifyTrust } from '../../cli/verify/verify.ts'
import type { JsonValue } from '../../encoding/json.ts'
import { blobPath } from '../../lineage/blob-store.ts'
import type { LineageEvent } from '../../lineage/index.ts'
import { readPublicKey } from '../../signing/key.ts'
import { writ } from './cli.ts'
import { eventsOf, forge, recordOf, withRecord } from './forge.ts'
import { IS_ROOT, NEEDS_ROOT, type QuietSite } from './site.ts'
import { find, startVerifiedSite } from './verified-site.ts'

type Decision = LineageEvent & { type: 'decision' }

describe.skipIf(!IS_ROOT)(`decisions of a real bundle, replayed (${NEEDS_ROOT})`, () => {
  let site: QuietSite
  let bundle: string
  let trust: VerifyTrust
  let key: string[]
  let decisions: number
  const scratch = (name: string) => site.workspace.path(name)
  const isDecision = (event: LineageEvent): event is Decision => event.type === 'decision'

  beforeAll(async () => {
    ;({ site, bundle, trust } = await startVerifiedSite())
    key = ['--operator-key', join(site.operator, 'operator.pub')]
    decisions = (await eventsOf(bundle)).filter(isDecision).length
  }, 180_000)
  afterAll(() => site?.workspace.close(), 60_000)

  /** Replays a history that was written anew by somebody who has the TPM. */
  async function forged(
    name: string,
    change: (event: Decision, index: number) => LineageEvent,
  ): Promise<Replayed> {
    let seen = 0
    const to = await forge(site, bundle, scratch(name), events =>
      events.map(event => (isDecision(event) ? change(event, seen++) : event)),
    )
    return replayBundle(to, trust)
  }

  test('each the same bytes again, permits and denials, and all that was asked is verified', async () => {
    const result = await replayBundle(bundle, trust)
    expect(result.deviations).toEqual([])
    expect(result.same).toBe(decisions)
    expect(result.permits).toBeGreaterThan(0)
    expect(result.denials).toBeGreaterThan(2)
    expect(result.recordedBy).toHaveLength(1)
    expect(allVerified(result.properties)).toBe(true)
  })

  test('wherever and whenever it runs: another zone, locale, directory, heap, and no keys at all', async () => {
    const empty = scratch('elsewhere')
    mkdirSync(empty)
    const places: [cwd: string, env: Record<string, string>, keys: string[]][] = [
      ['/', { TZ: 'Pacific/Kiritimati', LC_ALL: 'tr_TR.UTF-8', LANG: 'tr_TR.UTF-8' }, key],
      [
        empty,
        {
          TZ: 'America/St_Johns',
          LC_ALL: 'C',
          NODE_OPTIONS: '--max-old-space-size=96 --stack-trace-limit=0',
        },
        key,
      ],
      ['/tmp', { TZ: 'UTC' }, []],
    ]
    const said = await Promise.all(
      places.map(async ([cwd, env, keys]) => {
        const { status, stdout, stderr } = await writ(['replay', bundle, ...keys, '--json'], { cwd, env })
        expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
        const { properties, ...counts } = JSON.parse(stdout)
        return counts
      }),
    )
    expect(said[0]).toMatchObject({ replayed: true, same: decisions, deviations: [] })
    expect(new Set(said.map(counts => JSON.stringify(counts))).size).toBe(1)
  })

  test('as a program: exit status 0 and 1, a line for each deviation, and what was not checked is said', async () => {
    const good = await writ(['replay', bundle, ...key])
    expect(good.status).toBe(0)
    expect(good.stdout).toContain(`${decisions} of ${decisions} the same bytes again`)
    const unsigned = await writ(['replay', bundle])
    expect(unsigned.status).toBe(0)
    expect(unsigned.stdout).toMatch(/NOT CHECKED +documents signed by the operator/)
    const stranger = await writ(['replay', bundle, '--operator-key', join(site.operator, 'stranger.pub')])
    expect(stranger.status).toBe(1)
    expect(stranger.stdout).toMatch(/^unknown +decision \d+: DOCUMENT_UNSIGNED/m)
    expect((await writ(['replay', scratch('nothing'), ...key])).status).toBe(2)
  })

  test('finds a record whose inputs lead elsewhere, and names the first field', async () => {
    const permit = await forged('outcome', event => {
      const record = recordOf(event)
      if (event.outcome !== 'deny') return event
      return withRecord({ ...event, outcome: 'permit', reasons: [] }, { ...record, outcome: 'permit' })
    })
    expect(permit.deviations.length).toBeGreaterThan(2)
    for (const deviation of permit.deviations)
      expect(deviation).toMatchObject({
        outcome: 'differs',
        at: 'outcome',
        recorded: '"permit"',
        expected: '"deny"',
        code: null,
      })
    expect(permit.same).toBe(decisions - permit.deviations.length)
    expect(allVerified(permit.properties)).toBe(false)

    const inputs = await forged('inputs', event => {
      const record = recordOf(event)
      if (event.outcome !== 'permit' || record.inputs === null) return event
      return withRecord(event, { ...record, inputs: { ...record.inputs, lineage: 'broken' } })
    })
    expect(inputs.deviations).toHaveLength(1)
    expect(inputs.deviations[0]).toMatchObject({ at: 'outcome', recorded: '"permit"', expected: '"deny"' })
  })

  test('finds an entry that says something else than its record', async () => {
    const { deviations } = await forged('entry', event =>
      event.outcome === 'permit' && event.use !== null
        ? { ...event, use: { ...event.use, maxUses: null } }
        : event,
    )
    expect(deviations.map(({ outcome, message }) => [outcome, message])).toEqual([
      ['differs', 'entry and record differ in the use'],
    ])
  })

  test('a record of another version is refused by name, and is never read as one of this', async () => {
    const { deviations } = await forged('version', (event, index) =>
      index > 1
        ? event
        : withRecord(event, {
            ...recordOf(event),
            ...(index === 0 ? { v: 2 } : { type: 'https://writ.dev/decision/v9' }),
          }),
    )
    expect(deviations.map(({ outcome, code }) => ({ outcome, code }))).toEqual(
      Array(2).fill({ outcome: 'unknown', code: 'RECORD_VERSION_UNKNOWN' }),
    )
    expect(deviations[0]?.message).toContain('version 2')
    expect(deviations[1]?.message).toContain('https://writ.dev/decision/v9')
  })

  test('finds a blob that is missing, and one that was changed', async () => {
    const permit = (await eventsOf(bundle)).filter(isDecision).find(event => event.outcome === 'permit')
    const policy = recordOf(permit ?? expect.fail('no permit')).inputs?.policy ?? ''
    const copy = scratch('blobs')
    const path = join(copy, 'lineage', blobPath(policy))
    cpSync(bundle, copy, { recursive: true })
    const bytes = readFileSync(path)
    writeFileSync(path, Buffer.concat([bytes, Buffer.from(' ')]))
    const changed = await replayBundle(copy, trust)
    expect(changed.deviations.map(({ code }) => code)).toContain('BLOB_MISSING')
    expect(changed.deviations[0]?.message).toContain(policy)
    rmSync(path)
    const missing = await replayBundle(copy, trust)
    expect(new Set(missing.deviations.map(({ code }) => code))).toEqual(new Set(['BLOB_MISSING']))
    expect(allVerified(missing.properties)).toBe(false)
    // Whoever gives no keys has asked for no signature, and hears of a missing blob all the same.
    const { status } = await writ(['replay', copy])
    expect(status).toBe(1)
  })

  test('a log that was cut, or has no decision, replays nothing', async () => {
    const cut = scratch('cut')
    cpSync(bundle, cut, { recursive: true })
    rmSync(join(cut, 'lineage/tile/entries'), { recursive: true })
    const nothing = await replayBundle(cut, { ...trust, operators: [] })
    expect(find(nothing.properties, 'decisions evaluated again').status).toBe('FAILED')
    const none = await forge(site, bundle, scratch('none-decided'), events =>
      events.filter(event => !isDecision(event)),
    )
    const { properties } = await replayBundle(none, trust)
    expect(find(properties, 'decisions evaluated again')).toMatchObject({
      status: 'FAILED',
      detail: 'the log has no decision',
    })
  })

  test('believes no key of the bundle', async () => {
    const stranger = readPublicKey(readFileSync(join(site.operator, 'stranger.pub'), 'utf8'))
    const result = await replayBundle(bundle, { ...trust, operators: [stranger] })
    expect(find(result.properties, 'documents signed by the operator').status).toBe('FAILED')
    expect(result.deviations.length).toBeGreaterThan(0)
  })
})

describe('the first field that differs', () => {
  const cases: [recorded: JsonValue, expected: JsonValue, at: string | null][] = [
    [{ a: 1, b: [1, { c: 2 }] }, { b: [1, { c: 2 }], a: 1 }, null],
    [{ a: 1, b: [1, { c: 2 }] }, { a: 1, b: [1, { c: 3 }] }, 'b[1].c'],
    [{ a: 1, outcome: 'deny' }, { a: 2, outcome: 'permit' }, 'outcome'],
    [{ a: [1] }, { a: [1, 2] }, 'a[1]'],
    [{ a: [1] }, { a: { 0: 1 } }, 'a'],
    [{ a: null }, {}, 'a'],
    [{}, { a: null }, 'a'],
    [null, {}, ''],
    [JSON.parse('{"__proto__":1}'), {}, '__proto__'],
  ]
  test.each(cases)('%j and %j: %s', (recorded, expected, at) => {
    expect(firstDifference(recorded, expected)?.at ?? null).toBe(at)
  })
})
