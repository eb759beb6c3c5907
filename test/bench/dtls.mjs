// DTLS 1.2 for SRTP: round trips of a handshake over a line with a delay, and the processor time that both ends together take for
// one, beside a handshake of TLS 1.2 by Node's own OpenSSL with the same kind of certificates at both ends, over the loopback.
import { once } from 'node:events'
import { connect, createServer } from 'node:tls'
import { createCertificate, fingerprintOf } from '../../dist/dtls/certificate.js'
import { DtlsClient } from '../../dist/dtls/client.js'
import { DtlsServer } from '../../dist/dtls/server.js'
import { nodeRuntime } from '../../dist/runtime/node.js'
import { srtpSuites } from '../../dist/srtp/suite.js'
import { median } from './figures.mjs'

const oneWayMs = 50

/** @returns {Promise<Record<string, { cpuMs: number, roundTrips?: number, datagrams?: number }>>} */
export async function measureDtls({ rounds = 5, handshakes = 100 }) {
  const results = {}
  const measured = async (name, shake) => {
    for (let i = 0; i < handshakes / 2; i++) await shake()
    const runs = []
    for (let round = 0; round < rounds; round++) {
      const before = process.cpuUsage()
      for (let i = 0; i < handshakes; i++) await shake()
      const { user, system } = process.cpuUsage(before)
      runs.push((user + system) / 1_000 / handshakes)
    }
    results[name] = { ...(await shake()), cpuMs: Math.round(100 * median(runs)) / 100 }
  }
  const { random } = nodeRuntime
  const [client, server] = [0, 1].map(() => createCertificate(random, Date.now()))
  const srtpProfiles = srtpSuites
    .filter(({ dtlsProfile }) => dtlsProfile !== undefined)
    .map((suite) => ({ ...suite, number: suite.dtlsProfile }))
  await measured('floe', () => {
    const end = (Role, own, peer) =>
      new Role({ random, certificate: own, srtpProfiles, fingerprints: [fingerprintOf(peer.der)] })
    return shakeHands(end(DtlsClient, client, server), end(DtlsServer, server, client))
  })
  await overTls(client, server, (shake) => measured('TLS 1.2 of node:tls', shake))
  return results
}

/** In virtual time, over a line that only delays. */
function shakeHands(client, server) {
  const flying = []
  let now = 0
  let datagrams = 0
  let connected = 0
  const drain = () => {
    for (const [from, to] of [
      [client, server],
      [server, client],
    ]) {
      for (let data = from.pollTransmit(); data; data = from.pollTransmit()) {
        flying.push({ at: now + oneWayMs, to, data })
        datagrams++
      }
      for (let event = from.pollEvent(); event; event = from.pollEvent()) {
        if (event.type !== 'connected') throw new Error(`the handshake has ${event.type}: ${event.reason}`)
        connected++
      }
    }
  }
  server.start(now)
  client.start(now)
  drain()
  while (connected < 2) {
    const { at, to, data } = flying.shift()
    now = at
    to.handleDatagram(now, data)
    drain()
  }
  return { roundTrips: now / (2 * oneWayMs), datagrams }
}

async function overTls(client, server, measure) {
  const pem = ({ der, privateKey }) => ({
    cert: `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  })
  const [one, other] = [pem(client), pem(server)]
  const common = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' }
  const listening = createServer({
    ...common,
    ...other,
    ca: one.cert,
    requestCert: true,
    rejectUnauthorized: false,
  })
  listening.on('secureConnection', (socket) => socket.resume().on('end', () => socket.end()))
  listening.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  const { port } = listening.address()
  await measure(async () => {
    const socket = connect({ ...common, ...one, port, host: '127.0.0.1', rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    socket.end().resume()
    await once(socket, 'close')
    return {}
  })
  listening.close()
}
