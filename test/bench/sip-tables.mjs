// The README's tables of signalling's speed, from what `npm run bench -- sip --save` has measured (results/sip.json). A part that
// has not been measured has no table.
import { figure, table } from './tables.mjs'

const rates = (results) =>
  results
    ? table(
        ['', 'calls/s', 'CPU a call', 'INVITE to 200, p50', 'p99'],
        Object.entries(results).map(([name, { rate, cpuMsPerCall, p50, p99 }]) => [
          name,
          figure(rate),
          `${figure(cpuMsPerCall, 3)} ms`,
          `${figure(p50, 1)} ms`,
          `${figure(p99, 1)} ms`,
        ]),
      )
    : []

const overload = (results) =>
  results
    ? table(
        ['', 'kept', 'offered', 'got through'],
        Object.entries(results).map(([name, { capacity, offered, goodput }]) => [
          name,
          figure(capacity),
          figure(offered),
          figure(goodput),
        ]),
      )
    : []

const soak = (results) =>
  results
    ? table(
        ['calls so far', 'calls open', 'transactions', 'timers', 'heap'],
        results.left.map(({ open, transactions, timers, heapKib }, i) => [
          figure(((i + 1) * results.calls) / results.left.length),
          open,
          transactions,
          timers,
          `${figure(heapKib / 1024, 1)} MiB`,
        ]),
      )
    : []

const openCalls = (results) =>
  results
    ? table(
        ['', 'memory of a thousand open calls'],
        Object.entries(results).map(([name, kib]) => [name, `${figure((kib * 1000) / 1024, 1)} MiB`]),
      )
    : []

/** @returns {Record<string, string[]>} lines of each table by its name */
export const sipSpeedTables = (results) =>
  Object.fromEntries(
    Object.entries({
      'sip-called': rates(results.called),
      'sip-calling': rates(results.calling),
      'sip-overload': overload(results.overload),
      'sip-open': openCalls(results.dialogs),
      'sip-soak': soak(results.soak),
    }).filter(([, lines]) => lines.length > 0),
  )
