// The README's tables of ICE's speed, from what `npm run bench -- ice --save` has measured (results/ice.json).
import { table } from './tables.mjs'

/** Two digits are more than a busy machine gives again. */
const ms = (value) => (value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString('en'))

/** @returns {Record<string, string[]>} lines of each table by its name */
export function iceSpeedTables({ processes, virtual, calls, loopback, load, codec }) {
  const names = [
    ...new Set(Object.values(processes).flatMap(({ implementations }) => Object.keys(implementations))),
  ]
  const cell = (summary) => {
    if (!summary) return '-'
    if (summary.connected === 0) return 'does not connect'
    const { connected, of, firstMs, nominatedMs, packets } = summary
    const share = connected < of ? ` (${connected} of ${of})` : ''
    return `${ms(firstMs)} / ${ms(nominatedMs)} · ${packets}${share}`
  }
  const inRoundTrips = (value, roundTripMs) => (value / roundTripMs).toFixed(2)
  return {
    'ice-speed': table(
      ['', ...names],
      Object.entries(processes).map(([scenario, { implementations }]) => [
        scenario,
        ...names.map((name) => cell(implementations[name])),
      ]),
    ),
    'ice-virtual': table(
      ['', 'first pair', 'nominated', 'nominated, nine of ten', 'STUN packets'],
      [
        ...Object.entries(virtual).map(([name, { roundTripMs, ...summary }]) => [
          /200 ms/.test(name) ? name : `${name}, ${roundTripMs} ms`,
          inRoundTrips(summary.firstMs, roundTripMs),
          inRoundTrips(summary.nominatedMs, roundTripMs),
          inRoundTrips(summary.nominatedMs90, roundTripMs),
          summary.packets,
        ]),
        ...Object.entries(calls).map(([roundTripMs, afterAnswerMs]) => [
          `a whole call behind such NATs, ${roundTripMs} ms: answer to media at both ends`,
          inRoundTrips(afterAnswerMs, roundTripMs),
          '',
          '',
          '',
        ]),
      ],
    ),
    'ice-load': table(
      ['', ...Object.keys(load.implementations)],
      [
        ['CPU until connected, an agent', 'cpuMsPerAgent', ' ms'],
        ['memory, an agent', 'memoryKibPerAgent', ' KiB'],
        [`CPU of one core to keep ${load.agents} agents`, 'keepingCpuPercent', ' %'],
      ]
        .map(([text, figure, unit]) => [
          text,
          ...Object.values(load.implementations).map((row) => `${row[figure]}${unit}`),
        ])
        .concat(
          [
            ['checks written a second, with integrity', 'written'],
            ['checks read and verified a second', 'read'],
          ].map(([text, figure]) => [
            text,
            ...Object.keys(load.implementations).map((name) => codec[name]?.[figure].toLocaleString('en')),
          ]),
          [
            [
              'a session on the loopback, cold / warm: nominated',
              ...Object.keys(load.implementations).map((name) =>
                name === 'floe' ? `${loopback.cold.nominatedMs} / ${loopback.warm.nominatedMs} ms` : '',
              ),
            ],
          ],
        ),
    ),
  }
}
