import type { StatsFs } from 'node:fs'
import { expect, it } from 'vitest'
import { collectDisk } from '../../../daemon/metrics/collect.ts'
import { Instruments } from '../../../daemon/metrics/instruments.ts'

it('a file system that hangs keeps no page from being told, and is asked once', async () => {
  const instruments = new Instruments('1.0')
  let asked = 0
  let answer: (found: StatsFs) => void = () => undefined
  const hanging = () => {
    asked++
    return new Promise<StatsFs>(resolve => {
      answer = resolve
    })
  }
  // As a scraper that comes again and again does.
  await Promise.all([1, 2, 3, 4, 5].map(() => collectDisk(instruments, '/', hanging)))
  await collectDisk(instruments, '/', hanging)
  expect(asked).toBe(1)
  expect(instruments.diskFree.lines()).toEqual([])
  answer({ bavail: 2, bsize: 512, blocks: 8, ffree: 3 } as StatsFs)
  await collectDisk(instruments, '/')
  expect(instruments.diskFree.lines()).toHaveLength(1)
}, 10_000)
