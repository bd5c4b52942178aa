import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * For a shell of root: has what it runs find the socket at `$JOURNAL` where the journal's is, in a mount namespace of its own, and take its standard
 * error for the journal, as a service manager starts it.
 */
export const WITH_JOURNAL = [
  'exec unshare --mount --propagation private sh -c',
  `'mount -t tmpfs -o mode=755 none /run && mkdir -p /run/systemd/journal && ln -s "$JOURNAL" /run/systemd/journal/socket &&`,
  `JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2) exec "$0" "$@"' "$0" "$@"`,
].join(' ')

/** A Unix datagram socket that keeps what it gets, or that is full and never read. A process of its own: Node has no such sockets. */
export class Datagrams {
  readonly dir: string
  readonly path: string
  readonly received: Buffer[] = []
  readonly #process: ChildProcess

  private constructor(dir: string, how: 'read' | 'full') {
    this.dir = dir
    this.path = join(dir, 'socket')
    this.#process = spawn(join(dir, 'datagrams'), [how, this.path], { stdio: ['ignore', 'pipe', 'inherit'] })
  }

  static async open(how: 'read' | 'full' = 'read'): Promise<Datagrams> {
    const dir = mkdtempSync(join(tmpdir(), 'writ-datagrams-'))
    // The daemon's user sends here.
    execFileSync('chmod', ['755', dir])
    execFileSync('gcc', ['-O1', '-o', join(dir, 'datagrams'), join(import.meta.dirname, 'datagrams.c')])
    const datagrams = new Datagrams(dir, how)
    await datagrams.#listen()
    return datagrams
  }

  #listen(): Promise<void> {
    return new Promise(resolve => {
      let rest = ''
      this.#process.stdout?.on('data', piece => {
        const lines = `${rest}${piece}`.split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) {
          if (line === 'ready') resolve()
          else this.received.push(Buffer.from(line, 'hex'))
        }
      })
    })
  }

  get texts(): string[] {
    return this.received.map(String)
  }

  close(): void {
    this.#process.kill('SIGKILL')
    rmSync(this.dir, { recursive: true, force: true })
  }
}

/**
 * Reads an entry in the journal's native form (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/), both kinds of fields.
 *
 * @throws Error for bytes that are no entry
 */
export function readJournalEntry(bytes: Buffer): [name: string, value: Buffer][] {
  const fields: [string, Buffer][] = []
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf('\n', at)
    if (end < 0) throw new Error('a field without an end')
    const line = bytes.subarray(at, end)
    const equals = line.indexOf('=')
    if (equals >= 0) {
      fields.push([line.subarray(0, equals).toString(), line.subarray(equals + 1)])
      at = end + 1
      continue
    }
    const length = Number(bytes.readBigUInt64LE(end + 1))
    const from = end + 9
    if (bytes[from + length] !== 0x0a) throw new Error('a value without an end')
    fields.push([line.toString(), bytes.subarray(from, from + length)])
    at = from + length + 1
  }
  return fields
}

/** As an object; of several fields of one name the first. */
export function journalObject(bytes: Buffer): Record<string, string> {
  return Object.fromEntries(
    readJournalEntry(bytes)
      .toReversed()
      .map(([name, value]) => [name, value.toString()]),
  )
}
