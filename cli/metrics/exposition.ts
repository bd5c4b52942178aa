import { WritError } from '../../encoding/error.ts'

/** A page of metrics is not in the text format of Prometheus as the daemon writes it. `at` is the number of the line. */
export class ExpositionError extends WritError<'METRICS_MALFORMED'> {}

/** Most lines of a page, and bytes of one of them. */
const MAX_LINES = 20_000
const MAX_LINE = 1024

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** As it was written: a number, `NaN` or `+Inf`. */
  readonly value: string
}

export interface ExposedFamily {
  readonly name: string
  readonly type: string
  readonly help: string
  readonly samples: Sample[]
}

const SAMPLE = /^([a-z_][a-z0-9_]*)(?:\{([^{}]*)\})? (-?[0-9.e+-]+|NaN|\+Inf)$/
const LABEL = /^([a-z_][a-z0-9_]*)="([^"\\]*)"$/

/**
 * Reads a page of metrics.
 *
 * @param text from whoever serves at the place that was asked
 * @throws ExpositionError
 */
export function parseExposition(text: string): ExposedFamily[] {
  const lines = text.split('\n', MAX_LINES + 1)
  if (lines.length > MAX_LINES) throw malformed(MAX_LINES, `has more than ${MAX_LINES} lines`)
  const families = new Map<string, ExposedFamily>()
  let help = ''
  let family: ExposedFamily | null = null
  for (const [index, line] of lines.entries()) {
    const bad = (what: string) => malformed(index + 1, what)
    if (line.length > MAX_LINE) throw bad(`is longer than ${MAX_LINE} characters`)
    if (line === '') continue
    const [, key, name = '', rest = ''] = /^# (HELP|TYPE) ([a-z_][a-z0-9_]*) (.*)$/.exec(line) ?? []
    if (key === 'HELP') help = rest
    else if (key === 'TYPE') {
      if (families.has(name)) throw bad('is a second family of its name')
      family = { name, type: rest, help, samples: [] }
      families.set(name, family)
    } else {
      const sample = parseSample(line)
      if (sample === null) throw bad('is no sample')
      if (family === null || !sample.name.startsWith(family.name)) throw bad('belongs to no family')
      family.samples.push(sample)
    }
  }
  return [...families.values()]
}

function parseSample(line: string): Sample | null {
  const [whole, name = '', pairs, value = ''] = SAMPLE.exec(line) ?? []
  if (whole === undefined) return null
  const labels: Record<string, string> = {}
  for (const pair of pairs === undefined || pairs === '' ? [] : pairs.split(',')) {
    const [, label, text = ''] = LABEL.exec(pair) ?? []
    if (label === undefined) return null
    Object.defineProperty(labels, label, { value: text, enumerable: true })
  }
  return { name, labels, value }
}

function malformed(line: number, what: string): ExpositionError {
  return new ExpositionError('METRICS_MALFORMED', `line ${line} ${what}`, { at: String(line) })
}
