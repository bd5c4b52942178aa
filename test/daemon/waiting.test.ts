import { describe, expect, test } from 'vitest'
import { TpmError } from '../../attestation/tpm2/index.ts'
import { type DaemonCore, StartingError } from '../../daemon/core.ts'
import { SwitchedCore, Waiting } from '../../daemon/waiting.ts'

const UID = 1000
const DENIED = ['ATTESTATION_STALE', 'LINEAGE_UNAVAILABLE']

class Counts {
  readonly all: [uid: number, codes: readonly string[], times: number][] = []
  count(uid: number, codes: readonly string[], times = 1): void {
    this.all.push([uid, codes, times])
  }
}

function world() {
  const waiting = new Waiting('host', '1.0.0')
  const core = waiting.core()
  const deny = () =>
    core.authorize({ uid: UID } as never, {} as never, undefined as never, undefined as never).then(
      () => null,
      error => error,
    )
  return { waiting, core, deny, counts: new Counts() }
}

/** What a watch says, once it has ended by itself; null if it does not. */
async function watched(statuses: AsyncIterable<{ state?: unknown }>): Promise<unknown[] | null> {
  const all = (async () => {
    const states: unknown[] = []
    for await (const { state } of statuses) states.push(state)
    return states
  })()
  return Promise.race([all, new Promise<null>(resolve => setTimeout(resolve, 500, null))])
}

describe('before the daemon has begun its work', () => {
  test('every request for a decision is denied and counted, and the count is recorded once', async () => {
    const { waiting, core, deny, counts } = world()
    await deny()
    expect(await deny()).toMatchObject({
      reasons: [{ code: 'ATTESTATION_STALE' }, { code: 'LINEAGE_UNAVAILABLE' }],
    })
    core.countDenial(UID, 'CAPACITY')
    waiting.recordIn(counts)
    waiting.end()
    expect(counts.all).toEqual([
      [UID, DENIED, 2],
      [UID, ['CAPACITY'], 1],
    ])
  })

  test('what is denied when there is a log already, and nothing serves yet, is recorded too', async () => {
    const { waiting, core, deny, counts } = world()
    waiting.recordIn(counts)
    await deny()
    core.countDenial(UID, 'CAPACITY')
    waiting.end()
    await deny()
    expect(counts.all).toEqual([
      [UID, DENIED, 1],
      [UID, ['CAPACITY'], 1],
      [UID, DENIED, 1],
    ])
  })

  test('says that it is starting, and that it waits for the TPM only when it does', async () => {
    const { waiting, core, deny } = world()
    const reasons = () => core.getStatus().reasons
    expect(reasons()).toMatchObject([{ code: 'NOT_YET_APPRAISED', message: 'the daemon is starting' }])
    expect(String(await deny())).not.toContain('TPM')
    expect(() => core.getReport(undefined as never, undefined as never)).toThrow(StartingError)
    waiting.tpm = new TpmError('TPM_TIMEOUT', 'no answer')
    expect(reasons()).toMatchObject([{ code: 'TPM_TIMEOUT', message: 'no answer' }])
    expect(() => core.getReport(undefined as never, undefined as never)).toThrow(
      /waits for its TPM: no answer/,
    )
  })
})

describe('a watch of the status', () => {
  test('ends when the daemon begins its work', async () => {
    const { waiting, core } = world()
    const states = watched(core.watchStatus(new AbortController().signal))
    await new Promise(resolve => setTimeout(resolve, 20))
    waiting.end()
    expect(await states).toEqual(['GATE_STATE_UNATTESTED'])
  })

  test('ends when its caller leaves', async () => {
    const { core } = world()
    const caller = new AbortController()
    const states = watched(core.watchStatus(caller.signal))
    await new Promise(resolve => setTimeout(resolve, 20))
    caller.abort()
    expect(await states).toEqual(['GATE_STATE_UNATTESTED'])
  })

  test('ends when either had happened before it went on', async () => {
    const begun = world()
    begun.waiting.end()
    expect(await watched(begun.core.watchStatus(new AbortController().signal))).not.toBeNull()
    expect(await watched(world().core.watchStatus(AbortSignal.abort()))).not.toBeNull()
  })

  test('that is asked for again when it has ended goes to what serves now', async () => {
    const { waiting, core } = world()
    const serving = new SwitchedCore()
    serving.current = core
    const states = watched(serving.core.watchStatus(new AbortController().signal))
    const next = { getStatus: () => ({ state: 'GATE_STATE_ATTESTED' }) } as unknown as DaemonCore
    serving.current = next
    waiting.end()
    expect(await states).toEqual(['GATE_STATE_UNATTESTED'])
    expect(serving.core.getStatus().state).toBe('GATE_STATE_ATTESTED')
  })
})
