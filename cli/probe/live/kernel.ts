import { addonPath } from '../../../encoding/shipped.ts'
import { type Look, seen, unseen } from '../look.ts'
import type { ClockFacts, KernelFeatures, KernelProbe } from '../probes.ts'

/** The part of the addon that only looks (`native/addon/kernel.c`). */
interface Addon {
  kernelFeatures(): KernelFeatures
  clockState(): { readonly synchronized: boolean; readonly maxErrorUs: number }
  bootTimeNs(): bigint
}

let loaded: Addon | undefined

/** Loaded only when it is asked for. @throws Error of the loader where the addon is not there */
function addon(): Addon {
  if (loaded === undefined) {
    const module = { exports: {} }
    process.dlopen(module, addonPath())
    loaded = module.exports as Addon
  }
  return loaded
}

export function liveKernel(): KernelProbe {
  return {
    features: async () => tried(() => addon().kernelFeatures()),
    clock: async () => tried(readClock),
  }
}

function readClock(): ClockFacts {
  const { bootTimeNs, clockState } = addon()
  const { synchronized, maxErrorUs } = clockState()
  const sinceBoot = Number(bootTimeNs()) / 1e9
  return {
    now: Date.now(),
    sinceBoot,
    // CLOCK_MONOTONIC, which hrtime is, stands still in suspend; CLOCK_BOOTTIME does not (clock_gettime(2)).
    suspended: Math.max(0, sinceBoot - Number(process.hrtime.bigint()) / 1e9),
    synchronized,
    maxErrorMs: maxErrorUs / 1000,
  }
}

function tried<T>(work: () => T): Look<T> {
  try {
    return seen(work())
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : null
    return unseen('failed', error instanceof Error ? error.message : String(error), code)
  }
}
