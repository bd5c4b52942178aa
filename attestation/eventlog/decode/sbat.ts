/** One line of SBAT data: what it is about, and from which generation on it is good (shim, SBAT.md). */
export interface SbatEntry {
  readonly component: string
  readonly generation: number
  /** Columns behind these two: the date in the first line. */
  readonly rest: readonly string[]
}

/** Most lines that are read; real levels have about ten. */
const MAX_LINES = 256

/** Reads SBAT text, or gives null when it is none. */
export function readSbat(text: string): readonly SbatEntry[] | null {
  const lines = text.split('\n').filter(line => line.trim() !== '')
  if (lines.length === 0 || lines.length > MAX_LINES || !lines[0]?.startsWith('sbat,')) return null
  const entries = lines.map(line => {
    const [component = '', generation = '', ...rest] = line.trim().split(',')
    return { component, generation: /^[0-9]{1,9}$/.test(generation) ? Number(generation) : Number.NaN, rest }
  })
  return entries.some(entry => entry.component === '' || Number.isNaN(entry.generation)) ? null : entries
}
