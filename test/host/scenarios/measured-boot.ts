import { deepEqual, equal, match, notEqual, ok } from 'node:assert/strict'
import type { Guest } from '../guest.ts'
import type { Bench } from './bench.ts'

/** SecureBoot, of the EFI global variables: four bytes of attributes, then 1 if it is on (UEFI 3.3). */
const SECURE_BOOT = '/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c'

/** What everything else stands on: the boot was measured, by firmware, stub, systemd and IMA, into a TPM that lasts. */
export async function measuredBoot({ steps, machine }: Bench): Promise<void> {
  const first = await steps.boot('a machine boots with Secure Boot', () => machine.boot())
  await steps.step('Secure Boot is on, and the kernel knows', async () => {
    equal((await first.get(SECURE_BOOT)).at(-1), 1)
  })
  await steps.step('firmware, systemd and IMA have left their logs', async () => {
    for (const log of [
      '/sys/kernel/security/tpm0/binary_bios_measurements',
      '/run/log/systemd/tpm2-measure.log',
      '/sys/kernel/security/ima/binary_runtime_measurements',
    ])
      ok((await first.get(log)).length > 500, log)
  })
  const before = await steps.step('the PCRs that a boot extends are extended', () => pcrs(first))
  for (const index of [0, 4, 7, 9, 10, 11]) match(before.get(index) ?? '', /[1-9A-F]/)
  await steps.step('files go in and come out as they are', async () => {
    const bytes = Buffer.from(Array.from({ length: 1_000_000 }, (_, i) => (i * 31) % 251))
    await first.put('/run/bytes', bytes)
    deepEqual(await first.get('/run/bytes'), bytes)
    equal((await first.run('exit 3')).status, 3)
  })
  const resets = await resetCount(first)
  await steps.powerOff(first)
  const second = await steps.boot('it boots again', () => machine.boot())
  await steps.step(
    'with the same TPM, one reset later, and the same measurements of code and keys',
    async () => {
      equal(await resetCount(second), resets + 1)
      const after = await pcrs(second)
      for (const index of [0, 2, 4, 7, 9]) equal(after.get(index), before.get(index), `PCR ${index}`)
      notEqual(after.get(10), before.get(10))
    },
  )
  await steps.powerOff(second)
}

/** @returns SHA-256 PCRs in hexadecimal, upper case */
async function pcrs(guest: Guest): Promise<Map<number, string>> {
  const text = await guest.ok('tpm2_pcrread sha256')
  const lines = text.matchAll(/^\s*(\d+)\s*: 0x([0-9A-F]{64})$/gm)
  return new Map(Array.from(lines, ([, index, value = '']) => [Number(index), value]))
}

async function resetCount(guest: Guest): Promise<number> {
  return Number(/reset_count: (\d+)/.exec(await guest.ok('tpm2_readclock'))?.[1])
}
