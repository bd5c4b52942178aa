import { afterEach, describe, expect, it } from 'vitest'
import { OutputTail } from '../../../daemon/output-tail.ts'
import { STREAM_WINDOW } from '../../../proto/client/channel.ts'
import { api } from '../../../proto/client.ts'
import { type Rig, startRig } from './rig.ts'

let rig: Rig
afterEach(() => rig.stop())
const ID = 'ab'.repeat(16)

function execution(rig: Rig, callerUid: number, tail = new OutputTail(65536, () => true)): OutputTail {
  rig.core.executions.set(ID, { executionId: ID, callerUid, state: 'EXECUTION_STATE_RUNNING' })
  rig.core.tails.set(ID, tail)
  return tail
}

async function read(follow: boolean, executionId = ID): Promise<string[]> {
  const said: string[] = []
  for await (const { gap, stdout, stderr } of rig
    .client()
    .read(api.execution.ReadOutput, { executionId, follow })) {
    if (gap) said.push(`gap ${gap.stdoutBytes}/${gap.stderrBytes}`)
    if (stdout) said.push(`out ${stdout}`)
    if (stderr) said.push(`err ${stderr}`)
  }
  return said
}

describe('ReadOutput', () => {
  it('gives what is kept, then what comes, to the end', async () => {
    rig = await startRig()
    const tail = execution(rig, process.getuid?.() ?? 0)
    tail.append('stdout', Buffer.from('one'))
    tail.append('stderr', Buffer.from('two'))
    expect(await read(false)).toEqual(['out one', 'err two'])
    const following = read(true)
    await new Promise(resolve => setTimeout(resolve, 100))
    tail.append('stdout', Buffer.from('three'))
    tail.end()
    expect(await following).toEqual(['out one', 'err two', 'out three'])
  })

  it('is for the caller and for auditors; whoever else asks learns nothing', async () => {
    rig = await startRig({ listen: { roles: () => ({ governor: false, auditor: false }) } })
    execution(rig, 4711).append('stdout', Buffer.from('secret'))
    await expect(read(false)).rejects.toMatchObject({ status: 'NOT_FOUND' })
    await expect(read(false, 'cd'.repeat(16))).rejects.toMatchObject({ status: 'NOT_FOUND' })
    await expect(read(false, 'x')).rejects.toMatchObject({ status: 'INVALID_ARGUMENT' })
  })

  it('ends for an auditor that is none any more, in the middle of a call', async () => {
    let auditor = true
    rig = await startRig({ listen: { roles: () => ({ governor: false, auditor }) } })
    const tail = execution(rig, 4711)
    tail.append('stdout', Buffer.from('one'))
    const stream = rig.client().read(api.execution.ReadOutput, { executionId: ID, follow: true })
    expect((await stream.next()).value).toMatchObject({ stdout: Buffer.from('one') })
    auditor = false
    tail.append('stdout', Buffer.from('secret'))
    await expect(stream.next()).rejects.toMatchObject({ status: 'NOT_FOUND' })
  })

  it('a reader that never reads holds up nobody, and the daemon keeps no more for it', async () => {
    rig = await startRig()
    const tail = execution(rig, process.getuid?.() ?? 0)
    tail.append('stdout', Buffer.from('first'))
    const stream = rig.client().read(api.execution.ReadOutput, { executionId: ID, follow: true })
    await stream.next()
    const piece = Buffer.alloc(65536, 'x')
    for (let i = 0; i < 2000; i++) {
      tail.append('stdout', piece)
      if (i % 50 === 0) await new Promise(resolve => setImmediate(resolve))
    }
    expect(tail.size).toBeLessThanOrEqual(65536)
    tail.end()
    let [got, missing] = [0, 0]
    for await (const { gap, stdout } of stream) {
      got += stdout?.length ?? 0
      missing += Number(gap?.stdoutBytes ?? 0)
    }
    expect(missing).toBeGreaterThan(0)
    expect(got + missing).toBe(2000 * 65536)
    // What was on its way (what the caller's side takes unread, and a little more) is all that was held beside the tail: 125 MiB went by.
    expect(got).toBeLessThan(4 * STREAM_WINDOW)
  })

  it('ends with the daemon', async () => {
    rig = await startRig()
    execution(rig, process.getuid?.() ?? 0)
    const following = read(true).catch((error: { status: string }) => error.status)
    await new Promise(resolve => setTimeout(resolve, 100))
    await rig.server.close(1000)
    expect(['UNAVAILABLE', 'CANCELLED', []]).toContainEqual(await following)
  })
})
