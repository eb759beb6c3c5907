// Flows that are kept alive, and found dead (RFC 5626 4.4): over UDP by STUN, over TCP by CRLF, with servers that know neither.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { TransportAddress } from '../../../src/runtime/address.ts'
import type { TcpConnection, TcpListener, UdpSocket } from '../../../src/runtime/runtime.ts'
import { parseMessage, responseTo, type SipRequest, serializeMessage } from '../../../src/sip/message.ts'
import type { RegistrationState } from '../../../src/sip/session.ts'
import { answerBinding } from '../../../src/stun/binding-responder.ts'
import { type Scene, scene } from './scripted-peer.ts'

const address = '192.0.2.3'
let on: Scene
let asked: SipRequest[]
let states: RegistrationState[]
/** Headers of every 200. */
let headers: [string, string][]
/** RFC 6223: in our own Via, which is repeated. */
let keepSeconds: number | undefined
beforeEach(async () => {
  on = await scene()
  asked = []
  states = []
  headers = []
  keepSeconds = undefined
})
afterEach(async () => {
  expect(on.internalErrors()).toEqual([])
  await on.close()
  // What waits for a server that has gone ends with its transaction.
  await on.world.clock.advance(40_000)
  expect(on.world.open).toEqual([])
  expect(on.world.clock.pendingTimers).toBe(0)
})

const advance = (ms: number) => on.world.clock.advance(ms)
const register = (transport: 'udp' | 'tcp') => {
  const registration = on.agent.register(
    { aor: 'sip:alice@example.com', server: `sip:${address};transport=${transport}` },
    { expiresSeconds: 7_200 },
  )
  registration.onState = (state) => states.push(state)
  return registration
}
function answerTo(data: Uint8Array): Uint8Array | undefined {
  const result = parseMessage(data)
  if (!('message' in result) || result.message.kind !== 'request') return undefined
  // How long a NAT remembers cannot be found out here: see test/sim/phone/binding-lifetime.test.ts.
  if (result.message.method !== 'REGISTER') return undefined
  asked.push(result.message)
  const response = responseTo(result.message, 200, 'OK', 't')
  for (const [name, value] of headers) response.headers.push({ name, value })
  const via = response.get('Via')!
  if (keepSeconds !== undefined) response.replaceFirst('Via', via.replace(';keep', `;keep=${keepSeconds}`))
  return serializeMessage(response)
}

describe('over UDP', () => {
  let socket: UdpSocket
  /** Where STUN says that we are; undefined: it is not answered. */
  let mapped: TransportAddress | undefined
  let stunAsked: number[]
  let lines: number[]
  beforeEach(async () => {
    const host = on.world.host('registrar', on.world.internet.at(address, { latencyMs: 10 }))
    socket = await host.openUdp({ address, port: 5060 })
    mapped = { address: '203.0.113.7', port: 40_001 }
    stunAsked = []
    lines = []
    socket.onDatagram = (data, from) => {
      if (data.length === 4) lines.push(on.world.clock.now())
      else if (data[0]! < 4) {
        if (from.port === 5060) stunAsked.push(on.world.clock.now())
        const answer = mapped && answerBinding(data, mapped)
        if (answer) socket.send(answer, from)
      } else {
        const answer = answerTo(data)
        if (answer) socket.send(answer, from)
      }
    }
  })
  afterEach(() => socket.close())

  const gaps = (times: number[]) => times.slice(1).map((at, i) => Math.round(at - times[i]!))

  it('asks by STUN every 20 to 25 s', async () => {
    const registration = register('udp')
    await advance(600_000)
    expect(Math.min(...gaps(stunAsked))).toBeGreaterThanOrEqual(20_000)
    expect(Math.max(...gaps(stunAsked))).toBeLessThan(25_100)
    expect(lines).toEqual([])
    expect(asked).toHaveLength(1)
    registration.refresh()
    await advance(100)
    expect(registration.state).toMatchObject({
      flows: [{ keepAlive: 'stun', rttMs: expect.closeTo(22, -1) }],
    })
  })

  it('registers anew at once where a NAT has moved us', async () => {
    register('udp')
    await advance(60_000)
    mapped = { address: '203.0.113.7', port: 40_002 }
    await advance(25_500)
    expect(asked).toHaveLength(2)
    expect(states.map(({ state }) => state)).toEqual(['registered', 'registering', 'registered'])
    expect(states.at(-1)).toMatchObject({
      lastFailure: { reason: 'a NAT has moved us from 203.0.113.7:40001 to 203.0.113.7:40002' },
    })
    await advance(300_000)
    expect(asked).toHaveLength(2)
  })

  it('registers anew where a server that has answered is silent for 10 s', async () => {
    register('udp')
    await advance(60_000)
    mapped = undefined
    await advance(36_000)
    expect(asked).toHaveLength(2)
    expect(states.at(-1)).toMatchObject({
      state: 'registered',
      lastFailure: { reason: 'no answer to a keep-alive within 10 s' },
    })
  })

  it('sends empty lines to a server that knows no STUN, and does not call it dead', async () => {
    mapped = undefined
    register('udp')
    await advance(600_000)
    expect(stunAsked.at(-1)).toBeLessThan(10_100)
    expect(lines.length).toBeGreaterThan(20)
    expect(asked).toHaveLength(1)
  })

  it.each(['Flow-Timer', 'keep'])(
    'keeps the interval that the server asks for by %s (RFC 5626 4.4, RFC 6223)',
    async (how) => {
      if (how === 'Flow-Timer') headers.push(['Flow-Timer', '60'])
      else keepSeconds = 60
      register('udp')
      await advance(600_000)
      expect(asked[0]!.topVia.params.has('keep')).toBe(true)
      expect(Math.min(...gaps(stunAsked))).toBeGreaterThanOrEqual(48_000)
      expect(Math.max(...gaps(stunAsked))).toBeLessThan(60_100)
    },
  )

  it('believes nobody else’s STUN answers', async () => {
    register('udp')
    await advance(60_000)
    const stranger = await on.world
      .host('x', on.world.internet.at('192.0.2.66'))
      .openUdp({ address: '192.0.2.66', port: 5060 })
    const take = socket.onDatagram!
    socket.onDatagram = (data, from) => {
      const forged = data[0]! < 4 && answerBinding(data, { address: '198.51.100.1', port: 1 })
      if (forged) stranger.send(forged, from)
      take(data, from)
    }
    await advance(120_000)
    expect(asked).toHaveLength(1)
    stranger.close()
  })
})

describe('over TCP', () => {
  const connections: TcpConnection[] = []
  let listener: TcpListener
  let answersPings: boolean
  beforeEach(async () => {
    const host = on.world.host('registrar', on.world.internet.at(address, { latencyMs: 10 }))
    listener = await host.listenTcp({ address, port: 5060 })
    answersPings = true
    listener.onConnection = (connection) => {
      connections.push(connection)
      connection.onData = (data) => {
        if (Buffer.from(data).equals(Buffer.from('\r\n\r\n'))) {
          if (answersPings) connection.write(Buffer.from('\r\n'))
          return
        }
        const answer = answerTo(data)
        if (answer) connection.write(answer)
      }
    }
  })
  afterEach(() => {
    for (const connection of connections.splice(0)) connection.close()
    listener.close()
  })

  it('finds a dead connection within 10 s of a ping, and registers over another', async () => {
    register('tcp')
    await advance(300_000)
    expect(connections).toHaveLength(1)
    answersPings = false
    await advance(131_000)
    expect(connections).toHaveLength(2)
    expect(asked).toHaveLength(2)
    expect(states.at(-1)).toMatchObject({
      state: 'registered',
      lastFailure: { reason: 'no answer to a keep-alive within 10 s' },
    })
  })

  it('leaves a server in peace that has never answered one', async () => {
    answersPings = false
    register('tcp')
    await advance(3_600_000)
    expect(connections).toHaveLength(1)
    expect(asked).toHaveLength(1)
  })
})
