import { existsSync, linkSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { keys } from '../../cli/setup/steps/keys.ts'
import { contextIn, ownPlace } from './setup-context.ts'

const place = ownPlace()
const { at } = place
const LEFT = 'operator.key.0123456789ab.new'

/** What the step did; empty where there was nothing to do. */
async function makeKeys(): Promise<readonly string[]> {
  const found = await keys.look(contextIn(place.etc))
  return found.state === 'to do' ? (await found.carryOut()).did : []
}

test('what a run left that was killed before a key had its name is removed, and nothing else', async () => {
  const others = ['operator.key.new', 'operator.key.0123456789ab.new.txt', 'x.operator.key.0123456789ab.new']
  for (const name of [LEFT, 'release.key.ffffffffffff.new', ...others]) writeFileSync(at(name), 'half a key')
  expect((await makeKeys()).join('\n')).toContain(at(LEFT))
  expect(readdirSync(place.etc).sort()).toEqual(
    [...others, 'operator.key', 'operator.pub', 'release.key', 'release.pub'].sort(),
  )
})

test('the second name of a key that was made is removed, and the key stays', async () => {
  await makeKeys()
  const made = readFileSync(at('operator.key'))
  linkSync(at('operator.key'), at(LEFT))
  expect(await makeKeys()).not.toEqual([])
  expect(existsSync(at(LEFT))).toBe(false)
  expect(readFileSync(at('operator.key'))).toEqual(made)
  expect(await makeKeys()).toEqual([])
})
