// Connections that hold a place without using it, in virtual time: whoever connects must send a whole message, and whoever has begun
// one must end it.
import { beforeEach, describe, expect, test } from 'vitest'
import type { TcpConnection, WebSocketConnection } from '../../../src/runtime/runtime.ts'
import { type ConnectionHandler, messageTimeoutMs } from '../../../src/sip/connection-flow.ts'
import { StreamFlow } from '../../../src/sip/stream-flow.ts'
import { WebSocketFlow } from '../../../src/sip/websocket-flow.ts'
import { FakeRuntime } from './fake-runtime.ts'
import { requestText } from './messages.ts'

let runtime: FakeRuntime
let log: string[]
let handler: ConnectionHandler
beforeEach(() => {
  runtime = new FakeRuntime()
  log = []
  handler = {
    onMessage: () => log.push('message'),
    onBroken: (reason) => log.push(reason),
    onClosed: () => log.push('closed'),
  }
})

const ends = {
  local: { address: '192.0.2.1', port: 5060 },
  remote: { address: '192.0.2.2', port: 40_000 },
  onClose: undefined,
  close: (): void => void log.push('close'),
  abort: (): void => void log.push('abort'),
}
const origin = (incoming: boolean) => ({ sentBy: ends.local, incoming })
const message = requestText({})

describe('a stream', () => {
  const open = (incoming: boolean) => {
    const connection: TcpConnection = {
      ...ends,
      onData: undefined,
      write: (data) => void log.push(`wrote ${data.length}`),
    }
    new StreamFlow(connection, origin(incoming), runtime.clock, handler)
    return (text: string): void => connection.onData?.(Buffer.from(text))
  }

  test('that is opened and says nothing is closed; keep-alives alone do not help', () => {
    const arrive = open(true)
    runtime.advance(messageTimeoutMs - 1)
    arrive('\r\n\r\n')
    expect(log).toEqual(['wrote 2'])
    runtime.advance(messageTimeoutMs)
    expect(log).toEqual(['wrote 2', 'no whole message within 30 s', 'close'])
  })

  test('that we opened may stay silent', () => {
    open(false)
    runtime.advance(10 * messageTimeoutMs)
    expect(log).toEqual([])
    expect(runtime.pendingTimers).toBe(0)
  })

  test.each([true, false])('that sends an octet every second is closed (incoming %s)', (incoming) => {
    const arrive = open(incoming)
    if (incoming) arrive(message)
    log = []
    for (let at = 0; at <= messageTimeoutMs; at += 1_000) {
      arrive(message[at / 1_000]!)
      runtime.advance(at + 1_000)
    }
    expect(log).toEqual(['no whole message within 30 s', 'close'])
  })

  test('that sends messages in time stays, with no timer left between them', () => {
    const arrive = open(true)
    for (let round = 0; round < 5; round++) {
      arrive(message.slice(0, 50))
      runtime.advance((round + 1) * (messageTimeoutMs - 1_000))
      arrive(message.slice(50))
    }
    expect(log).toEqual(Array(5).fill('message'))
    expect(runtime.pendingTimers).toBe(0)
  })
})

describe('a WebSocket', () => {
  const open = (incoming: boolean) => {
    const connection: WebSocketConnection = {
      ...ends,
      onMessage: undefined,
      send: (data) => void log.push(`sent ${data.length}`),
    }
    new WebSocketFlow(connection, origin(incoming), runtime.clock, handler)
    return (text: string): void => connection.onMessage?.(Buffer.from(text))
  }

  test('that is opened and says nothing is closed; keep-alives alone do not help', () => {
    const arrive = open(true)
    arrive('\r\n\r\n')
    arrive('\r\n')
    runtime.advance(messageTimeoutMs)
    expect(log).toEqual(['sent 2', 'no whole message within 30 s', 'close'])
  })

  test('that has sent a message stays', () => {
    const arrive = open(true)
    arrive(message)
    runtime.advance(10 * messageTimeoutMs)
    expect(log).toEqual(['message'])
    expect(runtime.pendingTimers).toBe(0)
  })
})
