import { type Unseen, valueIn } from './look.ts'
import type { FileProbe } from './probes.ts'

/** Where units are, the first before the others (systemd.unit(5), "Unit File Load Path"). */
const UNIT_DIRECTORIES: readonly string[] = [
  '/etc/systemd/system',
  '/run/systemd/system',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
]

/** What is written in a unit and in what is added to it. */
export class UnitText {
  readonly #files: readonly string[]
  /** Why one of the files could not be read, which counts as empty; null: all were. */
  readonly unread: Unseen | null

  /** @param files contents, in the order in which they count */
  constructor(files: readonly string[], unread: Unseen | null = null) {
    this.#files = files
    this.unread = unread
  }

  /**
   * The values of a setting, in order; an empty one takes back those before it (systemd.syntax(7)). Specifiers are left as they are, and sections
   * are not told apart: no setting that is looked at has its name in two.
   */
  values(name: string): readonly string[] {
    let values: string[] = []
    for (const [key, value] of this.#files.flatMap(settingsIn))
      if (key === name) values = value === '' ? [] : [...values, value]
    return values
  }
}

/**
 * Reads a unit as systemd would find it; null where there is none.
 *
 * @param directories where units are, the first before the others
 */
export async function readUnit(
  files: FileProbe,
  unit: string,
  directories: readonly string[] = UNIT_DIRECTORIES,
): Promise<UnitText | null> {
  let main: string | null = null
  let unread: Unseen | null = null
  // Of the same name only the first counts; they are read in the order of their names.
  const additions = new Map<string, string>()
  for (const directory of directories) {
    if (main === null && (await files.stat(`${directory}/${unit}`)).seen) main = `${directory}/${unit}`
    const names = await files.list(`${directory}/${unit}.d`)
    if (!names.seen && names.why !== 'missing') unread = names
    for (const name of valueIn(names) ?? [])
      if (name.endsWith('.conf') && !additions.has(name))
        additions.set(name, `${directory}/${unit}.d/${name}`)
  }
  if (main === null) return null
  const paths = [main, ...[...additions].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path)]
  const texts: string[] = []
  for (const path of paths) {
    const text = await files.read(path)
    if (text.seen) texts.push(text.value.toString('utf8'))
    else unread = text
  }
  return new UnitText(texts, unread)
}

/** The settings that a file of a unit has, in order. A line that ends in a backslash goes on in the next one. */
export function settingsIn(text: string): readonly (readonly [name: string, value: string])[] {
  const lines = text.replace(/\\\n/g, ' ').matchAll(/^[ \t]*([A-Za-z]+)[ \t]*=[ \t]*(.*?)[ \t]*$/gm)
  return [...lines].map(([, name = '', value = '']) => [name, value])
}
