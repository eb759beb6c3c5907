// How many columns a text takes on a terminal, and texts made to fit. What peers send is made harmless first: it could hold
// escape sequences.

/** East Asian wide characters and emoji; combining marks and joiners take no column. */
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u
const weightless = /[\p{Mn}\p{Me}\p{Cf}]/u

const widthOf = (character: string): number => (weightless.test(character) ? 0 : wide.test(character) ? 2 : 1)

export const textWidth = (text: string): number => {
  let width = 0
  for (const character of text) width += widthOf(character)
  return width
}

/** Without control characters and what turns the direction of writing. */
export const harmless = (text: string): string =>
  text.replaceAll(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu, ' ')

/** No wider than `columns`; what is left out is marked. */
export function fitted(text: string, columns: number, mark = '…'): string {
  if (textWidth(text) <= columns) return text
  let cut = ''
  let width = textWidth(mark)
  for (const character of text) {
    width += widthOf(character)
    if (width > columns) break
    cut += character
  }
  return columns < textWidth(mark) ? '' : cut + mark
}

/** Exactly `columns` wide. */
export const column = (text: string, columns: number): string => {
  const cut = fitted(text, columns)
  return cut + ' '.repeat(Math.max(0, columns - textWidth(cut)))
}
