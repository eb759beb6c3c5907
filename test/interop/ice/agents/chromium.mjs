// Chromium's RTCPeerConnection, which speaks the lines of ../agent.ts. Without --mdns it tells its addresses instead of ".local"
// names.
import { resolve } from 'node:path'
import { openBrowser } from '../../peers/devtools.mjs'
import { options, serve, tell } from './lines.mjs'
import { webrtcPeer } from './webrtc-peer.mjs'

const browser = await openBrowser({
  profile: resolve('profile'),
  extraFlags: options.mdns ? [] : ['--disable-features=WebRtcHideLocalIpsWithMdns'],
  onTold: tell,
})
const tellWords = `(...words) => tellLine(words.join(' '))`
await browser.evaluate(
  `peer = (${webrtcPeer})(RTCPeerConnection, ${JSON.stringify(options)}, ${tellWords}), undefined`,
)

const call =
  (verb) =>
  (...words) =>
    browser.evaluate(`peer.${verb}(...${JSON.stringify(words)})`)
serve(
  Object.fromEntries(['start', 'restart', 'desc', 'cand', 'eoc'].map((verb) => [verb, call(verb)])),
  browser.close,
)
