import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { programs } from '../support/programs.ts'
import { type GovernedHost, WRITD } from '../system/governed-host.ts'
import type { Step } from './page.ts'

const PROGRAMS = await programs()
const END = '@@ ended with '
/** Longest time for one command. */
const PATIENCE_MS = 60_000

/**
 * An operator's shell on a governed host: it has the paths of an installed host, and of the service manager as much as pages need. Variables and the working
 * directory last from one command to the next.
 */
export class Operator {
  readonly #host: GovernedHost
  readonly #shell: ChildProcess
  #said = ''

  constructor(host: GovernedHost) {
    this.#host = host
    const bin = host.path('bin')
    mkdirSync(bin)
    writeFileSync(join(bin, 'writ'), this.#writ())
    chmodSync(join(bin, 'writ'), 0o755)
    // As the five minutes of the README call it.
    copyFileSync(host.path('authority.key'), host.path('release.key'))
    copyFileSync(host.path('authority.pub'), host.path('release.pub'))
    this.#shell = spawn('sh', [], {
      cwd: host.dir,
      env: { PATH: `${bin}:${process.env.PATH}`, WRIT_SOCKET: host.socket, OTHER: `000b${'ab'.repeat(32)}` },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.#shell.stdin?.write('exec 2>&1\n')
    this.#shell.stdout?.on('data', piece => (this.#said += piece))
  }

  /** The tool, told where this host has what an installed one has at its usual place. */
  #writ(): string {
    const { path, tpm } = { path: (name: string) => this.#host.path(name), tpm: this.#host.tpm.paths.socket }
    const state = `--state-dir '${path('state')}'`
    const secrets = path('credentials')
    const logs = `--event-log '${path('eventlog.bin')}' --userspace-log '${path('userspace.jsonseq')}' --ima-log '${path('ima.bin')}'`
    return `#!/bin/sh
case "$1 $2 $3" in
  init*) set -- "$@" ${state} --tpm 'swtpm:${tpm}' ;;
  'lineage recover'* | 'lineage export'* | 'key enroll request' | 'key enroll install') set -- "$@" ${state} ;;
  'key enroll answer') set -- "$@" ${state} --tpm 'swtpm:${tpm}' ;;
  'reference capture'*) set -- "$@" ${state} --tpm 'swtpm:${tpm}' ${logs} --component any ;;
  issue*) shift; set -- issue --simulated allow "$@" ;;
esac
case "$1 $2 $3" in
  init* | 'key enroll answer' | 'reference capture'*) if [ -d '${secrets}' ]; then set -- "$@" --credentials '${secrets}'; fi ;;
esac
exec '${process.execPath}' '${join(PROGRAMS, 'cli/main.ts')}' "$@"
`
  }

  /** Runs one command as it is on the page. Gives what it says. @throws Error where it does not do what the page says */
  async follow({ command, says, refused, line }: Step): Promise<string> {
    const manager = /^systemctl (start|stop|restart|reset-failed) (?:writd\.socket )?writd$/.exec(command)
    const { status, said } = command.startsWith('journalctl -u writd ')
      ? { status: 0, said: this.#host.daemonLog }
      : manager === null
        ? await this.#run(this.#here(command))
        : await this.#manage(manager[1])
    const wrong = (what: string) =>
      new Error(`line ${line}: ${command}\n${what}\n${said}\n${this.#host.daemonLog.slice(-3000)}`)
    if ((status !== 0) !== refused) throw wrong(`ended with ${status}`)
    if (says !== null && !said.includes(says)) throw wrong(`does not say: ${says}`)
    return said
  }

  close(): void {
    this.#shell.kill('SIGKILL')
  }

  #here(command: string): string {
    const user = `${WRITD.uid}:${WRITD.gid}`
    return (
      command
        .replaceAll('/run/writ/metrics.sock', this.#host.path('metrics/metrics.sock'))
        .replaceAll('/var/lib/writ', this.#host.path('state'))
        .replaceAll('/etc/writ', this.#host.dir)
        .replaceAll('/srv', this.#host.path('srv'))
        // What a simulated TPM's certificate leads to is no maker of hardware.
        .replaceAll('--hardware-ek-root', '--ek-root')
        // All files of this machine would be hashed, for minutes.
        .replace(/(?: --files \S+)+/, '')
        .replaceAll('--user writ', `--user ${user}`)
        .replaceAll('writ:writ', user)
    )
  }

  async #run(command: string): Promise<{ status: number; said: string }> {
    this.#said = ''
    this.#shell.stdin?.write(`${command}\nprintf '\\n${END}%s\\n' $?\n`)
    const deadline = Date.now() + PATIENCE_MS
    for (;;) {
      const at = this.#said.indexOf(`\n${END}`)
      const status = at < 0 ? null : /^(\d+)\n/.exec(this.#said.slice(at + END.length + 1))
      if (status !== null) return { status: Number(status[1]), said: this.#said.slice(0, at) }
      if (Date.now() > deadline) throw new Error(`${command}: no end\n${this.#said}`)
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }

  async #manage(what: string | undefined): Promise<{ status: number; said: string }> {
    // A start that was refused is forgotten here anyway.
    if (what === 'reset-failed') return { status: 0, said: '' }
    try {
      if (what !== 'start') await this.#host.stopDaemon()
      this.#host.daemonLog = what === 'stop' ? this.#host.daemonLog : ''
      if (what !== 'stop') await this.#host.startDaemon()
      return { status: 0, said: '' }
    } catch {
      // Why is in the journal.
      return { status: 1, said: 'Job for writd.service failed.' }
    }
  }
}
