/**
 * Metrics in the text format of Prometheus (exposition format 0.0.4). Every label has a closed set of values that is known when the family is
 * made: what callers send can add no time series. A value that is not in the set counts as `other`.
 */

/** What takes the place of a value that is not in a label's set. */
export const OTHER = 'other'

/** Labels of a family with the values that they can have. */
export type Labels = Readonly<Record<string, readonly string[]>>

/** One value of each label, in the order of the labels. */
export type Values = readonly string[]

/** A metric with all its time series. */
export interface Family {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly labels: Labels
  /** Its lines, without HELP and TYPE. */
  lines(): string[]
}

/** Time series of one kind of value, one for each combination of the labels' values. */
class Series {
  readonly name: string
  readonly help: string
  readonly labels: Labels
  readonly #names: readonly string[]
  protected readonly values = new Map<string, number>()

  constructor(name: string, help: string, labels: Labels) {
    this.name = name
    this.help = help
    this.labels = labels
    this.#names = Object.keys(labels)
  }

  /** The values as a line has them: `{code="TPM_RC"}`. */
  protected key(values: Values): string {
    if (this.#names.length === 0) return ''
    const pairs = this.#names.map((name, i) => {
      const value = values[i] ?? OTHER
      return `${name}="${this.labels[name]?.includes(value) === true ? value : OTHER}"`
    })
    return `{${pairs.join(',')}}`
  }

  lines(): string[] {
    return [...this.values].map(([key, value]) => `${this.name}${key} ${text(value)}`)
  }
}

/** Goes up, from zero at the start of the daemon. All its series are there from the beginning, so that a first increase is seen as one. */
export class Counter extends Series implements Family {
  readonly type = 'counter'

  constructor(name: string, help: string, labels: Labels = {}) {
    super(name, help, labels)
    for (const values of combinations(Object.values(labels))) this.values.set(this.key(values), 0)
  }

  add(values: Values = [], by = 1): void {
    const key = this.key(values)
    this.values.set(key, (this.values.get(key) ?? 0) + by)
  }
}

/** Whatever it is when it is looked at. A series that has no value now is left out. */
export class Gauge extends Series implements Family {
  readonly type: Family['type'] = 'gauge'

  constructor(name: string, help: string, labels: Labels = {}) {
    super(name, help, labels)
  }

  /** @param value null: there is none */
  set(value: number | null, values: Values = []): void {
    if (value === null) this.values.delete(this.key(values))
    else this.values.set(this.key(values), value)
  }

  /** One for the value that is, zero for the others. */
  choose(value: string): void {
    const [all = []] = Object.values(this.labels)
    for (const one of all) this.set(one === value ? 1 : 0, [one])
  }
}

/** A count that somebody else keeps, and that is looked up as a gauge is. */
export class KeptCounter extends Gauge {
  override readonly type = 'counter'
}

/** Upper bounds in seconds: from a lookup to what somebody waits for. */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const

interface Distribution {
  readonly counts: Float64Array
  sum: number
}

/** How long something takes. A series begins with the first that is seen of it: one label has many values, most of which a host never has. */
export class Histogram implements Family {
  readonly type = 'histogram'
  readonly name: string
  readonly help: string
  readonly labels: Labels
  readonly #label: string | null
  readonly #known: ReadonlySet<string>
  readonly #series = new Map<string, Distribution>()

  constructor(name: string, help: string, labels: Labels = {}) {
    this.name = name
    this.help = help
    this.labels = labels
    const [[label, values] = [null, ['']]] = Object.entries(labels)
    this.#label = label
    this.#known = new Set(values)
  }

  /** @param value of the one label, if there is one */
  observe(seconds: number, value = ''): void {
    const known = this.#known.has(value) ? value : OTHER
    let series = this.#series.get(known)
    if (series === undefined) {
      series = { counts: new Float64Array(SECONDS.length + 1), sum: 0 }
      this.#series.set(known, series)
    }
    let at = 0
    while (at < SECONDS.length && seconds > (SECONDS[at] ?? 0)) at++
    series.counts[at] = (series.counts[at] ?? 0) + 1
    series.sum += seconds
  }

  lines(): string[] {
    return [...this.#series].flatMap(([value, { counts, sum }]) => {
      const own = this.#label === null ? '' : `${this.#label}="${value}"`
      const ownAnd = (more: string) => (own === '' ? more : `${own},${more}`)
      let below = 0
      const buckets = [...SECONDS, Number.POSITIVE_INFINITY].map((bound, i) => {
        below += counts[i] ?? 0
        return `${this.name}_bucket{${ownAnd(`le="${text(bound)}"`)}} ${below}`
      })
      const braces = own === '' ? '' : `{${own}}`
      return [...buckets, `${this.name}_sum${braces} ${text(sum)}`, `${this.name}_count${braces} ${below}`]
    })
  }
}

/** The page that is scraped. */
export function exposition(families: readonly Family[]): string {
  return families
    .flatMap(family => [
      `# HELP ${family.name} ${family.help}\n`,
      `# TYPE ${family.name} ${family.type}\n`,
      ...family.lines().map(line => `${line}\n`),
    ])
    .join('')
}

function text(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  return Number.isNaN(value) ? 'NaN' : String(value)
}

/** Each combination of one value of each list. */
function combinations(lists: readonly (readonly string[])[]): string[][] {
  return lists.reduce<string[][]>(
    (found, list) => found.flatMap(values => list.map(value => [...values, value])),
    [[]],
  )
}
