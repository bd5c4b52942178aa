import { describe, expect, test } from 'vitest'
import type { ObservedSubject } from '../../authorization/index.ts'
import { RecentLooks } from '../../daemon/recent-looks.ts'
import type { StageUser } from '../../daemon/subject-stage.ts'

const found: ObservedSubject = { path: '/bin/a', sha256: 'a'.repeat(64), size: 1 }

/** Looks over a stage that records what it was asked. */
function setup(answer: () => Promise<ObservedSubject[]> = async () => [found]) {
  const staged: string[] = []
  const abandoned: string[] = []
  const clock = { ms: 5000 }
  const stage = {
    stage: (id: string) => {
      staged.push(id)
      return answer()
    },
    abandon: (id: string) => void abandoned.push(id),
  }
  const looks = new RecentLooks(stage, () => clock.ms)
  const look = (id: string, paths = ['/bin/a'], user: StageUser = 'own') =>
    looks.look(
      id,
      paths.map(path => ({ path, kind: 'file' as const })),
      user,
    )
  return { look, staged, abandoned, clock }
}

describe('what would run', () => {
  test('is hashed once for all who ask within a second, and nothing stays staged', async () => {
    const { look, staged, abandoned, clock } = setup()
    expect(await Promise.all([look('1'), look('2')])).toEqual([[found], [found]])
    clock.ms += 999
    await look('3')
    expect([staged, abandoned]).toEqual([['1'], ['1']])
    clock.ms += 1
    await look('4')
    expect([staged, abandoned]).toEqual([
      ['1', '4'],
      ['1', '4'],
    ])
  })

  test('counts from before it was opened, not from the answer', async () => {
    const { look, staged, clock } = setup(async () => {
      clock.ms += 1000
      return [found]
    })
    await look('1')
    await look('2')
    expect(staged).toEqual(['1', '2'])
  })

  test('is apart for other paths, in another order, and for other users', async () => {
    const { look, staged } = setup()
    await look('1', ['/bin/a', '/bin/b'])
    await look('2', ['/bin/b', '/bin/a'])
    await look('3', ['/bin/a'])
    await look('4', ['/bin/a'], { uid: 1, gid: 1 })
    await look('5', ['/bin/a'], { uid: 1, gid: 2 })
    await look('6', ['/bin/a","/bin/b'])
    expect(staged).toEqual(['1', '2', '3', '4', '5', '6'])
  })

  test('is looked for again after a failure, and after a path that could not be opened', async () => {
    const answers = [
      async () => Promise.reject(new Error('no launcher')),
      async () => [{ path: '/bin/a', error: 'ENOENT' }],
      async () => [found],
    ]
    const { look, staged, abandoned } = setup(() => (answers.shift() ?? expect.fail())())
    await expect(look('1')).rejects.toThrow('no launcher')
    expect(await look('2')).toMatchObject([{ error: 'ENOENT' }])
    expect(await look('3')).toEqual([found])
    expect(await look('4')).toEqual([found])
    expect([staged, abandoned]).toEqual([
      ['1', '2', '3'],
      ['1', '2', '3'],
    ])
  })

  test('is remembered for so many only', async () => {
    const { look, staged } = setup()
    for (let i = 0; i < 300; i++) await look(`${i}`, [`/bin/${i}`])
    await look('again', ['/bin/299'])
    expect(staged).toHaveLength(300)
    await look('again', ['/bin/0'])
    expect(staged).toHaveLength(301)
  })
})
