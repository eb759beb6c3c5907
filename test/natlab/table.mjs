// What the calls of the NAT lab came to, as lines of Markdown for the README and the terminal.
// A result is { caller, called, servers, expected, path, firstPacketMs, firstAudioMs } as pairs.interop.ts writes them; `pack` and
// `unpack` turn many of them into what results.json holds, and back.

const paths = ['none', 'direct', 'direct over TCP', 'relay']
const verdicts = ['direct', 'timing', 'relay']

/** Numbers alone: the places of both networks, what theory says, the path taken, then ms from the answer to the first packet and
 *  until audio is heard, at the caller and at the called, null where there was none, and how many calls it took. */
export function pack(results) {
  const networks = [...new Set(results.flatMap(({ caller, called }) => [caller, called]))]
  const calls = {}
  for (const result of results) {
    const { servers, caller, called, expected, path, firstPacketMs, firstAudioMs, attempts } = result
    calls[servers] ??= []
    calls[servers].push([
      networks.indexOf(caller),
      networks.indexOf(called),
      verdicts.indexOf(expected),
      paths.indexOf(path),
      ...[firstPacketMs?.caller, firstPacketMs?.called, firstAudioMs?.caller, firstAudioMs?.called].map(
        (ms) => ms ?? null,
      ),
      attempts,
    ])
  }
  return { networks, calls }
}

export function unpack({ networks, calls }) {
  return Object.entries(calls).flatMap(([servers, rows]) =>
    rows.map(([caller, called, expected, path, ...ms]) => ({
      servers,
      caller: networks[caller],
      called: networks[called],
      expected: verdicts[expected],
      path: paths[path],
      firstPacketMs: { caller: ms[0], called: ms[1] },
      firstAudioMs: { caller: ms[2], called: ms[3] },
      attempts: ms[4],
    })),
  )
}

const row = (cells) => `| ${cells.join(' | ')} |`
const table = (heads, rows) => [row(heads), `|${'---|'.repeat(heads.length)}`, ...rows.map(row)]

const percentile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
const seconds = (ms) => (ms / 1000).toFixed(2)
/** p50 / p95 in seconds. */
const times = (results, what, end) => {
  const ms = results
    .map((result) => result[what]?.[end])
    .filter((value) => Number.isFinite(value))
    .sort((a, b) => a - b)
  return ms.length === 0 ? '' : `${seconds(percentile(ms, 0.5))} / ${seconds(percentile(ms, 0.95))}`
}

const isDirect = ({ path }) => path.startsWith('direct')
const isOverTcp = ({ path }) => path === 'direct over TCP'
const isRelayed = ({ path }) => path === 'relay'
const isConnected = ({ path }) => path !== 'none'
const of = (results, some, all) => `${results.filter(some).length} of ${results.filter(all).length}`
const both =
  (...tests) =>
  (result) =>
    tests.every((test) => test(result))
const expects = (what) => (result) => result.expected === what

const sets = ['all', 'TURN/UDP', 'TURN/TCP 443', 'TURN/TLS 443', 'STUN only']
const bySet = (results) =>
  sets
    .map((set) => [set, results.filter(({ servers }) => servers === set)])
    .filter(([, own]) => own.length > 0)

/** One row for each set of servers that the phones were given: what connected, and how. */
export const serverTable = (results) =>
  table(
    [
      'servers',
      'pairs connected of those that theory connects',
      'at the first call',
      'direct of those that can always be',
      'direct of those where the order of packets decides',
      'relayed',
    ],
    bySet(results).map(([set, own]) => {
      // Without a relay a pair that depends on the order of packets may have no path.
      const owed = set === 'STUN only' ? expects('direct') : () => true
      return [
        set,
        of(own, both(owed, isConnected), owed),
        own.filter(both(owed, isConnected, ({ attempts }) => attempts === 1)).length,
        of(own, both(expects('direct'), isDirect), expects('direct')),
        of(own, both(expects('timing'), isDirect), expects('timing')),
        own.filter(isRelayed).length,
      ]
    }),
  )

/** One row for each set of servers: how long it took from the answer, p50 / p95. */
export const timeTable = (results) =>
  table(
    [
      'servers, path',
      'calls',
      "caller has the other's first packet",
      'and hears it',
      'called has the first packet',
      'and hears it',
    ],
    bySet(results).flatMap(([set, own]) =>
      [
        ['direct', own.filter(isDirect)],
        ['relayed', own.filter(isRelayed)],
      ]
        .filter(([, some]) => some.length > 0)
        .map(([name, some]) => [
          `${set}, ${name}`,
          some.length,
          ...['caller', 'called'].flatMap((end) =>
            ['firstPacketMs', 'firstAudioMs'].map((what) => times(some, what, end)),
          ),
        ]),
    ),
  )

/** One row for each kind of network, with all servers at hand: how its calls with every kind went. */
export function networkTable(results, set = 'all') {
  const chosen = results.filter(({ servers }) => servers === set)
  const names = [...new Set(chosen.flatMap(({ caller, called }) => [caller, called]))]
  return table(
    ['network', 'connected', 'direct of those that can always be', 'direct in all', 'over TCP', 'relayed'],
    names.map((name) => {
      const own = chosen.filter(({ caller, called }) => caller === name || called === name)
      return [
        name,
        `${own.filter(isConnected).length} of ${own.length}`,
        of(own, both(expects('direct'), isDirect), expects('direct')),
        own.filter(isDirect).length,
        own.filter(isOverTcp).length,
        own.filter(isRelayed).length,
      ]
    }),
  )
}

/** What happened in mid-call, and how long the audio was away beyond the time that the network itself was. */
export const eventTable = (events) =>
  table(
    ['what happens in mid-call', 'caller behind', 'called behind', 'audio back after'],
    events.map(({ name, caller, called, back, awayMs }) => [
      name,
      caller,
      called,
      !back ? 'never' : awayMs <= gapless ? 'not interrupted' : `${(awayMs / 1000).toFixed(1)} s`,
    ]),
  )

/** The longest gap that packets of 20 ms and a playout buffer of 60 ms may leave where nothing happened, in ms. */
const gapless = 200
