import type { PcrReading } from './commands/pcr.ts'
import { TpmError } from './error.ts'
import { type HashAlgorithm, hashId, type PcrSelection } from './structures/index.ts'

/** PCR values of one instant, by bank and number. */
export type PcrValues = ReadonlyMap<HashAlgorithm, ReadonlyMap<number, Buffer>>

/** On a live host IMA extends PCR 10 now and then; it does so all the time on none. */
const ATTEMPTS = 8

/**
 * Reads all of a selection, which takes several commands, and starts again if a PCR was extended in between.
 *
 * @throws TpmError `TPM_UNSTABLE`; `TPM_MALFORMED` if the TPM leaves out a PCR or gives one twice
 */
export async function readAllPcrs(
  read: (selection: readonly PcrSelection[]) => Promise<PcrReading>,
  selection: readonly PcrSelection[],
): Promise<PcrValues> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const values = await readOnce(read, selection)
    if (values) return values
  }
  throw new TpmError('TPM_UNSTABLE', `PCRs were extended during each of ${ATTEMPTS} readings`)
}

async function readOnce(
  read: (selection: readonly PcrSelection[]) => Promise<PcrReading>,
  selection: readonly PcrSelection[],
): Promise<PcrValues | undefined> {
  const values = new Map<HashAlgorithm, Map<number, Buffer>>()
  let updateCounter: number | undefined
  let left = selection.filter(({ pcrs }) => pcrs.length > 0)
  while (left.length > 0) {
    const reading = await read(left)
    if (reading.values.length === 0)
      throw new TpmError('TPM_MALFORMED', 'the TPM does not have a PCR or bank asked for')
    updateCounter ??= reading.updateCounter
    if (reading.updateCounter !== updateCounter) return undefined
    for (const { bank, pcr, value } of reading.values) {
      const ofBank = values.get(bank) ?? new Map<number, Buffer>()
      ofBank.set(pcr, value)
      values.set(bank, ofBank)
    }
    const got = new Set(reading.values.map(({ bank, pcr }) => `${hashId(bank)}:${pcr}`))
    left = left
      .map(({ bank, pcrs }) => ({ bank, pcrs: pcrs.filter(pcr => !got.has(`${bank}:${pcr}`)) }))
      .filter(({ pcrs }) => pcrs.length > 0)
  }
  return values
}
