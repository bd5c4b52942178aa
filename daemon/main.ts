import { parseArgs } from 'node:util'
import { readConfig } from '../configuration/read-file.ts'
import { WritError } from '../encoding/error.ts'
import { LineageError } from '../lineage/index.ts'
import { DAEMON_VERSION } from './first-entries.ts'
import { Announcement } from './hand-over/announcement.ts'
import { LogLevels } from './log/log-level.ts'
import { lastWords, openLog } from './log/open-log.ts'
import { Instruments } from './metrics/instruments.ts'
import { serveMetrics } from './metrics/service.ts'
import { exitAtTheLatest, releaseFreeMemory, sdNotify } from './native.ts'
import type { DaemonParts } from './parts.ts'
import { lateText } from './progress.ts'
import { Reload } from './reload.ts'
import { takePassedSockets } from './rpc/passed-socket.ts'
import type { RpcServer } from './rpc/server.ts'
import { serviceStatus, statusLine } from './service-status.ts'
import { Settings } from './settings.ts'
import { Start } from './start.ts'
import { Watchdog, watchdogIntervalMs } from './watchdog.ts'

const DEFAULT_CONFIG = '/etc/writ/writd.toml'
const USAGE = `usage: writd [--config FILE]   (default: ${DEFAULT_CONFIG})`
/** How long running executions may take to be dead at a stop. */
const STOP_MS = 10_000
/** What a stop may take beyond that and the calls' time to finish: the last entries, checkpoint and counter, each of which may wait for the TPM. */
const STOP_SLACK_MS = 60_000
/** A start that takes longer waits for something, and says meanwhile what else is wrong. */
const LONG_START_MS = 5_000
/** How often the memory goes back to the host that a start, a change of policy or a burst of requests has left free. */
const RELEASE_MS = 60_000
/** What Node's own exit may take; it is milliseconds unless a thread hangs. */
const EXIT_MS = 2_000

async function main(): Promise<number> {
  const options = readOptions()
  if (typeof options === 'number') return options
  const announcement = new Announcement()
  const hangup = awaitHangup()
  const stop = awaitStop()
  const startedMs = Date.now() - process.uptime() * 1000
  const passed = takePassedSockets()
  const settings = new Settings(readConfig(options.config))
  const { logLevel } = settings.now.daemon
  const log = openLog(logLevel)
  announcement.onHeard = () => {
    log.info(
      { event: 'restart-announced' },
      'a restart is announced: a stop within 90 s hands over what runs',
    )
    // What announces it waits for this.
    sdNotify(statusLine('a restart is announced'))
  }
  const watchdog = new Watchdog(sdNotify)
  watchdog.start(watchdogIntervalMs())
  const instruments = new Instruments(DAEMON_VERSION)
  const levels = new LogLevels(log, () => settings.now.daemon.logLevel)
  const start = new Start(settings, log, levels, instruments, stop, passed.api)
  const { server } = start
  watchdog.onChange = late => {
    if (late === null) log.info({ event: 'watchdog' }, 'it gets on again')
    else
      log.error({ event: 'watchdog', reason: late.code }, `the watchdog is told nothing: ${lateText(late)}`)
  }
  watchdog.follow(start.progress)
  const { stateDirectory } = settings.whole.daemon
  const started = Promise.withResolvers<void>()
  setTimeout(started.resolve, LONG_START_MS).unref()
  const metrics = await serveMetrics({
    ...{ instruments, log, passed: passed.metrics, path: settings.whole.metrics.socket ?? null },
    before: { startedMs, stateDirectory, rpc: server },
    parts: () => start.parts,
    core: () => start.core,
    late: () => watchdog.late,
    started: started.promise,
  })
  process.once('exit', () => metrics?.close())
  const parts = await start.assemble()
  if (parts === null) return 0
  started.resolve()
  if (stop.aborted) {
    await shutDown(parts, server, 'stopped at its start', await announcement.covers())
    return 0
  }
  try {
    await start.serve(parts)
  } catch (error) {
    // The log is closed as at any stop: the next start must not take this for a crash.
    await shutDown(parts, server, `the start failed: ${error instanceof WritError ? error.code : 'INTERNAL'}`)
    throw error
  }
  watchdog.follow(parts.attestor.progress)
  const tellStatus = () => sdNotify(serviceStatus(parts))
  parts.gate.on('transition', tellStatus)
  tellStatus()
  setInterval(releaseFreeMemory, RELEASE_MS).unref()
  const reload = reloading(parts, levels, options.config, tellStatus)
  hangup.serve(() => void reload.soon())
  const end = await untilStopped(parts, stop)
  const isRestart = !end.failed && (await announcement.covers())
  hangup.serve(() => undefined)
  log[end.failed ? 'error' : 'info']({ event: 'daemon-stop', cause: end.cause }, 'stopping')
  const graceMs = settings.now.daemon.shutdownGraceSeconds * 1000
  sdNotify(
    `STOPPING=1\nEXTEND_TIMEOUT_USEC=${(graceMs + STOP_MS + STOP_SLACK_MS) * 1000}\n${statusLine(`stopping: ${end.cause}`)}`,
  )
  await reload.settled()
  await shutDown(parts, server, end.cause, isRestart)
  return end.failed ? 1 : 0
}

/** The options, or the exit status where there is nothing to do. */
function readOptions(): { config: string } | number {
  try {
    const { values } = parseArgs({
      options: { config: { type: 'string', default: DEFAULT_CONFIG }, help: { type: 'boolean' } },
    })
    if (values.help !== true) return values
    process.stdout.write(`${USAGE}\n`)
    return 0
  } catch (error) {
    process.stderr.write(`writd: ${error instanceof Error ? error.message : String(error)}\n${USAGE}\n`)
    return 2
  }
}

/** SIGHUP never ends the daemon. One that comes before anything can be reloaded is served then. */
function awaitHangup(): { serve(onHangup: () => void): void } {
  let early = false
  let handle = () => {
    early = true
  }
  process.on('SIGHUP', () => handle())
  return {
    serve: onHangup => {
      handle = onHangup
      if (early) onHangup()
      early = false
    },
  }
}

/**
 * Aborted by SIGTERM and SIGINT, its reason the signal's name. From the first moment on: a process that is ended by the signal itself leaves
 * an open lineage behind, which the next start has to take for a crash.
 */
function awaitStop(): AbortSignal {
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort(signal))
  return stop.signal
}

function reloading(parts: DaemonParts, levels: LogLevels, path: string, tellStatus: () => void): Reload {
  const { settings, lineage, recorder, attestor, sealing, gate, log } = parts
  return new Reload({
    ...{ path, settings, lineage, recorder, attestor, sealing, gate, log, levels },
    notify: sdNotify,
    changed: () => {
      parts.onStatusChange()
      tellStatus()
    },
  })
}

/** Resolves when the daemon has to end: a signal, or a part without which it cannot go on. */
function untilStopped(parts: DaemonParts, stop: AbortSignal): Promise<{ cause: string; failed: boolean }> {
  return new Promise(resolve => {
    const stopped = () => resolve({ cause: String(stop.reason), failed: false })
    stop.addEventListener('abort', stopped)
    if (stop.aborted) stopped()
    void parts.lineage.failed.then(error => {
      const what =
        error.code === 'LINEAGE_BROKEN' ? 'the lineage is not whole' : 'the lineage cannot be written'
      parts.log.fatal({ event: 'lineage-failed', code: error.code, err: error }, what)
      parts.gate.close('STALE', [{ code: error.code, message: error.message }])
      resolve({ cause: `${what}: ${error.message}`, failed: true })
    })
    parts.launcher.on('disconnected', () => {
      parts.gate.close('STALE', [{ code: 'LAUNCHER_LOST', message: 'the launcher is gone' }])
      resolve({ cause: 'the launcher is gone', failed: true })
    })
  })
}

/** @param isRestart whether what runs is left to the launcher, for the next run */
async function shutDown(
  parts: DaemonParts,
  server: RpcServer,
  cause: string,
  isRestart = false,
): Promise<void> {
  const {
    executor,
    leaving,
    renewals,
    attestor,
    sealing,
    scrub,
    retention,
    snapshots,
    validity,
    decisions,
    recorder,
    lineage,
    launcher,
    host,
    settings,
    log,
  } = parts
  const quietly = async (step: Promise<unknown>): Promise<void> => {
    await step.catch((err: unknown) => log.warn({ err }, 'a step of the stop failed'))
  }
  const graceMs = settings.now.daemon.shutdownGraceSeconds * 1000
  leaving.begin()
  const closed = server.close(graceMs)
  let handedOver = 0
  if (isRestart)
    await quietly(
      leaving
        .leave(STOP_MS, graceMs, async () => {
          // A cycle that finds the launcher gone would close the gate, and what is handed over would end with its lease.
          await attestor.stop()
          await renewals.settled()
        })
        .then(count => {
          handedOver = count
          log.info({ event: 'executions-handed-over', executions: count }, 'the launcher keeps what ran')
        }),
    )
  await quietly(executor.endAll(STOP_MS))
  await quietly(closed)
  validity.stop()
  await quietly(attestor.stop())
  await quietly(decisions.flush())
  await quietly(retention.stop())
  await quietly(scrub.stop())
  await quietly(snapshots.stop())
  await quietly(sealing.stop())
  const said = isRestart ? `${cause}, for a restart; ${handedOver} executions handed over` : cause
  await quietly(recorder.record({ type: 'daemon-stop', cause: said }))
  await quietly(lineage.checkpoint())
  await quietly(lineage.close())
  launcher.close()
  await quietly(host.tpm.close())
}

/** What keeps the daemon from starting is said in one line: the operator needs the cause, not the stack. */
function explain(error: unknown): void {
  const code = error instanceof WritError ? error.code : null
  const what = error instanceof Error ? error.message : String(error)
  lastWords(what, code, needsRecovery(error) ? '; see `writ lineage recover --help`' : '')
  if (!(error instanceof WritError)) openLog('error').fatal({ err: error }, 'fault')
}

/** Whether it is a lineage that cannot go on. One that is open elsewhere, on a full disk or in other hands, can. */
function needsRecovery(error: unknown): boolean {
  return (
    error instanceof LineageError &&
    ['LINEAGE_ABSENT', 'LINEAGE_BROKEN', 'LINEAGE_ROLLED_BACK', 'BLOB_ABSENT', 'BLOB_DAMAGED'].includes(
      error.code,
    )
  )
}

process.on('unhandledRejection', error => {
  // Nothing may go on in a state that nobody foresaw. Leases run out by themselves.
  explain(error)
  exit(70)
})

/** All that had to be closed is closed. */
function exit(status: number): never {
  exitAtTheLatest(status, EXIT_MS)
  process.exit(status)
}

main().then(exit, (error: unknown) => {
  explain(error)
  exit(1)
})
