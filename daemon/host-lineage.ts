import { join } from 'node:path'
import { joinPcrs, QUOTED_SELECTION } from '../attestation/index.ts'
import type { StartConfig } from '../configuration/schema.ts'
import { type Io, Lineage } from '../lineage/index.ts'
import type { History } from './history/history.ts'
import { type Host, HostError } from './host.ts'
import type { AcceptedLineage } from './waiting.ts'

/**
 * Opens the lineage of this host, signed by its keys and held against its TPM's counter.
 *
 * @param io the system calls that write it
 * @throws LineageError; whatever the TPM throws
 */
export function openLineage(
  config: StartConfig,
  host: Host,
  accepted: AcceptedLineage | null,
  io: Io,
): Promise<Lineage> {
  return Lineage.open(join(config.daemon.stateDirectory, 'lineage'), {
    origin: `writ/${host.id}`,
    signer: {
      logKey: host.logKey,
      ak: host.ak,
      quote: extraData =>
        host.tpm.quote({
          ak: host.signingKey,
          extraData,
          selection: QUOTED_SELECTION,
          requester: { kind: 'checkpoint' },
        }),
      // A checkpoint counts without them.
      readPcrs: () =>
        host.tpm.readPcrs(QUOTED_SELECTION, { kind: 'checkpoint' }).then(
          values => joinPcrs(QUOTED_SELECTION, values),
          () => null,
        ),
    },
    ...(accepted === null ? {} : { accepted: accepted.found }),
    io,
    counter: host.tpm.nvCounter(host.identity.nvCounterIndex, host.secrets.nvCounterAuth),
  })
}

/**
 * Any 32 bytes are an Ed25519 key. One wrong byte in its file is another key, under which the log would not verify any more.
 *
 * @throws HostError `LOG_KEY_CHANGED`
 */
export function checkLogKey({ logKeySpki }: History, { logKey, logKeyPath }: Host): void {
  if (logKeySpki === null || logKeySpki === logKey.public.spki.toString('base64')) return
  throw new HostError(
    'LOG_KEY_CHANGED',
    `${logKeyPath} is not the key that this host's log was signed with so far`,
    {
      at: logKeyPath,
    },
  )
}
