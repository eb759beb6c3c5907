// Chromium's RTCPeerConnection, which speaks the lines of ../agent.ts: a headless browser with an empty profile, steered by the
// DevTools protocol over a pipe (JSON messages, each ended by NUL, on descriptors 3 and 4). Without --mdns it tells its
// addresses instead of ".local" names.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { options, serve, tell } from './lines.mjs'
import { webrtcPeer } from './webrtc-peer.mjs'

const profile = resolve('profile')
const browser = spawn(
  'chromium',
  [
    ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--remote-debugging-pipe'],
    ...['--no-first-run', '--no-default-browser-check', '--disable-extensions', '--disable-sync'],
    ...['--disable-background-networking', '--disable-component-update', '--disable-quic'],
    ...(options.mdns ? [] : ['--disable-features=WebRtcHideLocalIpsWithMdns']),
    `--user-data-dir=${profile}`,
    'about:blank',
  ],
  { stdio: ['ignore', 'ignore', 'inherit', 'pipe', 'pipe'] },
)
const ended = once(browser, 'exit')
process.on('exit', () => browser.kill('SIGKILL'))

const [, , , input, output] = browser.stdio
const waiting = new Map()
let lastId = 0
let unfinished = ''
let session

output.setEncoding('utf8').on('data', (text) => {
  const messages = (unfinished + text).split('\0')
  unfinished = messages.pop()
  for (const message of messages) take(JSON.parse(message))
})

function take({ id, result, error, method, params }) {
  if (method === 'Runtime.bindingCalled') tell(params.payload)
  const { resolve, reject } = waiting.get(id) ?? {}
  waiting.delete(id)
  if (error) reject?.(new Error(error.message))
  else resolve?.(result)
}

function command(method, params = {}) {
  const id = ++lastId
  input.write(`${JSON.stringify({ id, method, params, ...(session && { sessionId: session }) })}\0`)
  return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }))
}

async function evaluate(expression) {
  const { exceptionDetails: wrong } = await command('Runtime.evaluate', { expression, awaitPromise: true })
  if (wrong) throw new Error(wrong.exception?.description ?? wrong.text)
}

const { targetInfos } = await Promise.race([
  command('Target.getTargets'),
  ended.then(([code]) => {
    throw new Error(`Chromium ended with ${code}`)
  }),
])
const { targetId } = targetInfos.find(({ type }) => type === 'page')
session = (await command('Target.attachToTarget', { targetId, flatten: true })).sessionId
await command('Runtime.enable')
await command('Runtime.addBinding', { name: 'tellLine' })
const tellWords = `(...words) => tellLine(words.join(' '))`
await evaluate(
  `peer = (${webrtcPeer})(RTCPeerConnection, ${JSON.stringify(options)}, ${tellWords}), undefined`,
)

const call =
  (verb) =>
  (...words) =>
    evaluate(`peer.${verb}(...${JSON.stringify(words)})`)
serve(
  Object.fromEntries(['start', 'restart', 'desc', 'cand', 'eoc'].map((verb) => [verb, call(verb)])),
  async () => {
    session = undefined
    await Promise.race([command('Browser.close'), ended])
    await ended
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
  },
)
