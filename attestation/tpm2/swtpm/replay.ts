import { hash } from 'node:crypto'
import { parseEventLog, type TcgEvent } from '../../eventlog/index.ts'
import { parseUserspaceLog } from '../../userspace/index.ts'
import { type HashAlgorithm, hashName, hashSize } from '../structures/index.ts'
import type { Tpm } from '../tpm.ts'
import { SimulatorError } from './error.ts'
import { imaTemplates } from './ima-templates.ts'
import type { SimulatedTpm } from './simulated-tpm.ts'

/** The logs of one boot, as raw bytes. */
export interface RecordedBoot {
  readonly eventLog: Uint8Array
  readonly userspaceLog?: Uint8Array | null
  readonly imaLog?: Uint8Array | null
}

/** The digests of one extend, by their bank. */
interface Digests {
  get(bank: HashAlgorithm): Uint8Array | undefined
}

/** EV_NO_ACTION (PC Client Platform Firmware Profile 1.06, section 10.4.1): never extended. */
const EV_NO_ACTION = 0x00000003
const STARTUP_LOCALITY = Buffer.from('StartupLocality\0', 'latin1')

/**
 * Boots the simulated TPM as a recorded host was booted: resets it and extends, in order and in every bank, what
 * firmware, boot loader, kernel and systemd extended. A quote then fits the recorded logs.
 *
 * @returns the number of extends
 * @throws SimulatorError `NOT_REPLAYABLE`; EventLogError, UserspaceLogError, EncodingError for malformed logs
 */
export async function replayMeasuredBoot(simulated: SimulatedTpm, boot: RecordedBoot): Promise<number> {
  const { events } = parseEventLog(boot.eventLog)
  await simulated.reset({ startupLocality: startupLocality(events) })
  const tpm = simulated.connect()
  try {
    const banks = await enabledBanks(tpm)
    let count = 0
    const extend = async (pcr: number, digests: Digests) => {
      const list = banks.map(bank => ({ bank, digest: requireDigest(digests, bank) }))
      await tpm.pcrExtend(pcr, list)
      count++
    }
    for (const event of events) if (event.type !== EV_NO_ACTION) await extend(event.pcr, event.digests)
    for (const { pcr, digests } of parseUserspaceLog(boot.userspaceLog ?? Buffer.alloc(0)).events) {
      if (pcr !== null) await extend(pcr, digests)
    }
    for (const { pcr, violation, data } of imaTemplates(boot.imaLog ?? Buffer.alloc(0))) {
      const digest = (bank: HashAlgorithm) =>
        violation ? Buffer.alloc(hashSize(bank), 0xff) : hash(bank, data, 'buffer')
      await extend(pcr, new Map(banks.map(bank => [bank, digest(bank)])))
    }
    return count
  } finally {
    await tpm.close()
  }
}

/** PFP 1.06, section 10.4.5.3: the locality of TPM2_Startup, which PCR 0 begins with. */
function startupLocality(events: readonly TcgEvent[]): 0 | 3 {
  const event = events.find(
    ({ type, data }) => type === EV_NO_ACTION && data.subarray(0, 16).equals(STARTUP_LOCALITY),
  )
  const locality = event ? event.data[16] : 0
  // Locality 4 means an H-CRTM, whose measured data the log does not have and which only the CPU can send.
  if (locality === 0 || locality === 3) return locality
  throw new SimulatorError('NOT_REPLAYABLE', `a boot with startup locality ${locality}`)
}

async function enabledBanks(tpm: Tpm): Promise<HashAlgorithm[]> {
  return (await tpm.banks()).map(({ bank }) => {
    const name = hashName(bank)
    if (name === undefined) throw new SimulatorError('NOT_REPLAYABLE', `a bank 0x${bank.toString(16)}`)
    return name
  })
}

function requireDigest(digests: Digests, bank: HashAlgorithm): Uint8Array {
  const digest = digests.get(bank)
  // An enabled bank without digests would hold values that no log explains.
  if (!digest) throw new SimulatorError('NOT_REPLAYABLE', `the log has no ${bank} digests`)
  return digest
}
