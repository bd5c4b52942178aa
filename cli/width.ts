/** Marks that take no place of their own, and the zero-width letters. */
const NOTHING = /^[\p{Mn}\p{Me}\p{Cf}]$/u
/** What takes two places in a terminal: East Asian Wide and Fullwidth (Unicode Standard Annex 11), emoji among them. */
const WIDE =
  /^[\u{1100}-\u{115f}\u{2e80}-\u{303e}\u{3041}-\u{a4cf}\u{ac00}-\u{d7a3}\u{f900}-\u{faff}\u{fe30}-\u{fe6f}\u{ff00}-\u{ff60}\u{ffe0}-\u{ffe6}\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]$/u

function widthOf(letter: string): number {
  if (letter < '\u{300}') return 1
  return NOTHING.test(letter) ? 0 : WIDE.test(letter) ? 2 : 1
}

/** The places that a text takes in a terminal. It has to be plain: what a terminal acts upon is counted as if it were shown. */
export function displayWidth(text: string): number {
  let width = 0
  for (const letter of text) width += widthOf(letter)
  return width
}

/** A text filled up with blanks. */
export function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - displayWidth(text)))
}

/** A text that takes at most so many places: if it is longer, its beginning and an ellipsis. */
export function cut(text: string, width: number): string {
  if (displayWidth(text) <= width) return text
  let out = ''
  let used = 1
  for (const letter of text) {
    used += widthOf(letter)
    if (used > width) break
    out += letter
  }
  return width < 1 ? '' : `${out}…`
}
