// The relay against RFC 8656: allocations, credentials, permissions, channels, lifetimes, refusals, over UDP and TCP.
import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { TransportAddress } from '../../../src/runtime/address.ts'
import { type Simulation, simulate } from '../../../src/sim/simulate.ts'
import { turnAttribute, turnMethod } from '../../../src/sim/turn-numbers.ts'
import { type RunningTurnServer, serveTurn, type TurnServerOptions } from '../../../src/sim/turn-server.ts'
import { readAddress, readErrorCode, readUint32, readXorAddress } from '../../../src/stun/attributes.ts'
import { decode, MessageWriter, type StunMessage } from '../../../src/stun/message.ts'
import { attribute, discoveryAttribute, method } from '../../../src/stun/numbers.ts'
import { BareTurnClient, udpTransport } from './turn-client.ts'

const SERVER = { address: '203.0.113.10', port: 3478 }
const PEER = '203.0.113.20'
const data = new TextEncoder().encode('hello')
const link = { latencyMs: 5 }

interface Laboratory {
  world: Simulation
  server: RunningTurnServer
  client: BareTurnClient
  /** What a host of the internet hears on a port, and how it sends. */
  peer: {
    address: TransportAddress
    heard: { text: string; from: TransportAddress }[]
    send: (to: TransportAddress) => void
  }
}

async function laboratory(options: Partial<TurnServerOptions> = {}, over = 'udp'): Promise<Laboratory> {
  const world = simulate(1)
  const { internet } = world
  const host = world.host('relay', internet.at(SERVER.address, link), internet.at('2001:db8::10', link))
  const server = await serveTurn(host, {
    listen: [
      { protocol: 'udp', ...SERVER },
      { protocol: 'tcp', ...SERVER },
      { protocol: 'udp', address: '2001:db8::10', port: 3478 },
    ],
    users: { alice: 'wonder', bob: 'builder' },
    ...options,
  })
  const place = world.host('client', internet.at('198.51.100.2', link), internet.at('2001:db8:1::2', link))
  const client = new BareTurnClient(world, place, SERVER)
  await (over === 'udp' ? client.overUdp() : client.overTcp())
  const socket = await world.host('peer', internet.at(PEER, link)).openUdp({ address: PEER, port: 5000 })
  const heard: { text: string; from: TransportAddress }[] = []
  socket.onDatagram = (bytes, from) => heard.push({ text: new TextDecoder().decode(bytes), from })
  const send = (to: TransportAddress): void => socket.send(data, to)
  return { world, server, client, peer: { address: socket.local, heard, send } }
}

const relayed = (response: StunMessage): TransportAddress =>
  readXorAddress(response, turnAttribute.xorRelayedAddress)!
/** The families of every relayed address; `decode` keeps the first alone. */
const relayedTypes = ({ bytes }: StunMessage): number[] => {
  const types: number[] = []
  for (let at = 20; at < bytes.length; at += 4 + ((bytes[at + 3]! + 3) & ~3))
    if (((bytes[at]! << 8) | bytes[at + 1]!) === turnAttribute.xorRelayedAddress) types.push(bytes[at + 5]!)
  return types
}
const withPeer = (peer: TransportAddress) => (writer: MessageWriter) => {
  writer.xorAddress(turnAttribute.xorPeerAddress, peer)
}
const bindTo = (number: number, peer: TransportAddress) => (writer: MessageWriter) => {
  writer.octets(turnAttribute.channelNumber, Uint8Array.of(number >> 8, number & 0xff, 0, 0))
  writer.xorAddress(turnAttribute.xorPeerAddress, peer)
}
const allocateRequest = (writer: MessageWriter): void => {
  writer.octets(turnAttribute.requestedTransport, udpTransport)
}

describe('an allocation (RFC 8656 7)', () => {
  it('is challenged with 401 first, then has a relayed and a mapped address and 600 s', async () => {
    const { client, server } = await laboratory()
    expect(await client.code(turnMethod.allocate, allocateRequest)).toBe(401)
    const response = await client.allocate()
    expect(response.class).toBe('success')
    expect(relayed(response).address).toBe(SERVER.address)
    expect(readXorAddress(response, attribute.xorMappedAddress)?.address).toBe('198.51.100.2')
    expect(readUint32(response, turnAttribute.lifetime)).toBe(600)
    expect(server.allocationCount).toBe(1)
  })

  it('is answered alike when the request is repeated, and with 437 when there is one already', async () => {
    const { client, server } = await laboratory()
    await client.code(turnMethod.allocate, allocateRequest)
    const transactionId = client.host.random.bytes(12)
    const first = await client.request(turnMethod.allocate, allocateRequest, transactionId)
    const second = await client.request(turnMethod.allocate, allocateRequest, transactionId)
    expect(relayed(second)).toEqual(relayed(first))
    expect(await client.code(turnMethod.allocate, allocateRequest)).toBe(437)
    expect(server.allocationCount).toBe(1)
  })

  it('has both families where both are asked for (RFC 8656 7.1), and IPv6 alone where that is', async () => {
    const { client, world, server } = await laboratory()
    const both = await client.allocate((writer) => {
      writer.octets(turnAttribute.additionalAddressFamily, Uint8Array.of(2, 0, 0, 0))
    })
    expect(relayedTypes(both)).toEqual([1, 2])
    const second = await new BareTurnClient(world, client.host, SERVER).overUdp()
    const six = await second.allocate((writer) => {
      writer.octets(turnAttribute.requestedAddressFamily, Uint8Array.of(2, 0, 0, 0))
    })
    expect(relayed(six).address).toBe('2001:db8::10')
    expect(server.allocationCount).toBe(2)
  })

  it('says 440 for a family that the server does not have, and in part where one of two is missing', async () => {
    const { client } = await laboratory({ relayAddresses: [SERVER.address] })
    const six = await client.allocate((writer) => {
      writer.octets(turnAttribute.requestedAddressFamily, Uint8Array.of(2, 0, 0, 0))
    })
    expect(readErrorCode(six)?.code).toBe(440)
    const both = await client.allocate((writer) => {
      writer.octets(turnAttribute.additionalAddressFamily, Uint8Array.of(2, 0, 0, 0))
    })
    expect(both.attributes.get(turnAttribute.addressErrorCode)).toEqual(Uint8Array.of(2, 0, 4, 40))
  })

  it.each([
    ['another transport than UDP', 442, Uint8Array.of(6, 0, 0, 0)],
    ['a malformed transport', 400, Uint8Array.of(17)],
  ])('refuses %s with %d', async (_what, code, value) => {
    const { client } = await laboratory()
    await client.code(turnMethod.allocate, allocateRequest)
    const asked = (writer: MessageWriter): void => {
      writer.octets(turnAttribute.requestedTransport, value)
    }
    expect(await client.code(turnMethod.allocate, asked)).toBe(code)
  })

  it('refuses what it does not understand with 420: DONT-FRAGMENT', async () => {
    const { client } = await laboratory()
    const response = await client.allocate((writer) => {
      writer.octets(0x001a)
    })
    expect(readErrorCode(response)?.code).toBe(420)
  })

  it('has an even port where that is asked for, and the next one for the request that shows the token', async () => {
    const { client, world, server } = await laboratory()
    const even = (flags: number) => (writer: MessageWriter) => {
      writer.octets(turnAttribute.evenPort, Uint8Array.of(flags))
    }
    const first = await client.allocate(even(0x80))
    const { port } = relayed(first)
    expect(port % 2).toBe(0)
    const token = first.attributes.get(turnAttribute.reservationToken)!
    expect(token).toHaveLength(8)
    const withToken = (writer: MessageWriter): void => {
      writer.octets(turnAttribute.reservationToken, token)
    }
    const next = await new BareTurnClient(world, client.host, SERVER).overUdp()
    expect(relayed(await next.allocate(withToken)).port).toBe(port + 1)
    const late = await new BareTurnClient(world, client.host, SERVER).overUdp()
    expect(readErrorCode(await late.allocate(withToken))?.code).toBe(508)
    const both = (writer: MessageWriter): void => {
      even(0)(writer)
      withToken(writer)
    }
    expect(readErrorCode(await late.allocate(both))?.code).toBe(400)
    const plain = await late.allocate(even(0))
    expect(relayed(plain).port % 2).toBe(0)
    expect(plain.attributes.has(turnAttribute.reservationToken)).toBe(false)
    expect(server.allocationCount).toBe(3)
    const dual = (flags: number) => (writer: MessageWriter) => {
      even(flags)(writer)
      writer.octets(turnAttribute.additionalAddressFamily, Uint8Array.of(2, 0, 0, 0))
    }
    const both6 = await new BareTurnClient(world, client.host, SERVER).overUdp()
    expect(readErrorCode(await both6.allocate(dual(0x80)))?.code).toBe(400)
    expect(relayedTypes(await both6.allocate(dual(0)))).toEqual([1, 2])
  })

  it('keeps a reserved port for 30 s', async () => {
    const { client, world, server } = await laboratory()
    const first = await client.allocate((writer) => {
      writer.octets(turnAttribute.evenPort, Uint8Array.of(0x80))
    })
    const token = first.attributes.get(turnAttribute.reservationToken)!
    await world.clock.advance(31_000)
    const late = await new BareTurnClient(world, client.host, SERVER).overUdp()
    const response = await late.allocate((writer) => {
      writer.octets(turnAttribute.reservationToken, token)
    })
    expect(readErrorCode(response)?.code).toBe(508)
    server.stop()
    await world.clock.advance(50)
    expect(world.open.filter((what) => what.startsWith('relay'))).toEqual([])
  })

  it('is refused with 486 beyond the quota of a user, with 508 beyond the capacity', async () => {
    const { world, client } = await laboratory({ quota: 1, capacity: 2 })
    expect((await client.allocate()).class).toBe('success')
    const next = async (username: string, password: string): Promise<number> => {
      const other = await new BareTurnClient(world, client.host, SERVER).overUdp()
      Object.assign(other, { username, password })
      const response = await other.allocate()
      return readErrorCode(response)?.code ?? 0
    }
    expect(await next('alice', 'wonder')).toBe(486)
    expect(await next('bob', 'builder')).toBe(0)
    expect(await next('bob', 'builder')).toBe(486)
  })

  it('is sent elsewhere with 300 where the server has an alternate', async () => {
    const alternate = { address: '203.0.113.11', port: 3479 }
    const { client } = await laboratory({ alternate })
    const response = await client.allocate()
    expect(readErrorCode(response)?.code).toBe(300)
    expect(readAddress(response, attribute.alternateServer)).toEqual(alternate)
  })

  it('ends after its lifetime unless refreshed, and at once with a lifetime of 0', async () => {
    const { world, client, server } = await laboratory()
    await client.allocate()
    await world.clock.advance(500_000)
    expect(await client.code(turnMethod.refresh)).toBe(0)
    await world.clock.advance(500_000)
    expect(server.allocationCount).toBe(1)
    await world.clock.advance(200_000)
    expect(server.allocationCount).toBe(0)
    expect(await client.code(turnMethod.refresh)).toBe(437)
    expect((await client.allocate()).class).toBe('success')
    const zero = (writer: MessageWriter): void => {
      writer.uint32(turnAttribute.lifetime, 0)
    }
    expect(await client.code(turnMethod.refresh, zero)).toBe(0)
    expect(server.allocationCount).toBe(0)
  })
})

describe('credentials (RFC 8489 9.2)', () => {
  it('refuse a wrong password with 401 and another user on the same allocation with 441', async () => {
    const { client } = await laboratory()
    await client.allocate()
    client.password = 'wrong'
    expect(await client.code(turnMethod.refresh)).toBe(401)
    Object.assign(client, { username: 'bob', password: 'builder' })
    expect(await client.code(turnMethod.refresh)).toBe(441)
  })

  it('end with their nonce: 438 and a new one', async () => {
    const { world, client } = await laboratory({ nonceLifetimeMs: 60_000 })
    await client.allocate()
    const { nonce } = client
    await world.clock.advance(61_000)
    expect(await client.code(turnMethod.refresh)).toBe(438)
    expect(client.nonce).not.toBe(nonce)
    expect(await client.code(turnMethod.refresh)).toBe(0)
  })

  it('refuse a nonce that the server has not made', async () => {
    const { client } = await laboratory()
    await client.allocate()
    client.nonce = `0${client.nonce.slice(1)}x`
    expect(await client.code(turnMethod.refresh)).toBe(438)
  })

  it('use SHA-256 where offered, and notice that somebody took it away', async () => {
    const { client } = await laboratory({ sha256: true })
    client.algorithm = 'sha256'
    const response = await client.allocate()
    expect(response.class).toBe('success')
    expect(response.integritySha256Offset).toBeDefined()
    client.algorithms = Uint8Array.of(0, 1, 0, 0)
    expect(await client.code(turnMethod.refresh)).toBe(400)
  })

  it('are time-limited where they follow from a secret', async () => {
    const { world, client } = await laboratory({ secret: 'shared' })
    const username = `${Math.floor(world.clock.wallTime() / 1_000) + 60}:carol`
    Object.assign(client, {
      username,
      password: createHmac('sha1', 'shared').update(username).digest('base64'),
    })
    expect((await client.allocate()).class).toBe('success')
    await world.clock.advance(61_000)
    expect(await client.code(turnMethod.refresh)).toBe(401)
  })
})

describe.each(['udp', 'tcp'])('data over %s', (over) => {
  it('flows both ways once the peer is permitted, for 300 s', async () => {
    const { world, client, peer } = await laboratory({}, over)
    const relay = relayed(await client.allocate())
    client.sendIndication(peer.address, data)
    await world.clock.advance(50)
    expect(peer.heard).toEqual([])
    expect(await client.code(turnMethod.createPermission, withPeer(peer.address))).toBe(0)
    client.sendIndication(peer.address, data)
    await world.clock.advance(50)
    expect(peer.heard).toEqual([{ text: 'hello', from: relay }])
    client.received.length = 0
    peer.send(relay)
    await world.clock.advance(50)
    const indication = decode(client.received[0]!) as StunMessage
    expect(indication.method).toBe(turnMethod.data)
    expect(readXorAddress(indication, turnAttribute.xorPeerAddress)).toEqual(peer.address)
    expect(indication.attributes.get(turnAttribute.data)).toEqual(data)
    await world.clock.advance(301_000)
    client.received.length = 0
    peer.send(relay)
    await world.clock.advance(50)
    expect(client.received).toEqual([])
  })

  it('flows on channels, padded on a stream alone', async () => {
    const { world, client, peer } = await laboratory({}, over)
    const relay = relayed(await client.allocate())
    expect(await client.code(turnMethod.channelBind, bindTo(0x4001, peer.address))).toBe(0)
    client.send(Uint8Array.of(0x40, 0x01, 0, data.length, ...data, 0, 0, 0))
    await world.clock.advance(50)
    expect(peer.heard).toEqual([{ text: 'hello', from: relay }])
    client.received.length = 0
    peer.send(relay)
    await world.clock.advance(50)
    const padding = over === 'tcp' ? [0, 0, 0] : []
    expect(client.received).toEqual([Uint8Array.of(0x40, 0x01, 0, data.length, ...data, ...padding)])
  })
})

describe('permissions and channels', () => {
  it('refuse what cannot be a peer', async () => {
    const { client, peer } = await laboratory({ permitsPeer: (address) => !address.startsWith('10.') })
    await client.allocate()
    const permit = (address: string): Promise<number> =>
      client.code(turnMethod.createPermission, withPeer({ address, port: 1 }))
    expect(await permit('10.1.2.3')).toBe(403)
    expect(await permit('224.0.0.1')).toBe(403)
    expect(await permit('2001:db8::1')).toBe(443)
    expect(await permit(peer.address.address)).toBe(0)
    expect(await client.code(turnMethod.createPermission)).toBe(400)
  })

  it('permit all the addresses of one request, or none', async () => {
    const { world, client, peer } = await laboratory({ permitsPeer: (address) => !address.startsWith('10.') })
    await client.allocate()
    const two = (first: string) => (writer: MessageWriter) => {
      withPeer({ address: first, port: 1 })(writer)
      withPeer(peer.address)(writer)
    }
    expect(await client.code(turnMethod.createPermission, two('10.0.0.1'))).toBe(403)
    client.sendIndication(peer.address, data)
    await world.clock.advance(50)
    expect(peer.heard).toHaveLength(0)
    expect(await client.code(turnMethod.createPermission, two('198.51.100.77'))).toBe(0)
    client.sendIndication(peer.address, data)
    await world.clock.advance(50)
    expect(peer.heard).toHaveLength(1)
  })

  it('bind a channel to one peer, and a peer to one channel', async () => {
    const { client, peer } = await laboratory()
    await client.allocate()
    const bind = (number: number, port: number): Promise<number> =>
      client.code(turnMethod.channelBind, bindTo(number, { ...peer.address, port }))
    expect(await bind(0x4000, 1)).toBe(0)
    expect(await bind(0x4000, 1)).toBe(0)
    expect(await bind(0x4000, 2)).toBe(400)
    expect(await bind(0x4001, 1)).toBe(400)
    expect(await bind(0x5000, 3)).toBe(400)
    expect(await bind(0x3fff, 3)).toBe(400)
  })
})

describe('the server', () => {
  it('ends the allocation of a TCP client that goes, and hangs up on one that speaks something else', async () => {
    const { world, client, server } = await laboratory({}, 'tcp')
    await client.allocate()
    expect(server.allocationCount).toBe(1)
    client.send(new TextEncoder().encode('\x80GET / HTTP/1.1\r\n\r\n'))
    await world.clock.advance(50)
    expect(server.allocationCount).toBe(0)
  })

  it('leaves nothing behind', async () => {
    const { world, client, server } = await laboratory({}, 'tcp')
    await client.allocate()
    server.stop()
    await world.clock.advance(50)
    expect(world.open.filter((what) => what.startsWith('relay'))).toEqual([])
    expect(world.clock.pendingTimers).toBe(0)
  })

  it("answers RFC 5780's questions from its four sockets", async () => {
    const world = simulate(3)
    const other = { address: '203.0.113.11', port: 3479 }
    const { internet } = world
    const host = world.host('relay', internet.at(SERVER.address, link), internet.at(other.address, link))
    await serveTurn(host, { listen: [{ protocol: 'udp', ...SERVER }], otherAddress: other, users: {} })
    const place = world.host('client', internet.at('198.51.100.2', link))
    const socket = await place.openUdp({ address: '198.51.100.2', port: 0 })
    const heard: { message: StunMessage; from: TransportAddress }[] = []
    socket.onDatagram = (bytes, from) => heard.push({ message: decode(bytes) as StunMessage, from })
    const ask = async (fill: (writer: MessageWriter) => void) => {
      const writer = new MessageWriter('request', method.binding, place.random.bytes(12))
      fill(writer)
      socket.send(writer.finish(), SERVER)
      await world.clock.advance(50)
      return heard.pop()!
    }
    const change = async (flags: number): Promise<TransportAddress> => {
      const { message, from } = await ask((writer) => writer.uint32(discoveryAttribute.changeRequest, flags))
      expect(readAddress(message, discoveryAttribute.otherAddress)).toEqual(other)
      expect(readAddress(message, discoveryAttribute.responseOrigin)).toEqual(from)
      expect(readXorAddress(message, attribute.xorMappedAddress)).toEqual(socket.local)
      return from
    }
    expect(await change(0)).toEqual(SERVER)
    expect(await change(2)).toEqual({ ...SERVER, port: other.port })
    expect(await change(4)).toEqual({ ...SERVER, address: other.address })
    expect(await change(6)).toEqual(other)
    const padded = await ask((writer) => writer.octets(discoveryAttribute.padding, new Uint8Array(1_200)))
    expect(padded.message.bytes.length).toBeGreaterThan(1_200)
    const elsewhere = await place.openUdp({ address: '198.51.100.2', port: 7777 })
    let redirected = false
    elsewhere.onDatagram = () => {
      redirected = true
    }
    socket.send(
      new MessageWriter('request', method.binding, place.random.bytes(12))
        .octets(discoveryAttribute.responsePort, Uint8Array.of(7777 >> 8, 7777 & 0xff, 0, 0))
        .finish(),
      SERVER,
    )
    await world.clock.advance(50)
    expect(redirected).toBe(true)
  })
})
