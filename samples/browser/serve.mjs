// Serves the softphone of this folder, SIP over WebSocket on the next port (UDP and TCP on the one after), and a phone called "echo".
//   PORT=8080 node samples/browser/serve.mjs
// Other hosts' browsers: ADDRESS=192.0.2.1 TLS_CERT=server.pem TLS_KEY=server.key for HTTPS and WSS.
import { readFile } from 'node:fs/promises'
import http from 'node:http'
import https from 'node:https'
import { EchoLine, nodeRuntime, Phone, startServer } from 'floe'

const { ADDRESS: address = '127.0.0.1', PORT = '8080', TLS_CERT, TLS_KEY } = process.env
const port = Number(PORT)
const tls = TLS_CERT && { cert: await readFile(TLS_CERT, 'utf8'), key: await readFile(TLS_KEY, 'utf8') }

// ── the page ─────────────────────────────────────────────────────────────────────────────────────

const folders = {
  '/sip.js/': new URL('.', import.meta.resolve('sip.js')),
  '/': new URL('.', import.meta.url),
}
async function page(request, response) {
  const { pathname } = new URL(request.url, 'http://page')
  const path = pathname === '/' ? '/index.html' : pathname
  const prefix = Object.keys(folders).find((prefix) => path.startsWith(prefix))
  try {
    const file = await readFile(new URL(`./${path.slice(prefix.length)}`, folders[prefix]))
    response.setHeader('Content-Type', path.endsWith('.html') ? 'text/html' : 'text/javascript')
    response.end(file)
  } catch {
    response.writeHead(404).end()
  }
}
const web = tls ? https.createServer(tls, page) : http.createServer(page)
web.listen(port, address)

// ── SIP ──────────────────────────────────────────────────────────────────────────────────────────

const sip = await startServer({
  runtime: nodeRuntime,
  listen: [
    { protocol: tls ? 'wss' : 'ws', address, port: port + 1 },
    { protocol: 'udp', address, port: port + 2 },
    { protocol: 'tcp', address, port: port + 2 },
  ],
  ...(tls && { tls }),
})
const echo = await Phone.start({
  account: `sip:echo@${address}`,
  server: `sip:${address}:${port + 2}`,
  codecs: ['opus', 'PCMU'],
})
echo.onCall = async (call) => {
  const line = new EchoLine(300)
  call.addSink(line)
  await call.answer()
  call.play(line).catch(() => {}) // ends with the call
}

console.log(`the page: ${tls ? 'https' : 'http'}://${address}:${port}/`)
async function stop() {
  await echo.stop()
  sip.stop()
  web.close()
  web.closeAllConnections()
}
process.once('SIGINT', stop)
process.once('SIGTERM', stop)
