/** Where each key of a TOML text is set, found by a simple look at its lines; spellings that it does not find have no line. */
export class KeyLines {
  readonly #keys = new Map<string, number>()
  readonly #sections = new Map<string, number>()
  readonly #bare = new Map<string, number>()

  constructor(text: string) {
    let section = ''
    for (const [index, line] of text.split('\n').entries()) {
      const header = /^\s*\[\s*"?([\w-]+)"?\s*\]/.exec(line)?.[1]
      if (header !== undefined) {
        section = header
        note(this.#sections, header, index)
        continue
      }
      const key = /^\s*"?([\w.-]+)"?\s*=/.exec(line)?.[1]
      if (key === undefined) continue
      if (section === '') note(this.#bare, key, index)
      else note(this.#keys, `${section}.${key}`, index)
    }
  }

  /** The line that sets `section.key`, or opens `section`; from 1. */
  of(dotted: string): number | undefined {
    const [section = ''] = dotted.split('.')
    const own = section === dotted ? this.#sections.get(section) : this.#keys.get(dotted)
    return own ?? this.#bare.get(dotted) ?? this.#bare.get(section)
  }
}

/** The first one counts: a second one is an error of its own. */
function note(lines: Map<string, number>, name: string, index: number): void {
  if (!lines.has(name)) lines.set(name, index + 1)
}
