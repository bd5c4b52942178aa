import { existsSync } from 'node:fs'
import { LineageError } from '../error.ts'
import type { LineageEvent } from '../events/index.ts'
import { systemIo } from '../writer/io.ts'
import { checkPlaces } from '../writer/places.ts'
import { layout, readLog, refuseRemains } from '../writer/recovery.ts'
import { StateFiles } from '../writer/state.ts'
import { readTail } from '../writer/tail.ts'
import { TileStore } from '../writer/tile-store.ts'
import { asideEpochs } from './begin.ts'
import type { Fault } from './fault.ts'
import { epochOf, epochOrigin, parseEpochOrigin } from './origin.ts'
import { firstEntryOf, type Salvage, salvage } from './salvage.ts'

/** What was found of a log. */
export interface Inspection extends Salvage {
  /** Which log it says it is; the first where nothing says so. */
  readonly origin: string
  /** The number under which it is put aside: its own, or, where that is taken, the next that is free. */
  readonly epoch: number
}

/**
 * Looks at a log as a start does, and beyond that at all of it. Writes nothing. What the TPM's counter says is not looked at.
 *
 * @param directory of the log; it may be gone
 * @param base the name of the log's first epoch
 * @param visit is told of every event that can be read
 */
export async function inspectLog(
  directory: string,
  base: string,
  visit: (event: LineageEvent, index: number) => void | Promise<void> = () => undefined,
): Promise<Inspection> {
  const fault = await faultAtStart(directory, base)
  const found = await salvage(directory, visit)
  const said = epochOf(await firstEntryOf(directory))
  const signed = found.checkpoint === null ? 1 : parseEpochOrigin(found.checkpoint.origin).epoch
  const own = Math.max(said, signed)
  const aside = await asideEpochs(directory)
  const epoch = Math.max(own, ...aside.map(number => number + 1))
  const faults = fault === null ? found.faults : [fault, ...found.faults]
  return { ...found, faults, origin: epochOrigin(base, own), epoch }
}

/** What keeps a daemon from opening it. Whose the files are is for who recovers it to see to. */
async function faultAtStart(directory: string, base: string): Promise<Fault | null> {
  const { state: path, scratch, tail } = layout(directory)
  const state = new StateFiles(systemIo, path, scratch)
  const tiles = new TileStore(systemIo, directory, scratch)
  try {
    checkPlaces(directory)
    if (!existsSync(tail)) refuseRemains(directory, false)
    const segments = readTail(tail, false)
    if (segments.length === 0) refuseRemains(directory, false)
    const { epoch } = await readLog(directory, base, { state, tiles }, segments)
    if (epoch > 1 || state.read('anchor')?.counter != null) return null
    return {
      code: 'LINEAGE_ROLLED_BACK',
      message: "there is no record of the TPM's counter",
      at: 'state/anchor',
    }
  } catch (error) {
    if (error instanceof LineageError)
      return { code: error.code, message: error.message, at: error.at ?? null }
    // An input/output error, or a file that may not be read.
    const message = error instanceof Error ? error.message : String(error)
    return { code: 'LINEAGE_UNAVAILABLE', message, at: null }
  }
}
