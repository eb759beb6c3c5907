// What the calls of the NAT lab came to, as lines of Markdown for the README and the terminal.
// A result is [caller, called, servers, what theory says, path taken, ms from the answer to the first packet of audio, ms until it
// is heard], both on the side that waited longer.

const row = (cells) => `| ${cells.join(' | ')} |`
const percentile = (values, share) => {
  const sorted = values.filter((v) => v !== null).sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}
const seconds = (ms) => (ms === undefined ? '' : (ms / 1000).toFixed(2))
const pick = (results, place) => results.map((result) => result[place])
const times = (results, place) => {
  const ms = pick(results, place)
  return ms.length === 0 ? '' : `${seconds(percentile(ms, 0.5))} / ${seconds(percentile(ms, 0.95))}`
}
const [firstPacket, firstAudio] = [5, 6]

const isDirect = ([, , , , path]) => path.startsWith('direct')
const isRelayed = ([, , , , path]) => path === 'relay'
const isExpectedDirect = ([, , , expected]) => expected === 'direct'
const connected = (results) => results.filter(([, , , , path]) => path !== 'none')

/** One row for each set of servers that the agents were given. */
export function serverTable(results) {
  const sets = [...new Set(results.map(([, , servers]) => servers))]
  return [
    row([
      'servers',
      'pairs that theory connects',
      'connected',
      'direct of those that must be',
      'direct of those that depend on timing',
      'relayed',
      'first packet direct p50 / p95 s',
      'relayed',
      'audio heard direct p50 / p95 s',
      'relayed',
    ]),
    '|---|---|---|---|---|---|---|---|---|---|',
    ...sets.map((set) => {
      const all = results.filter(([, , servers]) => servers === set)
      const certain = all.filter(isExpectedDirect)
      const timing = all.filter(([, , , expected]) => expected === 'timing')
      return row([
        set,
        all.length,
        connected(all).length,
        `${certain.filter(isDirect).length} of ${certain.length}`,
        `${timing.filter(isDirect).length} of ${timing.length}`,
        all.filter(isRelayed).length,
        times(all.filter(isDirect), firstPacket),
        times(all.filter(isRelayed), firstPacket),
        times(all.filter(isDirect), firstAudio),
        times(all.filter(isRelayed), firstAudio),
      ])
    }),
  ]
}

/** One row for each kind of network, with all servers at hand: how its calls with every kind went. */
export function networkTable(results, set = 'all') {
  const chosen = results.filter(([, , servers]) => servers === set)
  const names = [...new Set(chosen.flatMap((result) => result.slice(0, 2)))]
  return [
    row([
      'network',
      'calls connected',
      'direct',
      'over TCP',
      'relayed',
      'audio heard direct p50 s',
      'relayed p50 s',
    ]),
    '|---|---|---|---|---|---|---|',
    ...names.map((name) => {
      const own = chosen.filter(([caller, called]) => caller === name || called === name)
      const direct = own.filter(isDirect)
      const relayed = own.filter(isRelayed)
      const p50 = (list) => seconds(percentile(pick(list, firstAudio), 0.5))
      return row([
        name,
        `${connected(own).length} of ${own.length}`,
        direct.length,
        own.filter(([, , , , path]) => path === 'direct over TCP').length,
        relayed.length,
        p50(direct),
        p50(relayed),
      ])
    }),
  ]
}
