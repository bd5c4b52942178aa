import { setTimeout as sleep } from 'node:timers/promises'
import { TransportError } from '../call-error.ts'
import { cancelledBy } from './answers.ts'

/** How often, and how fast, what may be sent again is sent again. */
export interface RetryOptions {
  /** Attempts in all; 1: none is repeated. */
  readonly attempts: number
  /** Before the second attempt; doubles with each. */
  readonly firstDelayMs: number
  readonly longestDelayMs: number
}

/** A daemon that is being restarted is back within about a second. */
export const DEFAULT_RETRY: RetryOptions = { attempts: 5, firstDelayMs: 100, longestDelayMs: 2000 }

/**
 * Milliseconds before the attempt after `failures` failures: doubling, to a limit, and anywhere between half of that and all of
 * it, so that callers that lost the daemon together do not come back together.
 */
export function backoff(failures: number, options: RetryOptions, random: () => number = Math.random): number {
  const full = Math.min(options.firstDelayMs * 2 ** (failures - 1), options.longestDelayMs)
  return full * (0.5 + random() / 2)
}

/** Whether the failure is one of the connection, and says nothing of the request. A denial or a fault is an answer. */
export function isLost(error: unknown): error is TransportError {
  return error instanceof TransportError && error.code === 'UNAVAILABLE'
}

/**
 * Makes attempts until one succeeds, fails for good, or there is no time for another: then the last failure is thrown.
 *
 * @param attempt gets the milliseconds that are left
 * @throws CallError
 */
export async function withRetries<T>(
  attempt: (leftMs: number) => Promise<T>,
  options: RetryOptions,
  deadlineMs: number,
  signal?: AbortSignal,
): Promise<T> {
  const begin = performance.now()
  for (let failures = 0; ; ) {
    const left = deadlineMs - (performance.now() - begin)
    try {
      return await attempt(left)
    } catch (error) {
      if (!isLost(error) || ++failures >= options.attempts) throw error
      const wait = backoff(failures, options)
      if (performance.now() - begin + wait >= deadlineMs) throw error
      await pause(wait, signal)
    }
  }
}

/** @throws CallError when the signal aborts first */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal })
  } catch (error) {
    throw signal?.aborted ? cancelledBy(signal) : error
  }
}
