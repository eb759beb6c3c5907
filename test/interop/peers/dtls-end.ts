// floe's end of a DTLS handshake over a socket of its own, beside another implementation on the same machine.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { DtlsEndpoint, DtlsEvent } from '../../../src/dtls/endpoint.ts'
import type { Scene } from '../case.ts'

export const host = '127.0.0.1'
/** Protection profiles, by OpenSSL's names for them: RFC 5764 4.1.2, RFC 7714 14.2. */
export const profiles = {
  SRTP_AES128_CM_SHA1_80: { number: 0x0001, keyBytes: 16, saltBytes: 14 },
  SRTP_AEAD_AES_128_GCM: { number: 0x0007, keyBytes: 16, saltBytes: 12 },
  SRTP_AEAD_AES_256_GCM: { number: 0x0008, keyBytes: 32, saltBytes: 12 },
} as const

/** Runs an endpoint over a socket until it has something to say. */
export async function shakeHands(
  scene: Scene,
  endpoint: DtlsEndpoint,
  socket: Socket,
  port?: number,
): Promise<DtlsEvent> {
  let to = port
  return await new Promise((resolve) => {
    const step = (): void => {
      for (let data = endpoint.pollTransmit(); data; data = endpoint.pollTransmit())
        if (to !== undefined) socket.send(data, to, host)
      const event = endpoint.pollEvent()
      if (event) resolve(event)
    }
    socket.on('message', (data, from) => {
      to ??= from.port
      endpoint.handleDatagram(performance.now(), data)
      step()
    })
    const timer = setInterval(() => {
      if ((endpoint.nextTimeout()?.at ?? Number.POSITIVE_INFINITY) > performance.now()) return
      endpoint.handleTimeout(performance.now())
      step()
    }, 10)
    scene.onEnd(() => clearInterval(timer))
    endpoint.start(performance.now())
    step()
  })
}

export async function openSocket(scene: Scene, port: number): Promise<Socket> {
  const socket = createSocket('udp4')
  scene.onEnd(() => void socket.close())
  socket.bind(port, host)
  await once(socket, 'listening')
  return socket
}

/** As the exporter gives it (RFC 5764 4.2), in hex. */
export function materialOf(event: DtlsEvent & { type: 'connected' }, role: 'client' | 'server'): string {
  const [client, server] = role === 'client' ? [event.local, event.remote] : [event.remote, event.local]
  return Buffer.concat([client.key, server.key, client.salt, server.salt]).toString('hex')
}
