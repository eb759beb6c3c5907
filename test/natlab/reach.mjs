// reach.mjs: prints, as JSON, what leaves the network it is started in towards the lab's servers: STUN to coturn's ports over UDP
// and TCP, a TLS handshake on 443, CONNECT at the proxy. ADDRESS is coturn's, PROXY the proxy's: reach.mjs ADDRESS PROXY
import { createSocket } from 'node:dgram'
import { request } from 'node:http'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'

const [address, proxy] = process.argv.slice(2)
const waitMs = 1_500

/** A Binding request (RFC 8489 6) typed in by hand. */
const binding = Buffer.from('000100002112a442666c6f652d696e7465726f70', 'hex')

/** True once `begin` has called its argument, false when that takes too long. */
const within = (begin) =>
  new Promise((resolve) => {
    setTimeout(() => resolve(false), waitMs)
    begin(() => resolve(true))
  })

const udp = (port) =>
  within((answered) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4').on('error', () => undefined)
    socket.once('message', answered).send(binding, port, address)
  })

const tcp = (port) =>
  within((answered) => {
    const socket = connect(port, address, () => socket.write(binding))
    socket.once('data', answered).on('error', () => undefined)
  })

const tls = (port) =>
  within((answered) => {
    const socket = connectTls({ host: address, port, rejectUnauthorized: false }, () => socket.write(binding))
    socket.once('data', answered).on('error', () => undefined)
  })

const throughProxy = (port) =>
  within((answered) => {
    const path = `${address}:${port}`
    const asked = request({ host: proxy, port: 3128, method: 'CONNECT', path })
    asked.once('connect', ({ statusCode }, socket) => {
      socket.on('error', () => undefined)
      if (statusCode === 200) socket.once('data', answered).write(binding)
    })
    asked.on('error', () => undefined).end()
  })

const [udp3478, udp3479, tcp3478, tcp443, tls443, connect443, connect3478] = await Promise.all([
  udp(3478),
  udp(3479),
  tcp(3478),
  tcp(443),
  tls(443),
  throughProxy(443),
  throughProxy(3478),
])
console.log(JSON.stringify({ udp3478, udp3479, tcp3478, tcp443, tls443, connect443, connect3478 }))
process.exit(0)
