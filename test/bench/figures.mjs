// What the benchmarks share on paper: medians, quantiles, tables, and the top of a CPU profile.
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'

export const quantile = (values, q) => {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN
}

export const median = (values) => quantile(values, 0.5)

/** Prints rows under their columns; the first column is text, the others are figures. */
export function printTable(columns, rows) {
  const texts = [columns, ...rows.map((row) => row.map(String))]
  const widths = columns.map((_, column) => Math.max(...texts.map((row) => row[column].length)))
  for (const row of texts)
    console.log(
      `  ${row.map((text, column) => (column ? text.padStart(widths[column]) : text.padEnd(widths[column]))).join('  ')}`,
    )
}

/** Functions by the time spent in themselves, idling apart: [{ name, percent }], from the one profile in a folder. */
export function topOfProfile(folder, count = 5) {
  const file = readdirSync(folder).find((name) => name.endsWith('.cpuprofile'))
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(join(folder, file), 'utf8'))
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]))
  const spent = new Map()
  let total = 0
  samples.forEach((id, index) => {
    const name = names.get(id)
    if (name === '(idle)') return
    total += timeDeltas[index]
    spent.set(name, (spent.get(name) ?? 0) + timeDeltas[index])
  })
  return [...spent]
    .sort(([, one], [, other]) => other - one)
    .slice(0, count)
    .map(([name, time]) => ({ name, percent: (100 * time) / total }))
}

/** "send node:dgram", "parseMessage message.js"; V8's own entries, "(garbage collector)", as they are. */
function nameOf({ functionName, url }) {
  const file = url.startsWith('node:') ? url : basename(url)
  return `${functionName || '(anonymous)'} ${file}`.trim()
}

export function printProfile(what, folder) {
  console.log(`\n  ${what}, five functions that take most:`)
  for (const { name, percent } of topOfProfile(folder))
    console.log(`  ${percent.toFixed(1).padStart(5)} %  ${name}`)
}
