import { randomBytes } from 'node:crypto'
import { credentials } from '@grpc/grpc-js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AttachError, type AttachErrorCode } from '../../../daemon/core.ts'
import { toCallError } from '../../../proto/call-error.ts'
import type { AttachRequestInput } from '../../../proto/generated/writ/v1/AttachRequest.ts'
import type { ExecuteResponse } from '../../../proto/generated/writ/v1/ExecuteResponse.ts'
import { writV1 } from '../../../proto/load.ts'
import { type Rig, startRig } from './rig.ts'

const ID = 'ab'.repeat(16)
const TOKEN = randomBytes(32)

describe('Attach', () => {
  let rig: Rig
  beforeEach(async () => {
    rig = await startRig()
    own(process.getuid?.() ?? 0)
  })
  afterEach(() => rig.stop())

  /** An execution of this uid. */
  function own(callerUid: number, parentExecutionId = ''): void {
    rig.core.executions.set(ID, { executionId: ID, callerUid, parentExecutionId })
  }

  /** Every message of a call that sends these requests, or the error. */
  async function attach(...requests: AttachRequestInput[]): Promise<ExecuteResponse[]> {
    const client = new writV1.ExecutionService(`unix:${rig.socket}`, credentials.createInsecure())
    try {
      const call = client.Attach()
      for (const request of requests) call.write(request)
      call.end()
      return await new Promise((resolve, reject) => {
        const all: ExecuteResponse[] = []
        call.on('data', message => all.push(message))
        call.on('end', () => resolve(all))
        call.on('error', error => reject(toCallError(error as never)))
      })
    } finally {
      client.close()
    }
  }

  it('gives the claim to the core, and carries both ways', async () => {
    let input = ''
    rig.core.onAttach = async (_caller, claim, streams) => {
      expect(claim).toEqual({ executionId: ID, token: TOKEN })
      expect(streams.terminalSize).toEqual({ rows: 5, columns: 6 })
      await streams.attached({ executionId: ID, epoch: '7', stdinBytes: '3' })
      for await (const piece of streams.stdin) input += piece
      await streams.output('stdout', Buffer.from('out'))
      await streams.output('stderr', Buffer.from('err'))
      return { cause: 'END_CAUSE_EXIT', exitCode: 4 }
    }
    const answers = await attach(
      { start: { executionId: ID, attachToken: TOKEN, terminalSize: { rows: 5, columns: 6 } } },
      { stdin: Buffer.from('in') },
      { stdin: Buffer.from('put') },
    )
    expect(input).toBe('input')
    expect(answers.map(answer => answer.message)).toEqual(['attached', 'stdout', 'stderr', 'ended'])
    expect(answers[0]?.attached).toEqual({
      executionId: ID,
      epoch: '7',
      stdinBytes: '3',
      _stdinBytes: 'stdinBytes',
    })
    expect(answers.at(-1)?.ended).toMatchObject({ exitCode: 4 })
  })

  it('ends with handed_over when it is handed over once more', async () => {
    rig.core.onAttach = async (_caller, _claim, streams) => {
      await streams.attached({ executionId: ID })
      await streams.output('stdout', Buffer.alloc(200_000))
      await streams.handedOver(12)
      return null
    }
    const answers = await attach({ start: { executionId: ID, attachToken: TOKEN } })
    expect(answers.filter(({ message }) => message === 'stdout')).toHaveLength(4)
    expect(answers.at(-1)?.handedOver).toEqual({ stdinBytes: '12' })
  })

  it.each<[string, () => void]>([
    ['that does not exist', () => rig.core.executions.clear()],
    ['of another uid, for an auditor too', () => own((process.getuid?.() ?? 0) + 1)],
    ['of another execution', () => own(process.getuid?.() ?? 0, 'cd'.repeat(16))],
  ])('says NOT_FOUND of an execution %s, and does not ask for its token', async (_, arrange) => {
    arrange()
    rig.core.onAttach = async () => expect.fail('asked')
    await expect(attach({ start: { executionId: ID, attachToken: TOKEN } })).rejects.toMatchObject({
      code: 'FAULT',
      faultCode: 'NOT_FOUND',
      message: `execution ${ID} not found`,
    })
  })

  it.each<[AttachErrorCode, string]>([
    ['TOKEN_WRONG', 'PERMISSION_DENIED'],
    ['ATTACHED', 'FAILED_PRECONDITION'],
    ['NOT_ATTACHABLE', 'FAILED_PRECONDITION'],
  ])('says %s as %s', async (code, status) => {
    rig.core.onAttach = async () => {
      throw new AttachError(code, 'the reason')
    }
    await expect(attach({ start: { executionId: ID, attachToken: TOKEN } })).rejects.toMatchObject({
      ...{ faultCode: code, status, message: 'the reason' },
    })
  })

  it.each<[string, AttachRequestInput[], string]>([
    ['nothing', [], 'start'],
    ['input first', [{ stdin: Buffer.from('x') }], 'start'],
    ['a wrong id', [{ start: { executionId: 'x', attachToken: TOKEN } }], 'execution_id'],
    [
      'a terminal without rows',
      [{ start: { executionId: ID, attachToken: TOKEN, terminalSize: { columns: 3 } } }],
      'start.terminal_size.rows',
    ],
  ])('refuses %s', async (_, requests, at) => {
    await expect(attach(...requests)).rejects.toMatchObject({ faultCode: 'REQUEST_MALFORMED', at })
  })

  it('ends the execution when something else than stdin comes, and says so', async () => {
    let aborted = false
    rig.core.onAttach = async (_caller, _claim, streams, signal) => {
      await streams.attached({ executionId: ID })
      for await (const _ of streams.stdin);
      aborted = signal.aborted
      return { cause: 'END_CAUSE_CALLER_GONE' }
    }
    const start = { start: { executionId: ID, attachToken: TOKEN } }
    await expect(attach(start, start)).rejects.toMatchObject({
      faultCode: 'REQUEST_MALFORMED',
      at: 'message',
    })
    expect(aborted).toBe(true)
  })
})
