import type { Permit } from '../../../daemon/permit.ts'
import { artifact, labels } from '../../authorization/scenario.ts'
import { peer, streams, type World, workload } from './world.ts'

export const unlimited = artifact(it => {
  it.validity.maxUses = 'any'
})
export const forProduction = artifact(it => {
  it.validity.maxUses = 'any'
  it.audience.labels = ['production']
})
export const signedLabels = (version: number, label: string) =>
  Buffer.from(labels(label, { version, notAfter: '2026-11-21T02:00:05.000Z' }).envelope)
export const permit = (w: World, sent = unlimited): Promise<Permit> =>
  w.decider.decide(peer(), 'execute', sent, workload())
/** The same as the API asks for it: made ready while it is made durable. */
export const permitAhead = (w: World, sent = unlimited) =>
  w.decider.decide(peer(), 'execute', sent, workload(), decided => w.executor.makeReady(decided))
export const FORBID_ALL = 'forbid(principal, action, resource);'
export const idOf = ({ input }: Permit) => input.request.executionId
export const never = () => new AbortController().signal

/** Runs a permit until its program runs. */
export async function running(w: World, who = peer(), given = streams(), signal = never()) {
  const it = await permit(w)
  const started = Promise.withResolvers<void>()
  const done = w.executor.run(
    it,
    who,
    {
      ...given,
      started: async message => {
        await given.started(message)
        started.resolve()
      },
    },
    signal,
  )
  await Promise.race([started.promise, done])
  return { id: idOf(it), done }
}
