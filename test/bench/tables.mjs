// Tables of Markdown, and figures in them.

export const row = (cells) => `| ${cells.join(' | ')} |`

/** Lines. */
export const table = (columns, rows) => [row(columns), `|${'---|'.repeat(columns.length)}`, ...rows.map(row)]

/** "-" where there is none. */
export const figure = (value, digits = 0) =>
  value === null || value === undefined
    ? '-'
    : value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
