import { resolve } from 'node:path'
import type { Command } from 'commander'
import { DEFAULT_DEVICE, DeviceTransport, SwtpmTransport, Tpm, TpmError } from '../attestation/tpm2/index.ts'
import { CliError } from './error.ts'

export interface TpmSelection {
  tpm: string
}

/** Adds the option that says which TPM. */
export function addTpmOption(command: Command): Command {
  return command.option(
    '--tpm <where>',
    'device:PATH for a TPM of this host, swtpm:PATH for the socket of a simulated one',
    `device:${DEFAULT_DEVICE}`,
  )
}

/**
 * Opens the TPM for one piece of work and closes it whatever happens.
 *
 * @throws CliError
 */
export async function withTpm<T>({ tpm: where }: TpmSelection, work: (tpm: Tpm) => Promise<T>): Promise<T> {
  const [, kind, path] = /^(device|swtpm):(.+)$/.exec(where) ?? []
  if (kind === undefined || path === undefined) {
    throw new CliError('USAGE', `--tpm takes device:PATH or swtpm:PATH, not ${JSON.stringify(where)}`)
  }
  const full = resolve(path)
  if (kind === 'swtpm' && full.includes(','))
    throw new CliError('USAGE', '--tpm: the path of a socket has no comma')
  const tpm = new Tpm(kind === 'device' ? new DeviceTransport(full) : new SwtpmTransport(full))
  try {
    return await work(tpm)
  } catch (cause) {
    if (!(cause instanceof TpmError)) throw cause
    throw new CliError('HOST_UNFIT', `the TPM at ${where}: ${cause.message} [${cause.code}]`, {
      at: where,
      cause,
      next: cause.code === 'TPM_UNAVAILABLE' ? 'Is it there, and may you use it? See --tpm.' : undefined,
    })
  } finally {
    await tpm.close()
  }
}
