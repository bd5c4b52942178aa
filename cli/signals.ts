import { constants } from 'node:os'

/** The signals that `writ run` hands on to its program: those that people, shells and service managers send to have a program act. */
export const HANDED_ON = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGUSR1',
  'SIGUSR2',
  'SIGALRM',
  'SIGTERM',
] as const satisfies readonly NodeJS.Signals[]

export type HandedOn = (typeof HANDED_ON)[number]

/** Signals whose default is to leave a core (signal(7)): a core of this tool would say nothing of the program's fault. */
const WITH_CORE: ReadonlySet<NodeJS.Signals> = new Set([
  ...(['SIGQUIT', 'SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGSEGV', 'SIGSYS'] as const),
  ...(['SIGXCPU', 'SIGXFSZ'] as const),
])

/** How long a signal to oneself may take; longer means that it is ignored here, as SIGHUP is under nohup(1). */
const PATIENCE_MS = 200

/** The name of a signal; undefined for what has none here. */
export function signalName(number: number): NodeJS.Signals | undefined {
  return (Object.keys(constants.signals) as NodeJS.Signals[]).find(name => constants.signals[name] === number)
}

/**
 * Ends this process by the signal that ended its program, as timeout(1) and sudo do: a shell, and a service manager to which SIGTERM is
 * a clean end and status 143 a failure, see what they would have seen of the program. Comes back where that is not to be: for signals that
 * leave a core, and for those that are ignored here. 128 and the number is then the status.
 */
export async function dieOf(signal: NodeJS.Signals): Promise<void> {
  if (WITH_CORE.has(signal)) return
  if (signal === 'SIGKILL') process.kill(process.pid, signal)
  process.removeAllListeners(signal)
  // Node ignores SIGPIPE and has a use of its own for SIGUSR1; a listener that goes leaves the default behind.
  const nothing = () => undefined
  process.on(signal, nothing).off(signal, nothing)
  process.kill(process.pid, signal)
  await new Promise(resolve => setTimeout(resolve, PATIENCE_MS))
}
