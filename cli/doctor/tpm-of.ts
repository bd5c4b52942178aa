import { DEFAULT_DEVICE } from '../../attestation/tpm2/index.ts'
import { examineConfig } from '../../configuration/daemon-file.ts'
import { MAX_CONFIG_BYTES } from '../../configuration/read-file.ts'
import { CliError } from '../error.ts'
import { readDocument } from '../files.ts'

/** Where the configuration says that the TPM is, as `--tpm` has it; the default where there is no configuration that says so. */
export async function tpmOf(config: string): Promise<string> {
  try {
    const { tpm } = examineConfig(
      await readDocument(config, "writd's configuration", MAX_CONFIG_BYTES),
    ).values
    return `${tpm.transport ?? 'device'}:${tpm.path ?? DEFAULT_DEVICE}`
  } catch (error) {
    // Said among the findings.
    if (error instanceof CliError) return `device:${DEFAULT_DEVICE}`
    throw error
  }
}
