import { expect, it } from 'vitest'
import { checkLabelsSuccessor, parseHostLabels } from '../../authorization/index.ts'
import * as world from './scenario.ts'

const fields = { version: 1, host: world.HOST, labels: ['gpu'], notAfter: 'any' }
const takes = (change: object, length = 0): boolean => {
  try {
    parseHostLabels(Buffer.from(JSON.stringify({ ...fields, ...change }).padEnd(length)))
    return true
  } catch {
    return false
  }
}

it("a host's labels have a version from 1 on, up to 64 labels, and 32 KiB", () => {
  expect([0, 1, Number.MAX_SAFE_INTEGER].map(version => takes({ version }))).toEqual([false, true, true])
  const many = (count: number) => takes({ labels: Array.from({ length: count }, (_, i) => `label-${i}`) })
  expect([0, 64, 65].map(many)).toEqual([true, true, false])
  expect([32_768, 32_769].map(length => takes({}, length))).toEqual([true, false])
  expect(takes({ more: 1 })).toBe(false)
})

it('the first labels of a host follow none', () => {
  expect(() => checkLabelsSuccessor(null, world.labels('gpu'), world.HOST)).not.toThrow()
})
