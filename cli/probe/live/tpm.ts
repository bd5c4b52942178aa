import { hashName } from '../../../attestation/index.ts'
import { type Tpm, TpmError } from '../../../attestation/tpm2/index.ts'
import { findCertificate, readChain } from '../../../attestation/tpm2/provision/index.ts'
import { CliError } from '../../error.ts'
import { type TpmSelection, withTpm } from '../../tpm.ts'
import { type Look, seen, unseen } from '../look.ts'
import type { TpmFacts, TpmProbe } from '../probes.ts'

const MISSING: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ENODEV', 'ENXIO'])
const DENIED: ReadonlySet<string> = new Set(['EACCES', 'EPERM'])

/** @param where as `--tpm` has it */
export function liveTpm(where: TpmSelection['tpm']): TpmProbe {
  let facts: Promise<Look<TpmFacts>> | undefined
  return {
    where,
    facts: () => {
      facts ??= ask(where)
      return facts
    },
  }
}

async function ask(where: string): Promise<Look<TpmFacts>> {
  try {
    return await withTpm({ tpm: where }, async tpm => seen(await read(tpm)))
  } catch (error) {
    const cause = error instanceof CliError ? error.cause : undefined
    if (!(cause instanceof TpmError)) throw error
    const { code } = (cause.cause ?? {}) as { code?: string }
    const why =
      code === undefined ? 'failed' : MISSING.has(code) ? 'missing' : DENIED.has(code) ? 'denied' : 'failed'
    const rc = cause.rc === undefined ? undefined : `0x${cause.rc.toString(16).padStart(3, '0')}`
    return unseen(why, cause.message, rc ?? code ?? cause.code)
  }
}

async function read(tpm: Tpm): Promise<TpmFacts> {
  const vendor = await tpm.vendor()
  const { certificate } = await findCertificate(tpm)
  return {
    vendor,
    hierarchies: await tpm.hierarchies(),
    use: await tpm.use(),
    banks: (await tpm.banks()).map(({ bank, pcrs }) => ({
      bank: hashName(bank) ?? `0x${bank.toString(16)}`,
      pcrs,
    })),
    ekCertificate: certificate,
    ekIntermediates: await readChain(tpm),
    persistentHandles: await tpm.handles('PERSISTENT'),
    nvIndices: await tpm.handles('NV_INDEX'),
  }
}
