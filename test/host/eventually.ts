import { setTimeout as sleep } from 'node:timers/promises'
import { HostTestError } from './processes.ts'

/** Waits until something holds, asking twice a second. @throws HostTestError with what `otherwise` says, when it takes longer than `withinMs` */
export async function eventually(
  holds: () => Promise<boolean>,
  withinMs: number,
  otherwise: () => Promise<string>,
): Promise<void> {
  const deadline = Date.now() + withinMs
  while (!(await holds())) {
    if (Date.now() > deadline)
      throw new HostTestError(`not within ${withinMs / 1000} s:\n${await otherwise()}`)
    await sleep(500)
  }
}
