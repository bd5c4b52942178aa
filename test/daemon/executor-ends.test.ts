import { describe, expect, test } from 'vitest'
import { readRevocation, signRevocation } from '../../authorization/index.ts'
import { History } from '../../daemon/history/history.ts'
import { LauncherError } from '../../daemon/launcher/error.ts'
import { governance, HOST } from '../authorization/scenario.ts'
import { faultyIo } from '../lineage/support/faulty-io.ts'
import { type Counted, counted } from './support/counted-streams.ts'
import { never, permit, running } from './support/executions.ts'
import { ofType, peer, streams, world } from './support/world.ts'

describe('an end', () => {
  test('is ordered before anything is written, and recorded once', async () => {
    const w = await world()
    const { id, done } = await running(w)
    const size = w.lineage.size
    w.executor.kill(id, 'TERMINATED')
    expect(w.launcher.steps.at(-1)).toBe('kill TERMINATED')
    expect(w.lineage.size).toBe(size)
    // The first order counts, and until it is dead.
    const askedNs = w.time.bootNs
    expect(w.executor.endings.oldestAskedNs).toBe(askedNs)
    w.launcher.emit('kill-sent', { executionId: id, cause: 'TERMINATED', bootNs: 1n })
    w.launcher.emit('kill-sent', { executionId: id, cause: 'TERMINATED', bootNs: 1n })
    expect(w.registry.get(id)?.state).toBe('ENDING')
    w.time.bootNs = 8_000_000_000n
    w.executor.kill(id, 'TERMINATED')
    expect(w.executor.endings.oldestAskedNs).toBe(askedNs)
    w.launcher.end(id, { cause: 'TERMINATED', signal: 9 })
    expect(await done).toMatchObject({ cause: 'END_CAUSE_TERMINATED', signal: 9 })
    expect(w.executor.endings.oldestAskedNs).toBeNull()
    expect(ofType(await w.events(), 'kill-sent')).toHaveLength(1)
  })

  test('happens though the log is gone', async () => {
    const io = faultyIo()
    const w = await world({ io })
    const { id, done } = await running(w)
    io.fail('fdatasync', 1, 'did not persist')
    w.executor.kill(id, 'REVOKED')
    w.launcher.emit('kill-sent', { executionId: id, cause: 'REVOKED', bootNs: 1n })
    w.launcher.end(id, { cause: 'REVOKED', signal: 9 })
    expect(await done).toMatchObject({ cause: 'END_CAUSE_REVOKED', confirmedDead: true })
    expect(io.happened).toBe(true)
    expect(w.launcher.steps).toContain('kill REVOKED')
    expect(w.registry.get(id)?.state).toBe('ENDED')
  })

  test('of all of an epoch is one order to the launcher, at once', async () => {
    const w = await world()
    const { id, done } = await running(w)
    w.gate.on('transition', ({ epoch }) => w.executor.lapse(epoch - 1n, false))
    w.gate.close('FAILED', [])
    expect(w.launcher.steps.at(-1)).toBe('lapse 1')
    expect(w.registry.get(id)?.state).toBe('ENDING')
    w.launcher.end(id, { cause: 'LAPSE', signal: 9, bootNs: w.time.bootNs + 3_000_000n })
    expect(await done).toMatchObject({ cause: 'END_CAUSE_ATTESTATION_FAILED', killMs: 3 })
  })

  test('that was ordered during the start stays ordered', async () => {
    const w = await world()
    w.launcher.at.start = id => w.executor.kill(id, 'TERMINATED')
    const { id, done } = await running(w)
    expect(w.registry.get(id)?.state).toBe('ENDING')
    w.launcher.end(id, { cause: 'TERMINATED', signal: 9 })
    await done
  })

  test('is ordered when the caller goes, also if it goes before it is told of the start', async () => {
    const w = await world()
    w.launcher.at.kill = id => w.launcher.end(id, { cause: 'CALLER_GONE', signal: 9 })
    const gone = new AbortController()
    const first = await running(w, peer(), streams(), gone.signal)
    gone.abort()
    expect(await first.done).toMatchObject({ cause: 'END_CAUSE_CALLER_GONE' })

    const failing = streams({ started: () => Promise.reject(new Error('the stream is gone')) })
    const it = await permit(w)
    await expect(w.executor.run(it, peer(), failing, never())).rejects.toThrow('the stream is gone')
    expect(w.launcher.steps.at(-1)).toBe('kill CALLER_GONE')
    expect(ofType(await w.events(), 'execution-end').map(({ cause }) => cause)).toEqual([
      'CALLER_GONE',
      'CALLER_GONE',
    ])
    expect(w.registry.liveCount).toBe(0)
  })

  test('that nobody has seen, since the launcher is gone, is told as such and stays open in the log', async () => {
    const w = await world()
    const { id, done } = await running(w)
    w.launcher.emit('disconnected', new LauncherError('DISCONNECTED', 'gone'))
    w.launcher.stdout.end()
    w.launcher.stderr.end()
    expect(await done).toMatchObject({ cause: 'END_CAUSE_LEASE_LAPSED', confirmedDead: false })
    expect(ofType(await w.events(), 'execution-end')).toEqual([])
    const { openExecutions } = await History.fold(w.lineage, {
      governance: [governance.public],
      hostId: HOST,
      recoversByItself: false,
    })
    expect(openExecutions.map(({ executionId }) => executionId)).toEqual([id])
    expect(w.registry.liveCount).toBe(0)
  })

  test('follows when both streams together pass the limit; the caller gets exactly what is within it', async () => {
    const w = await world({ maxOutputBytes: 100_000 })
    w.launcher.at.kill = id => w.launcher.end(id, { cause: 'OUTPUT_LIMIT', signal: 9 })
    const given: Counted = counted()
    const { done } = await running(w, peer(), given.streams)
    w.launcher.stdout.write(Buffer.alloc(60_000, 1))
    w.launcher.stderr.write(Buffer.alloc(60_000, 2))
    expect(await done).toMatchObject({ cause: 'END_CAUSE_LIMIT' })
    expect(given.stdout + given.stderr).toBe(100_000)
    expect(w.launcher.steps.filter(step => step.startsWith('kill'))).toEqual(['kill OUTPUT_LIMIT'])
  })

  test('of a parent ends its children; a revoked ancestor is enough', async () => {
    const w = await world()
    const first = await running(w)
    const second = await running(w)
    const entry = w.registry.get(second.id) ?? expect.fail()
    w.registry.end(second.id, {})
    const grown = 'dd'.repeat(16)
    w.registry.add({ ...entry, executionId: grown, parentExecutionId: first.id })
    await w.revoke(1, { kind: 'execution', id: first.id })
    expect(w.executor.endRevoked()).toEqual([first.id, grown])
    w.launcher.end(first.id, { cause: 'REVOKED' })
    await first.done
    w.launcher.end(second.id)
    await second.done
  })

  test('follows from the revocation of a key that its threshold needed', async () => {
    const w = await world()
    const { id, done } = await running(w)
    await w.revoke(1, { kind: 'key', id: 'ab'.repeat(32) })
    expect(w.executor.endRevoked()).toEqual([])
    const key = w.registry.get(id)?.signed.by[0]?.keyId ?? ''
    // Not in force yet: an end does not wait for that.
    const envelope = signRevocation({ version: 1, epoch: 2, revoke: [{ kind: 'key', id: key }] }, governance)
    expect(w.executor.endRevoked(w.history.revocations.with(readRevocation(envelope)))).toEqual([id])
    expect(w.history.revocations.epoch).toBe(1)
    expect(w.launcher.steps.at(-1)).toBe('kill REVOKED')
    w.launcher.end(id, { cause: 'REVOKED' })
    await done
  })

  test('of everything, for a stop, waits until all are dead, and not for ever', async () => {
    const w = await world()
    const { id, done } = await running(w)
    const before = performance.now()
    await w.executor.endAll(60)
    expect(performance.now() - before).toBeLessThan(1000)
    expect(w.registry.liveCount).toBe(1)
    w.launcher.at.kill = () => w.launcher.end(id, { cause: 'DAEMON', signal: 9 })
    await w.executor.endAll(5000)
    expect(w.registry.liveCount).toBe(0)
    await done
  })
})
