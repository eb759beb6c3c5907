// What the rows about ICE have measured, as lines of Markdown for the README and the terminal: implementation × case.

/** Columns, from the left. */
const order = ['libnice', 'aioice', 'pion', 'libjuice', 'werift', 'Chromium', 'pjnath', 'baresip']

const row = (cells) => `| ${cells.join(' | ')} |`
const distinct = (values) => [...new Set(values)]
const implementationsOf = (measured) =>
  distinct(measured.map((m) => m.implementation)).sort((a, b) => order.indexOf(a) - order.indexOf(b))

/** In the order of the rows of all implementations: a case that the first has not stands before the next that it has. */
function inOrder(measured) {
  const cases = []
  for (const implementation of implementationsOf(measured)) {
    let at = 0
    for (const { case: name } of measured.filter((m) => m.implementation === implementation)) {
      const known = cases.indexOf(name)
      if (known < 0) cases.splice(at, 0, name)
      at = (known < 0 ? at : known) + 1
    }
  }
  return cases
}

/** A cell: ms until both have nominated; a dash where there is nothing to be tried. */
export function iceTable(measured) {
  const implementations = implementationsOf(measured)
  const cell = (implementation, name) => {
    const found = measured.find((m) => m.implementation === implementation && m.case === name)
    return found ? `${Math.round(found.nominatedMs)} ms` : '–'
  }
  return [
    row(['', ...implementations]),
    row(['', ...implementations].map(() => '---')),
    ...inOrder(measured).map((name) => row([name, ...implementations.map((i) => cell(i, name))])),
  ]
}
