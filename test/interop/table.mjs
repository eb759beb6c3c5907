// What the rows about signalling have shown, as lines of Markdown for the README and the terminal: feature × peer.

/** Columns, from the left; peers that are not named follow. */
const order = [
  'Asterisk 22',
  'Asterisk 16',
  'Kamailio',
  'rtpengine',
  'SIPp',
  'baresip',
  'linphone 5.1',
  'Chromium',
]

export const line = (cells) => `| ${cells.join(' | ')} |`
export const distinct = (values) => [...new Set(values)]
const place = (peer) => (order.includes(peer) ? order.indexOf(peer) : order.length)

/** Sorted, each once: what is written to a file of results, whatever the order in which rows end. */
export function eachOnce(results, fields) {
  const texts = results.map((result) => JSON.stringify(Object.fromEntries(fields.map((f) => [f, result[f]]))))
  return distinct(texts)
    .sort()
    .map((text) => JSON.parse(text))
}

/** Who does it, of those who have been seen to. */
export function whoDoes(seen) {
  const by = new Set(seen.map((s) => s.by))
  if (by.size === 0) return ''
  return by.has('both') || by.size > 1 ? 'both' : [...by][0]
}

/** A cell says who does it in the rows that pass: floe, the peer, or both. */
export function signallingTable(shown) {
  const peers = distinct(shown.map(({ peer }) => peer)).sort((a, b) => place(a) - place(b))
  const features = distinct(shown.map(({ feature }) => feature)).sort((a, b) => a.localeCompare(b, 'en'))
  const cell = (feature, peer) => whoDoes(shown.filter((s) => s.feature === feature && s.peer === peer))
  return [
    line(['', ...peers]),
    line(['', ...peers].map(() => '---')),
    ...features.map((feature) => line([feature, ...peers.map((peer) => cell(feature, peer))])),
  ]
}
