import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { QUOTED_SELECTION } from '../../attestation/index.ts'
import { readIdentity } from '../../attestation/tpm2/index.ts'
import { type DecisionRecord, parseRecord } from '../../authorization/index.ts'
import type { GovernedHost } from '../../demo/steps/govern.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { canonicalJsonBytes } from '../../encoding/json.ts'
import { exportLog, inlineBlob, Lineage, type LineageEvent, verifyLog } from '../../lineage/index.ts'
import { readPrivateKey } from '../../signing/key.ts'
import { memoryDirectory } from '../support/memory.ts'

type Decision = LineageEvent & { type: 'decision' }

/** The record that a decision's entry carries. */
export function recordOf(event: Decision): DecisionRecord {
  return parseRecord(inlineBlob(event, event.record) ?? Buffer.alloc(0))
}

/** A decision's entry with another record. */
export function withRecord(event: Decision, record: unknown): Decision {
  const bytes = canonicalJsonBytes(record)
  const { [event.record]: _, ...others } = event.inline
  const digest = sha256Hex(bytes)
  return { ...event, record: digest, inline: { ...others, [digest]: bytes.toString('base64') } }
}

/** The events of a bundle, in order. */
export async function eventsOf(bundle: string): Promise<LineageEvent[]> {
  const events: LineageEvent[] = []
  await verifyLog(join(bundle, 'lineage'), {}, event => events.push(event))
  return events
}

/** All files of a bundle. */
export async function filesOf(bundle: string): Promise<string[]> {
  const items = await readdir(bundle, { recursive: true, withFileTypes: true })
  return items
    .filter(item => item.isFile())
    .map(item => join(item.parentPath, item.name).slice(bundle.length + 1))
    .sort()
}

/**
 * What a dishonest host with the power over its own TPM can do: write another history of the same form, and have the
 * TPM sign its checkpoint. `change` gets the events and a way to add blobs.
 */
export async function forge(
  site: GovernedHost,
  from: string,
  to: string,
  change: (
    events: LineageEvent[],
    putBlob: (bytes: Buffer) => Promise<string>,
  ) => LineageEvent[] | Promise<LineageEvent[]>,
): Promise<string> {
  const scratch = await mkdtemp(join(memoryDirectory(), 'writ-forged-'))
  const { identity, secrets } = await readIdentity(join(site.stateDirectory, 'identity'))
  const tpm = site.tpm.connect()
  const ak = { publicArea: identity.akPublicArea, name: identity.akName }
  const logKey = readPrivateKey(await readFile(join(site.stateDirectory, 'identity/log.key'), 'utf8'))
  const lineage = await Lineage.open(scratch, {
    origin: `writ/${site.hostId}`,
    create: true,
    signer: {
      logKey,
      ak,
      quote: extraData =>
        tpm.quote({
          ak: { handle: identity.akHandle, name: identity.akName, auth: secrets.akAuth },
          extraData,
          selection: QUOTED_SELECTION,
          requester: { kind: 'checkpoint' },
        }),
    },
  })
  try {
    for (const file of (await filesOf(from)).filter(path => path.startsWith('lineage/evidence/'))) {
      await lineage.putBlob(await readFile(join(from, file)))
    }
    const changed = await change(await eventsOf(from), bytes => lineage.putBlob(bytes))
    for (const event of changed) await lineage.append(event)
    await lineage.checkpoint()
    await lineage.close()
    await exportLog(scratch, join(to, 'lineage'))
  } finally {
    await lineage.close()
    await tpm.close()
    await rm(scratch, { recursive: true })
  }
  await cp(join(from, 'host'), join(to, 'host'), { recursive: true })
  return to
}
