import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseRecord } from '../../authorization/index.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { inlineBlob } from '../../lineage/index.ts'
import { WritClient } from '../../proto/client.ts'
import { ofType, readLineage } from './audit.ts'
import { type Finished, GovernedHost, NEEDS_ROOT } from './governed-host.ts'

const USER = 65_311
const TRUE = ['/bin/true']

describe.skipIf(NEEDS_ROOT !== null)('artifacts for callers of one program (needs root)', () => {
  let host: GovernedHost
  let daemon: WritClient
  /** What executes `writ` here. */
  const node = sha256Hex(readFileSync(process.execPath))

  beforeAll(async () => {
    host = await GovernedHost.start()
    daemon = new WritClient(host.socket)
  }, 120_000)
  afterAll(async () => {
    daemon?.close()
    await host?.close()
  })

  /** Runs under an artifact for one caller's program; null: for any. Gives with it the program that the record of the decision has. */
  async function run(name: string, program: string | null, uid: number) {
    const limit = program === null ? [] : ['--caller-program', program]
    const artifact = await host.issue(name, TRUE, ['--uid', `${uid}`, ...limit])
    const done: Finished = await host.writ(['run', '--artifact', artifact, '--', ...TRUE], { uid })
    const event = ofType(await readLineage(daemon), 'decision').at(-1)?.event
    if (event === undefined) throw new Error('no decision')
    const { inputs, outcome } = parseRecord(inlineBlob(event, event.record) ?? Buffer.alloc(0))
    return { ...done, outcome, uid: inputs?.caller?.uid, program: inputs?.caller?.program }
  }

  test('permit the right one, and the record has its digest', async () => {
    const { stderr, ...found } = await run('right', node, USER)
    expect({ ...found, stderr }).toMatchObject({ code: 0, outcome: 'permit', uid: USER, program: node })
  })

  test('deny another, and the record has whose it was', async () => {
    const { code, stderr, ...found } = await run('other', 'ab'.repeat(32), USER)
    expect(code).not.toBe(0)
    expect(stderr).toContain('INITIATOR_MISMATCH')
    expect(stderr).toContain(`not for the program ${node}`)
    expect(found).toMatchObject({ outcome: 'deny', uid: USER, program: node })
  })

  test('deny root, whose program nobody looks at, and the log says why', async () => {
    const { code, stderr, ...found } = await run('root', node, 0)
    expect(code).not.toBe(0)
    expect(stderr).toContain("the caller's program is not known")
    expect(found).toMatchObject({ outcome: 'deny', uid: 0, program: null })
    expect(host.daemonLog).toContain('CALLER: CALLER_UNKNOWN (EPERM)')
  })

  test('of which none limits the program look at nobody', async () => {
    expect(await run('any', null, USER)).toMatchObject({ code: 0, outcome: 'permit', program: null })
  })

  test('wait for a launcher that is slow, and hold up nobody else', async () => {
    const artifact = await host.issue('late', TRUE, ['--uid', `${USER}`, '--caller-program', node])
    const running = host.writ(['run', '--artifact', artifact, '--', ...TRUE], { uid: USER })
    process.kill(host.launcherPid, 'SIGSTOP')
    try {
      expect(await Promise.race([running, new Promise(resolve => setTimeout(resolve, 1000, 'waits'))])).toBe(
        'waits',
      )
      // The daemon serves others meanwhile.
      expect((await host.status()).state).toBe('ATTESTED')
    } finally {
      process.kill(host.launcherPid, 'SIGCONT')
    }
    expect(await running).toMatchObject({ code: 0 })
  }, 30_000)

  test('have decisions that come out the same again', async () => {
    await host.ok('lineage', 'export', host.path('bundle'), '--state-dir', host.path('state'))
    const replay = ['replay', host.path('bundle'), '--operator-key', host.path('operator.pub'), '--json']
    const { permits, denials, deviations } = JSON.parse((await host.writ(replay)).stdout)
    expect({ permits, denials, deviations }).toEqual({ permits: 3, denials: 2, deviations: [] })
  }, 60_000)
})
