import { expect, test } from 'vitest'
import { Instruments } from '../../../daemon/metrics/instruments.ts'
import { LockoutWatch } from '../../../daemon/metrics/lockout.ts'

const HIERARCHIES = { ownerAuthSet: false, endorsementAuthSet: false, lockoutAuthSet: true }

test('the TPM is asked once a minute, never twice at once, and a silent one leaves no value', async () => {
  const instruments = new Instruments('1')
  const seen = () => /^writ_tpm_lockout (\d)$/m.exec(instruments.page())?.[1]
  let nowMs = 0
  const asked: PromiseWithResolvers<boolean>[] = []
  const hierarchies = async () => {
    asked.push(Promise.withResolvers<boolean>())
    return { ...HIERARCHIES, inLockout: (await asked.at(-1)?.promise) ?? false }
  }
  const watch = new LockoutWatch({ hierarchies }, instruments, () => nowMs)
  expect(seen()).toBeUndefined()

  const first = watch.look()
  nowMs = 100_000
  await watch.look()
  expect(asked).toHaveLength(1)
  asked[0]?.resolve(true)
  await first
  expect(seen()).toBe('1')

  nowMs = 159_000
  await watch.look()
  expect(asked).toHaveLength(1)
  nowMs = 161_000
  const second = watch.look()
  asked[1]?.resolve(false)
  await second
  expect(seen()).toBe('0')

  nowMs = 300_000
  const third = watch.look()
  asked[2]?.reject(new Error('silent'))
  await third
  expect(seen()).toBeUndefined()
})
