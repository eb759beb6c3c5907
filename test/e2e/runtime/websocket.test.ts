// WebSockets on real loopback sockets: handshakes, frames of both kinds, limits, and a sentence for whatever is no WebSocket.
import { createServer as httpServer, type RequestListener } from 'node:http'
import { connect as netConnect, createServer as netServer, type Server } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import type { WebSocketConnection } from '../../../src/runtime/runtime.ts'

const { network } = nodeRuntime
const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

const subprotocol = 'sip'
const maximumMessageBytes = 1_000

async function listen(timeoutMs = 10_000) {
  const listener = await network.listenTcp({ address: '127.0.0.1', port: 0 })
  closers.push(() => listener.close())
  const accepted = new Promise<WebSocketConnection>((resolve, reject) => {
    listener.onConnection = (connection) => {
      network.acceptWebSocket(connection, { subprotocol, maximumMessageBytes, timeoutMs }).then(
        (socket) => {
          closers.push(() => socket.abort())
          resolve(socket)
        },
        (error) => reject(error),
      )
    }
  })
  accepted.catch(() => undefined)
  return { port: listener.local.port, accepted }
}

async function open(port: number, path = '/ws', timeoutMs = 10_000): Promise<WebSocketConnection> {
  const connection = await network.connectTcp({ address: '127.0.0.1', port })
  const host = `127.0.0.1:${port}`
  const socket = await network.openWebSocket(connection, {
    host,
    path,
    subprotocol,
    maximumMessageBytes,
    timeoutMs,
  })
  closers.push(() => socket.abort())
  return socket
}

const portOf = (server: Server): Promise<number> =>
  new Promise((resolve) => {
    closers.push(() => server.close())
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
  })

const message = (socket: WebSocketConnection): Promise<string> =>
  new Promise((resolve) => {
    socket.onMessage = (data) => resolve(Buffer.from(data).toString('latin1'))
  })
const closed = (socket: WebSocketConnection): Promise<Error | undefined> =>
  new Promise((resolve) => {
    socket.onClose = resolve
  })
const send = (socket: WebSocketConnection, text: string): void => socket.send(Buffer.from(text, 'latin1'))

describe('two ends', () => {
  test('messages go both ways, one in each frame', async () => {
    const server = await listen()
    const client = await open(server.port)
    const accepted = await server.accepted
    expect(client.remote).toEqual(accepted.local)
    expect(accepted.remote).toEqual(client.local)
    const seen: string[] = []
    const all = new Promise<void>((resolve) => {
      accepted.onMessage = (data) => {
        if (seen.push(Buffer.from(data).toString()) === 3) resolve()
      }
    })
    for (const text of ['one', 'two', 'three']) send(client, text)
    await all
    expect(seen).toEqual(['one', 'two', 'three'])
    const answer = message(client)
    send(accepted, 'back')
    expect(await answer).toBe('back')
  })

  test('the end of one is the end of the other', async () => {
    const server = await listen()
    const client = await open(server.port)
    const gone = closed(await server.accepted)
    client.close()
    await gone
  })

  test('a message above the limit ends the connection, with a reason', async () => {
    const server = await listen()
    const client = await open(server.port)
    const gone = closed(await server.accepted)
    send(client, 'x'.repeat(maximumMessageBytes + 1))
    expect((await gone)?.message).toMatch(/[Mm]ax payload/)
  })

  test('garbage after the handshake ends the connection, with a reason', async () => {
    const server = await listen()
    const raw = netConnect(server.port, '127.0.0.1')
    closers.push(() => raw.destroy())
    raw.resume()
    raw.write(
      `GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${'A'.repeat(22)}==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n`,
    )
    const gone = closed(await server.accepted)
    raw.write(Buffer.from([0xff, 0xff, 0xff, 0xff]))
    expect(await gone).toBeInstanceOf(Error)
  })
})

describe('beside a plain WebSocket', () => {
  test('text is sent where it is UTF-8, binary where it is not, and both are taken', async () => {
    const server = await listen()
    const client = new WebSocket(`ws://127.0.0.1:${server.port}/anything`, ['chat', 'sip'])
    closers.push(() => client.terminate())
    const accepted = await server.accepted
    const kinds: boolean[] = []
    const both = new Promise<void>((resolve) =>
      client.on('message', (_, isBinary) => {
        if (kinds.push(isBinary) === 2) resolve()
      }),
    )
    send(accepted, 'text')
    send(accepted, '\xff')
    await both
    expect(kinds).toEqual([false, true])
    for (const binary of [false, true]) {
      const taken = message(accepted)
      client.send('hello', { binary })
      expect(await taken).toBe('hello')
    }
    expect(client.protocol).toBe('sip')
  })

  test('a ping is answered', async () => {
    const server = await listen()
    const client = new WebSocket(`ws://127.0.0.1:${server.port}/`, ['sip'])
    closers.push(() => client.terminate())
    await new Promise((resolve) => client.once('open', resolve))
    await server.accepted
    const pong = new Promise<string>((resolve) => client.once('pong', (data) => resolve(String(data))))
    client.ping('are you there')
    expect(await pong).toBe('are you there')
  })
})

describe('what is no WebSocket for SIP', () => {
  const answering = (listener: RequestListener): Promise<number> => portOf(httpServer(listener))

  test.each([
    [404, /^ws:\/\/127.0.0.1:\d+\/ws answered 404 Not Found: there is no WebSocket at \/ws, name the path/],
    [426, /answered 426 Upgrade Required: its port speaks HTTP and no SIP over WebSocket/],
    [403, /answered 403 Forbidden: it lets nobody in from here/],
    [302, /answered 302 Found: it has moved/],
    [500, /answered 500 Internal Server Error and opens no WebSocket/],
  ])('an answer of %i', async (status, sentence) => {
    const port = await answering((_request, response) => response.writeHead(status).end())
    await expect(open(port)).rejects.toThrow(sentence)
  })

  test('a server that has not heard of SIP', async () => {
    const server = httpServer()
    const sockets = new WebSocketServer({ server, handleProtocols: () => false })
    closers.push(() => sockets.close())
    const port = await portOf(server)
    await expect(open(port)).rejects.toThrow(/is a WebSocket that does not speak "sip"/)
  })

  test.each([
    ['a SIP server over TCP', 'SIP/2.0 400 Bad Request\r\n\r\n', /does not speak WebSocket \(no HTTP\)/],
    ['a port that hangs up', '', /closed the connection before the WebSocket was open/],
  ])('%s', async (_, answer, sentence) => {
    const port = await portOf(netServer((socket) => socket.once('data', () => socket.end(answer))))
    await expect(open(port)).rejects.toThrow(sentence)
  })

  test('a port that says nothing', async () => {
    const port = await portOf(netServer((socket) => closers.push(() => socket.destroy())))
    await expect(open(port, '/ws', 100)).rejects.toThrow(/did not open the WebSocket within 100 ms/)
  })

  test('a client without the subprotocol, a browser, and one that says nothing are turned away', async () => {
    const server = await listen()
    const client = new WebSocket(`ws://127.0.0.1:${server.port}/`)
    const status = new Promise<number | undefined>((resolve) => {
      client.once('unexpected-response', (_, response) => resolve(response.statusCode))
    })
    client.on('error', () => undefined)
    expect(await status).toBe(400)
    client.terminate()
    expect((await fetch(`http://127.0.0.1:${(await listen()).port}/`)).status).toBe(426)
    const patient = await listen(100)
    const slow = netConnect(patient.port, '127.0.0.1')
    closers.push(() => slow.destroy())
    await expect(patient.accepted).rejects.toThrow(/connected and opened no WebSocket/)
  })
})
