import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { api, type Method } from '../../../proto/client.ts'
import { type Rig, startRig } from './rig.ts'

const ID = 'ab'.repeat(16)
const SIZE = { rows: 24, columns: 80 }

/** What can be done to an execution that runs, besides ending it. */
const CONTROLS = {
  Signal: (executionId: string) => call(api.execution.Signal, { executionId, signal: 'SIGNAL_HUP' }),
  Resize: (executionId: string) => call(api.execution.Resize, { executionId, size: SIZE }),
  CloseOutput: (executionId: string) =>
    call(api.execution.CloseOutput, { executionId, stream: 'OUTPUT_STREAM_STDOUT' }),
}

let rig: Rig
let done: unknown[][]
let auditor: boolean
beforeEach(async () => {
  auditor = false
  rig = await startRig({ listen: { roles: () => ({ governor: false, auditor }) } })
  done = []
  rig.core.signalExecution = async (...what) => void done.push(what)
  rig.core.resizeTerminal = (...what) => void done.push(what)
  rig.core.closeOutput = (...what) => void done.push(what)
})
afterEach(() => rig.stop())

function call<Input, Output>(method: Method<Input, Output>, request: Input): Promise<Output> {
  return rig.client().call(method, request)
}

function running(callerUid = process.getuid?.() ?? 0): void {
  rig.core.executions.set(ID, { executionId: ID, callerUid, state: 'EXECUTION_STATE_RUNNING' })
}

describe.each(Object.entries(CONTROLS))('%s', (_, control) => {
  it('is for the caller', async () => {
    running()
    await control(ID)
    expect(done).toHaveLength(1)
    expect(done[0]?.[0]).toBe(ID)
  })

  it('is for an auditor', async () => {
    running(4711)
    auditor = true
    await control(ID)
    expect(done).toHaveLength(1)
  })

  it('of another’s execution is that of one that does not exist: nothing is done, nothing is learnt', async () => {
    running(4711)
    const other = await control(ID).catch(error => error)
    rig.core.executions.clear()
    const none = await control(ID).catch(error => error)
    expect(other).toMatchObject({ status: 'NOT_FOUND' })
    expect([none.status, none.message]).toEqual([other.status, other.message])
    expect(done).toEqual([])
  })

  it('of what is no id says so, and where', async () => {
    await expect(control('../etc')).rejects.toMatchObject({
      status: 'INVALID_ARGUMENT',
      faultCode: 'REQUEST_MALFORMED',
      at: 'execution_id',
    })
    expect(done).toEqual([])
  })
})

describe('a value that is not one', () => {
  const refused = async (answer: Promise<unknown>, at: string) => {
    await expect(answer).rejects.toMatchObject({
      status: 'INVALID_ARGUMENT',
      faultCode: 'REQUEST_MALFORMED',
      at,
    })
    expect(done).toEqual([])
  }
  beforeEach(() => running())

  it.each([0, 9, 19, 64, -1])('is signal %i', async signal => {
    await refused(call(api.execution.Signal, { executionId: ID, signal: signal as never }), 'signal')
  })

  it.each([
    [{ rows: 0, columns: 80 }, 'size.rows'],
    [{ rows: 65536, columns: 80 }, 'size.rows'],
    [{ rows: 24, columns: 0 }, 'size.columns'],
    [{ rows: 24, columns: 65536 }, 'size.columns'],
  ])('is the size %j', async (size, at) => {
    await refused(call(api.execution.Resize, { executionId: ID, size }), at)
  })

  it('is no size at all', async () => {
    await refused(call(api.execution.Resize, { executionId: ID }), 'size.rows')
  })

  it.each([0, 3, -1])('is stream %i', async stream => {
    await refused(call(api.execution.CloseOutput, { executionId: ID, stream: stream as never }), 'stream')
  })
})

describe('a value that is one', () => {
  beforeEach(() => running())

  it('comes to the execution as it was sent', async () => {
    await call(api.execution.Signal, { executionId: ID, signal: 'SIGNAL_USR2' })
    await call(api.execution.Resize, { executionId: ID, size: { rows: 65535, columns: 1 } })
    await call(api.execution.CloseOutput, { executionId: ID, stream: 'OUTPUT_STREAM_STDERR' })
    expect(done).toEqual([
      [ID, 'SIGUSR2'],
      [ID, { rows: 65535, columns: 1 }],
      [ID, 'stderr'],
    ])
  })
})
