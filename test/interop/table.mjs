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

const line = (cells) => `| ${cells.join(' | ')} |`
const distinct = (values) => [...new Set(values)]
const place = (peer) => (order.includes(peer) ? order.indexOf(peer) : order.length)

/** Sorted, each once: what is written to the file of results, whatever the order in which rows end. */
export function shownOnce(shown) {
  const keys = shown.map(({ feature, peer, by }) => JSON.stringify({ feature, peer, by }))
  return distinct(keys)
    .sort()
    .map((key) => JSON.parse(key))
}

/** A cell says who does it in the rows that pass: floe, the peer, or both. */
export function signallingTable(shown) {
  const peers = distinct(shown.map(({ peer }) => peer)).sort((a, b) => place(a) - place(b))
  const features = distinct(shown.map(({ feature }) => feature)).sort((a, b) => a.localeCompare(b, 'en'))
  const cell = (feature, peer) => {
    const by = new Set(shown.filter((s) => s.feature === feature && s.peer === peer).map((s) => s.by))
    if (by.size === 0) return ''
    if (by.has('both') || by.size > 1) return 'both'
    return by.has('floe') ? 'floe' : 'peer'
  }
  return [
    line(['', ...peers]),
    line(['', ...peers].map(() => '---')),
    ...features.map((feature) => line([feature, ...peers.map((peer) => cell(feature, peer))])),
  ]
}
