import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { CliError } from '../error.ts'

/** What readline echoes into this is seen by nobody. */
const NOWHERE = new Writable({ write: (_chunk, _encoding, done) => done() })

/** A person before the terminal. Questions go to standard error, so that standard output has the result alone. */
export class Person {
  /** Null where there is no terminal to ask at. */
  static atTerminal(): Person | null {
    return process.stdin.isTTY ? new Person() : null
  }

  /** A line; empty takes what is offered. */
  async text(question: string, offered = ''): Promise<string> {
    const shown = offered === '' ? `${question}: ` : `${question} [${offered}]: `
    const line = (await this.#line(shown, process.stderr)).trim()
    return line === '' ? offered : line
  }

  /** A yes or a no; empty takes what is offered. */
  async yes(question: string, offered: boolean): Promise<boolean> {
    for (;;) {
      const line = (await this.#line(`${question} ${offered ? '[Y/n]' : '[y/N]'} `, process.stderr)).trim()
      if (line === '') return offered
      if (/^y(?:es)?$/i.test(line)) return true
      if (/^no?$/i.test(line)) return false
    }
  }

  /** A passphrase, which the terminal does not show. A new one is typed twice. */
  async passphrase(question: string, again: boolean): Promise<string> {
    for (;;) {
      const typed = await this.#hidden(question)
      if (!again || typed === '') return typed
      if ((await this.#hidden('The same again')) === typed) return typed
      process.stderr.write('They differ.\n')
    }
  }

  async #hidden(question: string): Promise<string> {
    try {
      return await this.#line(`${question}: `, NOWHERE)
    } finally {
      process.stderr.write('\n')
    }
  }

  /** @param echo where what is typed is shown */
  async #line(question: string, echo: NodeJS.WritableStream): Promise<string> {
    // It takes the terminal's own echo away before anything is asked.
    const terminal = createInterface({ input: process.stdin, output: echo, terminal: true })
    const gone = new Promise<never>((_, reject) => {
      const stop = () => reject(new CliError('NOT_CONFIRMED', 'stopped; `writ setup` goes on from here'))
      terminal.once('SIGINT', stop)
      terminal.once('close', stop)
    })
    try {
      const typed = terminal.question(question)
      if (echo === NOWHERE) process.stderr.write(question)
      return await Promise.race([typed, gone])
    } finally {
      gone.catch(() => {})
      terminal.close()
    }
  }
}
