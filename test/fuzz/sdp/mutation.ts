// Random texts for the fuzz tests of descriptions: lines and characters cut, swapped, repeated and scribbled over.

/** mulberry32: small, seeded, good enough to choose bytes. */
export const generator = (state: number) => (): number => {
  state = (state + 0x6d2b79f5) | 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}

const odd = [
  '\0',
  '\r',
  '\n',
  ' ',
  ':',
  '/',
  '=',
  '-',
  '%',
  '%s',
  '%d',
  'é',
  '\u2028',
  '\ud800',
  '0',
  '9'.repeat(40),
  '-1',
  '1e400',
  'NaN',
  'Infinity',
  '__proto__',
  'constructor',
  '0.0.0.0',
  '::',
  '[::1]',
  'a=candidate:',
  'a=rtpmap:0 ',
  'm=audio ',
  'c=IN IP4 ',
  'x'.repeat(300),
]

/** One of the texts, edited up to six times. */
export const mutate = (corpus: readonly string[], random: () => number): string => {
  const below = (n: number): number => Math.floor(random() * n)
  const pick = <T>(list: readonly T[]): T => list[below(list.length)]!
  let text = pick(corpus)
  for (let edits = 1 + below(6); edits > 0; edits--) {
    const at = below(text.length + 1)
    const lines = text.split('\n')
    switch (below(7)) {
      case 0:
        text = text.slice(0, at)
        break
      case 1:
        text = text.slice(0, at) + pick(odd) + text.slice(at)
        break
      case 2:
        text = text.slice(0, at) + String.fromCharCode(below(256)) + text.slice(at + 1)
        break
      case 3:
        text = text.slice(0, at) + text.slice(at + 1 + below(20))
        break
      case 4:
        lines.splice(below(lines.length), 1)
        text = lines.join('\n')
        break
      case 5:
        lines.splice(below(lines.length), 0, ...Array.from({ length: 1 + below(30) }, () => pick(lines)))
        text = lines.join('\n')
        break
      default: {
        const other = pick(corpus).split('\n')
        lines.splice(below(lines.length), 1, pick(other))
        text = lines.join('\n')
      }
    }
  }
  return text
}
