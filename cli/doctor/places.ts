import { DEFAULT_DEVICE } from '../../attestation/tpm2/index.ts'
import { examineConfig, type PartialConfig } from '../../configuration/daemon-file.ts'
import { MAX_CONFIG_BYTES } from '../../configuration/read-file.ts'
import { defaultSocket } from '../../proto/client.ts'
import { CliError } from '../error.ts'
import { readDocument } from '../files.ts'

/** Where the configuration says that things are; the defaults where there is none that says so. */
export interface ConfiguredPlaces {
  /** As `--tpm` has it. */
  readonly tpm: string
  /** The daemon's socket. */
  readonly socket: string
}

/** @param config writd's configuration */
export async function placesOf(config: string): Promise<ConfiguredPlaces> {
  const { tpm, daemon } = await examined(config)
  return {
    tpm: `${tpm.transport ?? 'device'}:${tpm.path ?? DEFAULT_DEVICE}`,
    socket: daemon.socket ?? defaultSocket(),
  }
}

async function examined(config: string): Promise<PartialConfig> {
  try {
    return examineConfig(await readDocument(config, "writd's configuration", MAX_CONFIG_BYTES)).values
  } catch (error) {
    // Said among the findings.
    if (error instanceof CliError) return examineConfig(Buffer.alloc(0)).values
    throw error
  }
}
