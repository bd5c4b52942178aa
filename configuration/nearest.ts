/** Longest part of a wrong name that is compared: whoever writes the file chooses its length. */
const COMPARED = 64

/**
 * What is wrong with a name that nobody knows, with the nearest known one if there is one that it may stand for. The same text comes from
 * writ-launchd (native/launchd/nearest.c).
 *
 * @param prefix is put before both names, such as `daemon.`
 */
export function unknownKeyText(name: string, known: readonly string[], prefix = ''): string {
  const nearest = nearestName(name, known)
  return `is not a known key${nearest === undefined ? '' : `; did you mean ${prefix}${nearest}?`}`
}

/** The known name with the least edit distance, the first of several; undefined if a third of it or more would have to be changed. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  let best: { name: string; distance: number } | undefined
  for (const other of known) {
    const distance = editDistance(name.slice(0, COMPARED), other)
    if (distance > Math.max(2, Math.floor(other.length / 3))) continue
    if (best === undefined || distance < best.distance) best = { name: other, distance }
  }
  return best?.name
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1]
    for (let j = 0; j < b.length; j++) {
      const replace = (row[j] ?? 0) + (a[i] === b[j] ? 0 : 1)
      next.push(Math.min(replace, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
