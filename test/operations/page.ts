import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CHECKOUT } from '../support/programs.ts'

/** One command of a page. */
export interface Step {
  readonly line: number
  readonly command: string
  /** What its output has to contain (`# says: …`). */
  readonly says: string | null
  /** Whether it has to fail (`# refused: …`, which says with which words). */
  readonly refused: boolean
}

/** What happens to a host before the commands that come next (`<!-- given: NAME -->`). */
export interface Given {
  readonly given: string
}

/** Where a block is tried, by its first line: anywhere, on a host with systemd and a TPM of its own, or where the operator's key is. */
export type Place = 'sh' | 'sh host' | 'sh operator'

/**
 * The commands of a page of docs/operations: the lines of its blocks that begin with three backticks and `place`, and what is given before such a block. A
 * backslash goes on in the next line.
 */
export function stepsOf(name: string, place: Place = 'sh'): (Step | Given)[] {
  const steps: (Step | Given)[] = []
  let inside: 'place' | 'other' | null = null
  let before: Given[] = []
  let begun = ''
  const text = readFileSync(join(CHECKOUT, 'docs/operations', name), 'utf8')
  for (const [index, line] of text.split('\n').entries()) {
    if (line.startsWith('```')) {
      if (inside !== null) inside = null
      else {
        inside = line === `\`\`\`${place}` ? 'place' : 'other'
        if (inside === 'place') steps.push(...before)
        before = []
      }
      continue
    }
    const [, given] = /^<!-- given: (.*) -->$/.exec(line) ?? []
    if (inside === null && given !== undefined) before.push({ given })
    if (inside !== 'place' || line.trim() === '') continue
    const whole = begun + line.trim()
    begun = whole.endsWith('\\') ? whole.slice(0, -1) : ''
    if (begun === '') steps.push(stepOf(whole, index + 1))
  }
  return steps
}

function stepOf(text: string, line: number): Step {
  const [, command = text, kind = '', words = null] =
    /^(.*?)\s+# (?:(says|refused): (.*)|.*)$/.exec(text) ?? []
  return { line, command: command.trim(), says: words, refused: kind === 'refused' }
}
