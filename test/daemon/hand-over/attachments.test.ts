import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, describe, expect, test } from 'vitest'
import type { AttachStreams } from '../../../daemon/core.ts'
import { attachDigest, newAttachToken } from '../../../daemon/hand-over/attach-token.ts'
import { Attachments, ATTACH_MS as DEFAULT_MS } from '../../../daemon/hand-over/attachments.ts'
import { Running } from '../../../daemon/running.ts'
import type { ExecutionEndInput } from '../../../proto/generated/writ/v1/ExecutionEnd.ts'
import { streams } from '../support/world.ts'

const ID = 'ab'.repeat(16)
const TOKEN = newAttachToken()
const BEFORE = { stdinBytes: 4, outputBytes: 6, inputEnded: false }
const END: ExecutionEndInput = { cause: 'END_CAUSE_EXIT', exitCode: 3 }
/** Long enough for what is done at once on a busy machine, short enough to wait for. */
const ATTACH_MS = 150

describe('callers that come back', () => {
  let killed: string[]
  let attachments: Attachments
  let told: unknown[]
  let out: PassThrough
  const end = Promise.withResolvers<ExecutionEndInput>()

  beforeEach(() => {
    killed = []
    told = []
    out = new PassThrough()
    attachments = new Attachments(id => killed.push(id), ATTACH_MS)
  })

  const expectIt = (attach: string | null = attachDigest(TOKEN)) =>
    attachments.expect({ executionId: ID, attach, before: BEFORE })
  const caller = (): AttachStreams => ({
    ...streams({ output: async (_, bytes) => void told.push(String(bytes)) }),
    attached: async message => void told.push(message),
  })
  const attach = (token: Uint8Array = TOKEN, signal = new AbortController().signal) =>
    attachments.attach({ executionId: ID, token: Buffer.from(token) }, caller(), signal)

  function running(detached = false): Running {
    const stdin = new PassThrough()
    return new Running({
      ...{ executionId: ID, detached, attach: attachDigest(TOKEN), before: BEFORE, socket: null },
      prepared: {
        ...{ pid: 77, uid: 70_001, cgroup: '/writ/x', stdin, stdout: out, stderr: null, socket: null },
        ...{ resize: null, descriptors: () => ({ stdin: null, stdout: null, stderr: null, terminal: null }) },
        release: () => ({ stdinBytes: 0, inputEnded: false, stdout: [], stderr: [] }),
      },
      ...{ outputLimit: 1000, onLimit: () => undefined, keep: () => undefined },
    } as never)
  }
  const adopt = (detached = false) => attachments.adopted(running(detached), 9n, end.promise)

  describe('to what is adopted', () => {
    test('are gone when they do not come in time', async () => {
      expectIt()
      adopt()
      await sleep(ATTACH_MS / 3)
      expect(killed).toEqual([])
      await expect.poll(() => killed, { interval: 10 }).toEqual([ID])
    })

    test('have as long as the API says, where nothing else is said', () => {
      const said = readFileSync(join(import.meta.dirname, '../../../proto/writ/v1/execution.proto'), 'utf8')
      expect(said).toContain(
        `within ${DEFAULT_MS / 1000} seconds\n  // after the adoption is gone: CALLER_GONE`,
      )
    })

    test('have that time again when they left before it was adopted, and none is needed while they wait or are there', async () => {
      expectIt()
      const left = new AbortController()
      const first = attach(TOKEN, left.signal)
      left.abort()
      expect(await first).toBe(null)
      const second = attach()
      adopt()
      out.write('more')
      await expect.poll(() => told).toEqual([expect.objectContaining({ epoch: '9' }), 'more'])
      await sleep(ATTACH_MS * 1.5)
      expect(killed).toEqual([])
      out.end()
      end.resolve(END)
      expect(await second).toEqual(END)
    })

    test('have not come when their call is over already', async () => {
      expectIt()
      adopt()
      expect(await attach(TOKEN, AbortSignal.abort())).toBe(null)
      expect([told, killed]).toEqual([[], []])
      await expect.poll(() => killed, { interval: 10 }).toEqual([ID])
    })

    test('are waited for when they go in the turn in which it is adopted', async () => {
      expectIt()
      const gone = new AbortController()
      const waiting = attach(TOKEN, gone.signal)
      gone.abort()
      adopt()
      expect(await waiting).toBe(null)
      await expect.poll(() => killed, { interval: 10 }).toEqual([ID])
    })

    test('are not waited for when it is detached', async () => {
      expectIt(null)
      adopt(true)
      await sleep(ATTACH_MS * 1.5)
      expect(killed).toEqual([])
    })

    test('end it when they go', async () => {
      expectIt()
      adopt()
      const gone = new AbortController()
      void attach(TOKEN, gone.signal)
      await expect.poll(() => told).toHaveLength(1)
      expect(killed).toEqual([])
      gone.abort()
      expect(killed).toEqual([ID])
    })

    test('are let in with the token, one at a time, and a refusal is no attachment', async () => {
      await expect(attach()).rejects.toMatchObject({ message: `execution ${ID} not found` })
      expectIt()
      for (const wrong of [newAttachToken(), Buffer.alloc(0), TOKEN.subarray(1)])
        await expect(attach(wrong)).rejects.toMatchObject({ code: 'TOKEN_WRONG' })
      void attach()
      await expect(attach()).rejects.toMatchObject({ code: 'ATTACHED' })
      await expect(attach(newAttachToken())).rejects.toMatchObject({ code: 'TOKEN_WRONG' })
      expectIt(null)
      await expect(attach()).rejects.toMatchObject({ code: 'NOT_ATTACHABLE' })
    })

    test('ask the next daemon when this one adopts nothing any more', async () => {
      expectIt()
      const waiting = attach()
      attachments.over()
      await expect(waiting).rejects.toMatchObject({ code: 'STARTING' })
    })
  })

  describe('to what has ended meanwhile', () => {
    const attached = {
      executionId: ID,
      epoch: '0',
      stdinBytes: '4',
      outputBytes: '6',
    }

    test('hear what came before, and how it ended, if it left no output', async () => {
      expectIt()
      attachments.ended(ID, END, null)
      expect(await attach()).toEqual(END)
      expect(told).toEqual([attached])
    })

    test('hear what came before, the rest of its output, and how it ended, also if they wait already', async () => {
      expectIt()
      const waiting = attach()
      out.end('rest')
      attachments.ended(ID, END, { stdout: out, stderr: null })
      expect(await waiting).toEqual(END)
      expect(told).toEqual([attached, 'rest'])
    })

    test('hear it for a while, and then its output is let go of', async () => {
      expectIt()
      attachments.ended(ID, END, { stdout: out, stderr: null })
      await expect.poll(() => out.destroyed, { interval: 10 }).toBe(true)
      await expect(attach()).rejects.toMatchObject({ message: `execution ${ID} not found` })
      const unknown = new PassThrough()
      attachments.ended('cd'.repeat(16), END, { stdout: unknown, stderr: null })
      expect(unknown.destroyed).toBe(true)
    })
  })
})
