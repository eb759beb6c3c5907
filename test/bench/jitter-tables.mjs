// The README's tables of the jitter buffer and of quality under loss, from what `npm run bench -- jitter --save` has computed
// (results/jitter.json).
import { table } from './tables.mjs'

const cell = ({ delayMs, unplayedPercent }) => `${delayMs.toFixed(0)} ms · ${unplayedPercent.toFixed(2)} %`

const delays = (traces) => {
  const buffers = Object.keys(Object.values(traces)[0])
  return table(
    ['network', 'floe', 'made up', ...buffers.filter((name) => name !== 'floe')],
    Object.entries(traces).map(([name, { floe, ...others }]) => [
      name,
      cell(floe),
      `${floe.madeUpPercent.toFixed(2)} %`,
      ...Object.values(others).map(cell),
    ]),
  )
}

const quality = (conditions) =>
  table(
    ['', ...Object.keys(Object.values(conditions)[0])],
    Object.entries(conditions).map(([name, codecs]) => [
      name,
      ...Object.values(codecs).map((likeness) => likeness.toFixed(2)),
    ]),
  )

/** @returns {Record<string, string[]>} lines of each table by its name */
export const jitterTables = (results) => ({
  'jitter-delay': delays(results.delay),
  'jitter-quality': quality(results.quality),
})
