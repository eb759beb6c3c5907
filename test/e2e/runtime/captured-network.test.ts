// What a capture sees of real connections: TLS and WebSockets as they are on the wire, in both roles, and the secrets of TLS.
import { readFileSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { capturedNetwork } from '../../../src/runtime/captured-network.ts'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import type { TcpConnection, WebSocketConnection } from '../../../src/runtime/runtime.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

const pem = (name: string): string => readFileSync(`test/fixtures/tls/${name}`, 'utf8')
const loopback = { address: '127.0.0.1', port: 0 }
const options = { subprotocol: 'sip', maximumMessageBytes: 200_000, timeoutMs: 10_000 }

function observed() {
  const lines: string[] = []
  const bytes: Record<string, Buffer> = {}
  const network = capturedNetwork(nodeRuntime.network, {
    packet: (_over, from, to, data) => {
      const way = `${from.port} ${to.port}`
      bytes[way] = Buffer.concat([bytes[way] ?? Buffer.alloc(0), data])
    },
    secret: (line) => lines.push(Buffer.from(line).toString()),
  })
  return { network, lines, bytes }
}
const next = (connection: TcpConnection, length: number): Promise<number> =>
  new Promise((resolve) => {
    let got = 0
    connection.onData = (data) => {
      got += data.length
      if (got >= length) resolve(got)
    }
  })
const message = (socket: WebSocketConnection): Promise<string> =>
  new Promise((resolve) => {
    socket.onMessage = (data) => resolve(Buffer.from(data).toString())
  })

test('both ends of TLS see the same records, and the same secrets', async () => {
  const [client, server] = [observed(), observed()]
  const listener = await server.network.listenTls(loopback, {
    cert: pem('server.pem'),
    key: pem('server.key'),
  })
  closers.push(() => listener.close())
  const accepted = new Promise<TcpConnection>((resolve) => {
    listener.onConnection = resolve
  })
  const { port } = listener.local
  const plain = await client.network.connectTcp({ ...loopback, port })
  const near = await client.network.startTls(plain, { serverName: '127.0.0.1', ca: pem('ca.pem') })
  const far = await accepted
  expect([near.local, near.remote]).toEqual([far.remote, far.local])
  expect(near.tls?.verified).toBe(true)
  expect(far.tls).toBeDefined()
  const large = Buffer.alloc(100_000, 'a')
  const [there, back] = [next(far, large.length), next(near, large.length)]
  near.write(large)
  far.write(large)
  expect([await there, await back]).toEqual([large.length, large.length])
  const ended = new Promise<void>((resolve) => {
    far.onClose = () => resolve()
  })
  near.close()
  await ended
  const way = `${near.local.port} ${port}`
  expect(client.bytes[way]!.length).toBeGreaterThan(large.length)
  expect(client.bytes[way]!.includes('aaaaaaaa')).toBe(false)
  expect(client.bytes[way]!.subarray(0, server.bytes[way]!.length).equals(server.bytes[way]!)).toBe(true)
  expect(client.lines.length).toBeGreaterThanOrEqual(4)
  expect([...client.lines].sort()).toEqual([...server.lines].sort())
})

test('a WebSocket shows its handshake and its frames', async () => {
  const [client, server] = [observed(), observed()]
  const listener = await server.network.listenTcp(loopback)
  closers.push(() => listener.close())
  const accepted = new Promise<WebSocketConnection>((resolve) => {
    listener.onConnection = (connection) =>
      void server.network.acceptWebSocket(connection, options).then(resolve)
  })
  const { port } = listener.local
  const plain = await client.network.connectTcp({ ...loopback, port })
  const near = await client.network.openWebSocket(plain, { ...options, host: `127.0.0.1:${port}`, path: '/' })
  const far = await accepted
  const [there, back] = [message(far), message(near)]
  near.send(Buffer.from('there'))
  far.send(Buffer.from('and back'))
  expect([await there, await back]).toEqual(['there', 'and back'])
  const ended = new Promise<void>((resolve) => {
    far.onClose = () => resolve()
  })
  near.close()
  await ended
  const text = (way: string) => server.bytes[way]!.toString('latin1')
  expect(text(`${near.local.port} ${port}`)).toMatch(/^GET \/ HTTP\/1\.1\r\n/)
  expect(text(`${port} ${near.local.port}`)).toMatch(/^HTTP\/1\.1 101 .*and back/s)
})

test('what is no TLS is refused as without a capture', async () => {
  const { network } = observed()
  const listener = await network.listenTcp(loopback)
  closers.push(() => listener.close())
  listener.onConnection = (connection) => {
    connection.onData = () => connection.write(Buffer.from('SIP/2.0 400 Bad Request\r\n\r\n'))
  }
  const plain = await network.connectTcp({ ...loopback, port: listener.local.port })
  await expect(network.startTls(plain, { serverName: '127.0.0.1' })).rejects.toThrow('does not speak TLS')
})
