/** Most characters of a pattern. Paths are the host's and patterns are governance's; neither may make matching slow. */
export const MAX_PATTERN_CHARACTERS = 256
/** Most stars of a pattern, single or double. */
const MAX_STARS = 8

/** A pattern over the paths that IMA logs. */
export interface PathPattern {
  readonly text: string
  matches(path: string): boolean
}

/**
 * Whether a text is a pattern: an absolute path in which `*` stands for any characters but a slash, and `**`, as a whole segment, for any
 * number of segments, also none. All else stands for itself. Something besides stars has to be there: a pattern that matches every
 * path is no list of exceptions.
 */
export function isPathPattern(text: string): boolean {
  if (!text.startsWith('/') || text.length > MAX_PATTERN_CHARACTERS) return false
  const segments = text.slice(1).split('/')
  if (segments.some(segment => segment === '' || (segment !== '**' && segment.includes('**')))) return false
  if (segments.every(segment => /^\*+$/.test(segment))) return false
  return (text.match(/\*+/g)?.length ?? 0) <= MAX_STARS
}

/**
 * Makes a pattern ready for use. There is no backtracking: what stands between two stars is taken where it fits first, which is right for
 * stars, so that the time is at most the product of both lengths.
 *
 * @param text for which {@link isPathPattern} holds
 */
export function compilePathPattern(text: string): PathPattern {
  // A double star may stand for no segment, and then for no slash.
  const [literal = ''] = text.split(/\/\*\*|\*/)
  const groups = splitAtDoubleStar(text.slice(1).split('/')).map(group => group.map(compileSegment))
  return {
    text,
    // Nearly all paths are told apart by how they begin.
    matches: path => path.startsWith(literal) && matchGroups(groups, path.slice(1).split('/')),
  }
}

type SegmentMatcher = (segment: string) => boolean

function splitAtDoubleStar(segments: readonly string[]): string[][] {
  const groups: string[][] = [[]]
  for (const segment of segments) {
    if (segment === '**') groups.push([])
    else groups.at(-1)?.push(segment)
  }
  return groups
}

function compileSegment(pattern: string): SegmentMatcher {
  const [first = '', ...rest] = pattern.split('*')
  const last = rest.pop()
  if (last === undefined) return segment => segment === pattern
  return segment => {
    if (!segment.startsWith(first)) return false
    let at = first.length
    for (const piece of rest) {
      const found = segment.indexOf(piece, at)
      if (found < 0) return false
      at = found + piece.length
    }
    return segment.length - last.length >= at && segment.endsWith(last)
  }
}

/** The first group stands at the start, the last one at the end, those between wherever they fit first. */
function matchGroups(groups: readonly SegmentMatcher[][], segments: readonly string[]): boolean {
  const fits = (group: readonly SegmentMatcher[], at: number): boolean =>
    at + group.length <= segments.length && group.every((matches, i) => matches(segments[at + i] ?? ''))
  const [first = [], ...rest] = groups
  const last = rest.pop()
  if (!fits(first, 0)) return false
  if (last === undefined) return segments.length === first.length
  let at = first.length
  for (const group of rest) {
    while (at < segments.length && !fits(group, at)) at++
    at += group.length
  }
  const end = segments.length - last.length
  return end >= at && fits(last, end)
}
