import { styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

const out = process.stdout
const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']

/** Text with a style where the terminal shows colours. */
export function styled(style: Style, text: string): string {
  return styleText(style, text, { stream: out })
}

/** What the demo prints: numbered steps, short lines below them, what it waits for, and a table at the end. */
export class Screen {
  readonly #started = performance.now()
  #step = 0
  #spinner: NodeJS.Timeout | undefined
  readonly #rows: { what: string; result: string; good: boolean }[] = []

  heading(text: string): void {
    this.#clear()
    out.write(`\n${styled(['bold', 'cyan'], `${++this.#step}. ${text}`)}\n`)
  }

  /** A plain line below the heading. */
  line(text: string): void {
    this.#clear()
    out.write(`   ${text}\n`)
  }

  /** A command as the reader could type it. */
  command(text: string): void {
    this.line(styled('dim', `$ ${text}`))
  }

  /** Lines of another program's output. */
  quote(text: string, style: Style = 'reset'): void {
    for (const line of text.trimEnd().split('\n')) this.line(`  ${styled(style, line)}`)
  }

  /** Something came out as it should, or did not; also a row of the table at the end. */
  result(what: string, result: string, good = true): void {
    this.#rows.push({ what, result, good })
    this.line(`${good ? styled('green', '✓') : styled('red', '✗')} ${what}: ${result}`)
  }

  /** Shows that something is going on until it is done. */
  async waiting<T>(what: string, work: Promise<T> | (() => Promise<T>)): Promise<T> {
    this.#clear()
    if (out.isTTY) {
      const began = performance.now()
      let frame = 0
      const draw = () => {
        const seconds = ((performance.now() - began) / 1000).toFixed(0)
        const sign = FRAMES[frame++ % FRAMES.length] ?? ''
        out.write(`\r\x1b[2K   ${styled('cyan', sign)} ${what} ${styled('dim', `${seconds} s`)}`)
      }
      draw()
      this.#spinner = setInterval(draw, 100)
    }
    try {
      return await (typeof work === 'function' ? work() : work)
    } finally {
      this.#clear()
    }
  }

  /** What was shown, and whether all of it came out as it should. */
  summary(): boolean {
    this.#clear()
    const good = this.#rows.every(row => row.good)
    const width = Math.max(...this.#rows.map(row => row.what.length))
    out.write(`\n${styled('bold', 'Summary')}\n`)
    for (const row of this.#rows) {
      out.write(
        `   ${row.good ? styled('green', '✓') : styled('red', '✗')} ${row.what.padEnd(width)}  ${row.result}\n`,
      )
    }
    const seconds = ((performance.now() - this.#started) / 1000).toFixed(1)
    const verdict = good
      ? styled(['bold', 'green'], 'all as it should be')
      : styled(['bold', 'red'], 'not as it should be')
    out.write(`\n   ${verdict}, in ${seconds} s, on a ${styled('bold', 'simulated TPM')}\n\n`)
    return good
  }

  /** Takes the spinner away. */
  #clear(): void {
    if (this.#spinner === undefined) return
    clearInterval(this.#spinner)
    this.#spinner = undefined
    out.write('\r\x1b[2K')
  }
}
