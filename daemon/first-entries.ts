import { readFileSync } from 'node:fs'
import type { Logger } from 'pino'
import type { Tier } from '../attestation/index.ts'
import { configBytes } from '../configuration/daemon-file.ts'
import { readVersion } from '../encoding/version.ts'
import type { Lineage } from '../lineage/index.ts'
import type { PrivateKey } from '../signing/key.ts'
import type { Kept } from './hand-over/kept.ts'
import type { History } from './history/history.ts'
import type { Host } from './host.ts'
import type { LauncherClient } from './launcher/client.ts'
import { endLeftovers, type Leftover } from './leftovers.ts'
import type { Recorder } from './recorder.ts'
import type { Settings } from './settings.ts'
import { type AcceptedLineage, toAccept } from './waiting.ts'

export const DAEMON_VERSION = readVersion()

/** What is there when a run begins to write. */
interface Started {
  readonly settings: Settings
  readonly host: Host
  readonly tier: Tier
  readonly lineage: Lineage
  readonly history: History
  readonly launcher: LauncherClient
  readonly kept: Kept
  readonly log: Logger
  readonly accepted: AcceptedLineage | null
}

/** The kernel's id of this boot (Documentation/admin-guide/sysctl/kernel.rst, random). */
export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}

/**
 * The first entries of this run: that it began, what the run before left in doubt, and the end of what that one left running.
 *
 * @returns the entry by which an operator accepted the lineage as it was found, or null if nobody did; and what the run before had left running
 */
export async function recordStart(
  { settings, host, tier, lineage, history, launcher, kept, log, accepted }: Started,
  recorder: Recorder,
  sessionKey: PrivateKey,
): Promise<{ acceptance: bigint | null; leftovers: readonly Leftover[] }> {
  const entry = await recorder.record({
    type: 'daemon-start',
    daemonVersion: DAEMON_VERSION,
    bootId: readBootId(),
    configDigest: await lineage.putBlob(configBytes(settings.whole)),
    sessionKeySpki: sessionKey.public.spki.toString('base64'),
    logKeySpki: host.logKey.public.spki.toString('base64'),
    hostId: host.id,
    clean: !lineage.openedAfterUncleanStop,
    tier,
  })
  settings.report = { ...settings.report, entry, time: new Date().toISOString() }
  if (lineage.openedAfterUncleanStop) {
    const tail = lineage.tailIndex
    const recovery = await recorder.record({ type: 'recovery', tail: Number(tail) })
    log.warn(
      { event: 'unclean-stop', entry: String(recovery), tail: String(tail) },
      'the run before did not end in order',
    )
    history.uncleanTail = tail
    history.uses.setUncleanSince(new Date().toISOString())
  }
  const acceptance = accepted && (await recordAcceptance(accepted, lineage, history, recorder))
  if (acceptance !== null)
    log.warn(
      { event: 'lineage-accepted', entry: String(acceptance) },
      'the lineage goes on as it was found: an operator signed for it',
    )
  for (const { index, message } of history.unvouched) {
    log.warn(
      { index: String(index), message },
      'a recorded document is not vouched for by a configured governance key',
    )
  }
  const leftovers = await endLeftovers(history, launcher, kept, recorder, log)
  return { acceptance, leftovers }
}

/** The log says by whose word it goes on as it was found, before the TPM's counter vouches for it. */
async function recordAcceptance(
  { clearance, found }: AcceptedLineage,
  lineage: Lineage,
  history: History,
  recorder: Recorder,
): Promise<bigint> {
  const clears = toAccept(found)
  const signed = { digest: clearance.digest, blob: await lineage.putBlob(clearance.envelope) }
  const { counter, tail, root } = clears
  const index =
    clears.kind === 'epoch'
      ? await recorder.record({ type: 'epoch-accepted', epoch: clears.epoch, counter, tail, root, ...signed })
      : await recorder.record({ type: 'rollback-accepted', counter, tail, root, ...signed })
  history.unacceptedEpoch = null
  history.goOnFrom(new Date().toISOString())
  await lineage.anchor()
  return index
}
