import { closeSync, fstatSync, openSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { CallerPrograms } from '../../daemon/caller-programs.ts'
import { LauncherError } from '../../daemon/launcher/error.ts'
import type { CallerProgram, CallingProcess } from '../../daemon/launcher/types.ts'
import { SharedDescriptor } from '../../daemon/shared-descriptor.ts'
import { peer } from './support/world.ts'

const FOUND: CallerProgram = { sha256: 'ab'.repeat(32), size: 7 }
const isOpen = (fd: number) => {
  try {
    return fstatSync(fd).isCharacterDevice()
  } catch {
    return false
  }
}

describe('the program of a caller', () => {
  const asked: CallingProcess[] = []
  const answers: PromiseWithResolvers<CallerProgram>[] = []
  const reasons: unknown[] = []
  const programs = () => {
    asked.length = answers.length = reasons.length = 0
    const look = (caller: CallingProcess) => {
      const answer = Promise.withResolvers<CallerProgram>()
      asked.push(caller)
      answers.push(answer)
      return answer.promise
    }
    return new CallerPrograms(look, {
      warn: ({ reason }: { reason: unknown }) => reasons.push(reason),
    } as never)
  }
  const turn = () => new Promise(resolve => setImmediate(resolve))
  const opened = () => {
    const fd = openSync('/dev/null', 'r')
    return { fd, pidfd: new SharedDescriptor(fd) }
  }

  test('is what the launcher says, of the process and with the pidfd of the connection', async () => {
    const { fd, pidfd } = opened()
    const found = programs().of(peer({ uid: 5, gid: 6, pid: 7, pidfd }))
    await turn()
    answers[0]?.resolve(FOUND)
    expect(await found).toBe(FOUND.sha256)
    expect(asked).toEqual([{ uid: 5, gid: 6, pid: 7, pidfd: fd }])
    pidfd.close()
    expect(isOpen(fd)).toBe(false)
  })

  test('is not known without a pidfd, after the connection, or when the launcher does not say; the log has why', async () => {
    expect(await programs().of(peer())).toBe(null)
    expect(reasons).toEqual(['the kernel gave no pidfd of it'])
    const over = opened()
    over.pidfd.close()
    expect(await programs().of(peer({ pidfd: over.pidfd }))).toBe(null)
    expect([reasons, asked]).toEqual([['its connection is over'], []])
    const { pidfd } = opened()
    const found = programs().of(peer({ pidfd }))
    await turn()
    answers[0]?.reject(new LauncherError('DISCONNECTED', 'the launcher is gone'))
    expect(await found).toBe(null)
    expect(reasons).toEqual(['the launcher is gone'])
    pidfd.close()
  })

  test('that is not known is told of once a second, however many there are', async () => {
    const asking = programs()
    for (let i = 0; i < 50; i++) expect(await asking.of(peer())).toBe(null)
    expect(reasons).toHaveLength(1)
  })

  test('keeps the descriptor of a connection that ends meanwhile until the answer, and not longer', async () => {
    const { fd, pidfd } = opened()
    const found = programs().of(peer({ pidfd }))
    await turn()
    pidfd.close()
    expect(isOpen(fd)).toBe(true)
    answers[0]?.resolve(FOUND)
    await found
    expect(isOpen(fd)).toBe(false)
    expect(() => closeSync(fd)).toThrow('EBADF')
  })

  test('is looked at for no more callers at once than the launcher has places, and for no more of one user', async () => {
    const { pidfd } = opened()
    const asking = programs()
    const uids = [1, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8]
    const all = uids.map(uid => asking.of(peer({ uid, pidfd })))
    await turn()
    expect(asked.map(({ uid }) => uid)).toEqual([1, 1, 2, 3, 4, 5, 6, 7])
    answers[2]?.resolve(FOUND)
    await turn()
    expect(asked.slice(8).map(({ uid }) => uid)).toEqual([8])
    answers[0]?.reject(new LauncherError('STAGE_TIMEOUT', 'too slow'))
    await turn()
    expect(asked.slice(9).map(({ uid }) => uid)).toEqual([1])
    for (let i = 0; i < uids.length; i++) {
      answers[i]?.resolve(FOUND)
      await turn()
    }
    expect(await Promise.all(all)).toEqual([null, ...Array(uids.length - 1).fill(FOUND.sha256)])
    pidfd.close()
  })
})
