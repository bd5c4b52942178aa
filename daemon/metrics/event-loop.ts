import type { Instruments } from './instruments.ts'

const EVERY_MS = 1_000

/** Notes once a second by how much the event loop is late. Keeps nothing alive. */
export function watchEventLoop({ loopLag }: Pick<Instruments, 'loopLag'>): void {
  let due = performance.now() + EVERY_MS
  setInterval(() => {
    const now = performance.now()
    loopLag.observe(Math.max(0, now - due) / 1000)
    due = now + EVERY_MS
  }, EVERY_MS).unref()
}
