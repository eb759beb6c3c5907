// The simulated network itself: delay, loss, order, TCP, names, and the same run for the same seed.
import { describe, expect, it } from 'vitest'
import { NetworkError } from '../../src/errors.ts'
import type { TcpConnection } from '../../src/runtime/runtime.ts'
import type { VirtualHost } from '../../src/sim/host.ts'
import { type LinkQuality, REORDERING_DELAY_MS } from '../../src/sim/link.ts'
import { natKinds } from '../../src/sim/nat.ts'
import { type Simulation, simulate } from '../../src/sim/simulate.ts'
import { serveStun } from '../../src/sim/stun-server.ts'
import { readMappedAddress } from '../../src/stun/attributes.ts'
import { decode, MessageWriter } from '../../src/stun/message.ts'
import { method } from '../../src/stun/numbers.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (data: Uint8Array): string => new TextDecoder().decode(data)
const A = '203.0.113.1'
const B = '203.0.113.2'

const twoHosts = (world: Simulation, quality?: LinkQuality): [VirtualHost, VirtualHost] => [
  world.host('a', world.internet.at(A, quality)),
  world.host('b', world.internet.at(B)),
]

interface Arrival {
  at: number
  number: number
}

/** Sends numbered datagrams from a to b, one every `periodMs`. */
async function stream(
  world: Simulation,
  [a, b]: [VirtualHost, VirtualHost],
  count: number,
  periodMs: number,
): Promise<Arrival[]> {
  const from = await a.openUdp({ address: A, port: 4000 })
  const to = await b.openUdp({ address: B, port: 4000 })
  const arrivals: Arrival[] = []
  to.onDatagram = (data) => arrivals.push({ at: world.clock.now(), number: Number(text(data)) })
  for (let number = 0; number < count; number++)
    world.clock.setTimer(number * periodMs, () => from.send(bytes(`${number}`), to.local))
  await world.clock.advance(count * periodMs + 1_000)
  return arrivals
}

describe('links', () => {
  it('delay every datagram by the latency of both ends, in virtual time alone', async () => {
    const world = simulate(1)
    const arrivals = await stream(world, twoHosts(world, { latencyMs: 25.5 }), 10, 20)
    expect(arrivals.map(({ at, number }) => at - number * 20)).toEqual(Array(10).fill(25.5))
  })

  it('spread arrivals by the jitter and keep their order', async () => {
    const world = simulate(2)
    const arrivals = await stream(world, twoHosts(world, { latencyMs: 10, jitterMs: 30 }), 500, 5)
    const delays = arrivals.map(({ at, number }) => at - number * 5)
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(10)
    expect(Math.max(...delays)).toBeLessThan(40)
    expect(Math.max(...delays) - Math.min(...delays)).toBeGreaterThan(20)
    expect(arrivals.map(({ number }) => number)).toEqual(arrivals.map((_, index) => index))
  })

  it('lose the share that was asked for, to within five standard deviations', async () => {
    const world = simulate(3)
    const count = 5_000
    let lost = 0
    world.onPacket = (fate) => {
      if (fate === 'lost') lost++
    }
    const arrivals = await stream(world, twoHosts(world, { loss: 0.05 }), count, 1)
    expect(arrivals.length + lost).toBe(count)
    expect(Math.abs(lost - count * 0.05)).toBeLessThan(5 * Math.sqrt(count * 0.05 * 0.95))
  })

  it('duplicate and hold back as often as asked', async () => {
    const world = simulate(4)
    const count = 2_000
    const arrivals = await stream(world, twoHosts(world, { duplication: 0.1, reordering: 0.05 }), count, 5)
    const duplicates = arrivals.length - count
    const held = new Set(
      arrivals
        .filter(({ at, number }) => at - number * 5 === REORDERING_DELAY_MS)
        .map(({ number }) => number),
    )
    expect(Math.abs(duplicates - count * 0.1)).toBeLessThan(5 * Math.sqrt(count * 0.1 * 0.9))
    expect(Math.abs(held.size - count * 0.05)).toBeLessThan(5 * Math.sqrt(count * 0.05 * 0.95))
    expect(arrivals.some(({ number }, index) => index > 0 && number < arrivals[index - 1]!.number)).toBe(true)
  })
})

describe('a seed', () => {
  const trace = async (seed: number): Promise<string[]> => {
    const world = simulate(seed)
    const lines: string[] = []
    world.onPacket = (fate, packet, where) =>
      lines.push(`${world.clock.now()} ${fate} ${text(packet.data)} ${packet.source.port} ${where}`)
    const home = world.nat('home', '203.0.113.9', natKinds.symmetric)
    const inside = world.host(
      'inside',
      home.inside.at('192.168.1.2', { latencyMs: 5, jitterMs: 9, loss: 0.2, duplication: 0.1 }),
    )
    const server = world.host('server', world.internet.at(B))
    const socket = await inside.openUdp({ address: '0.0.0.0', port: 0 })
    const at = await server.openUdp({ address: B, port: 5000 })
    at.onDatagram = (data, from) => at.send(data, from)
    for (let i = 0; i < 50; i++) world.clock.setTimer(i * 3, () => socket.send(bytes(`${i}`), at.local))
    await world.clock.advance(1_000)
    return lines
  }

  it('gives the same run again, and another seed another', async () => {
    const first = await trace(42)
    expect(first.length).toBeGreaterThan(50)
    expect(await trace(42)).toEqual(first)
    expect(await trace(43)).not.toEqual(first)
  })
})

describe('UDP sockets of a host', () => {
  it('refuse a port in use and a foreign address like a real one', async () => {
    const world = simulate(5)
    const [a] = twoHosts(world)
    const first = await a.openUdp({ address: A, port: 5060 })
    await expect(a.openUdp({ address: A, port: 5060 })).rejects.toThrow(
      `UDP port 5060 on ${A} is in use by another program: stop it or choose another`,
    )
    await expect(a.openUdp({ address: B, port: 0 })).rejects.toThrow(NetworkError)
    first.close()
    await a.openUdp({ address: A, port: 5060 })
  })

  it('talk over loopback, and from a wildcard to every interface', async () => {
    const world = simulate(6)
    const home = world.nat('home', '203.0.113.9', natKinds.portRestricted)
    const host = world.host('both', world.internet.at(A), home.inside.at('192.168.1.2'))
    const neighbour = world.host('neighbour', home.inside.at('192.168.1.3'))
    const socket = await host.openUdp({ address: '0.0.0.0', port: 7000 })
    const heard: string[] = []
    const note = (data: Uint8Array, from: { address: string }): void => {
      heard.push(`${text(data)} from ${from.address}`)
    }
    socket.onDatagram = note
    const local = await host.openUdp({ address: '127.0.0.1', port: 7001 })
    local.send(bytes('hello'), { address: '127.0.0.1', port: 7000 })
    const beside = await neighbour.openUdp({ address: '192.168.1.3', port: 7002 })
    beside.onDatagram = note
    socket.send(bytes('lan'), beside.local)
    await world.clock.advance(1)
    expect(heard).toEqual(['hello from 127.0.0.1', 'lan from 192.168.1.2'])
    expect(await host.sourceAddressFor({ address: B, port: 1 })).toBe('192.168.1.2')
    expect(await host.sourceAddressFor({ address: '2001:db8::1', port: 1 })).toBeUndefined()
  })

  it('report that there is no route', async () => {
    const world = simulate(7)
    const [a] = twoHosts(world)
    const socket = await a.openUdp({ address: A, port: 0 })
    const errors: Error[] = []
    socket.onError = (error) => errors.push(error)
    socket.send(bytes('x'), { address: '2001:db8::1', port: 9 })
    expect(errors.map(({ message }) => message)).toEqual([
      'there is no route to [2001:db8::1]:9: check the address and the interfaces',
    ])
  })

  it('leave nothing open once they are closed', async () => {
    const world = simulate(8)
    const [a] = twoHosts(world)
    const socket = await a.openUdp({ address: A, port: 5060 })
    expect(world.open).toEqual([`a: udp ${A}:5060`])
    socket.close()
    expect(world.open).toEqual([])
  })
})

describe('TCP', () => {
  const connect = async (
    world: Simulation,
    quality: LinkQuality,
  ): Promise<[TcpConnection, TcpConnection]> => {
    const [a, b] = twoHosts(world, quality)
    const listener = await b.listenTcp({ address: B, port: 5060 })
    const accepted = new Promise<TcpConnection>((resolve) => {
      listener.onConnection = resolve
    })
    const client = await world.clock.run(a.connectTcp(listener.local))
    return [client, await world.clock.run(accepted)]
  }

  it('that is aborted leaves nothing behind, and the peer hears of a reset', async () => {
    const world = simulate(9)
    const [client, server] = await connect(world, { latencyMs: 20 })
    let error: Error | undefined
    server.onClose = (reason) => {
      error = reason
    }
    client.abort()
    await world.clock.advance(1_000)
    expect(error?.message).toMatch(/reset the connection/)
    expect(world.open).toEqual(['b: tcp 203.0.113.2:5060'])
  })

  it('is an ordered stream over a link that loses, delays and reorders', async () => {
    const world = simulate(9)
    const quality = { latencyMs: 20, jitterMs: 10, loss: 0.2, duplication: 0.2, reordering: 0.2 }
    const [client, server] = await connect(world, quality)
    let heard = ''
    let closed = 0
    server.onData = (data) => {
      heard += text(data)
    }
    server.onClose = () => closed++
    client.onClose = () => closed++
    let sent = ''
    for (let i = 0; i < 300; i++) {
      sent += `${i},`
      client.write(bytes(`${i},`))
    }
    client.close()
    await world.clock.advance(60_000)
    expect(heard).toBe(sent)
    expect(closed).toBe(2)
    expect(world.open).toEqual(['b: tcp 203.0.113.2:5060'])
  })

  it('keeps what arrives before there is a handler', async () => {
    const world = simulate(10)
    const [client, server] = await connect(world, {})
    server.write(bytes('early'))
    server.close()
    await world.clock.advance(10)
    const order: string[] = []
    client.onClose = () => order.push('closed')
    client.onData = (data) => order.push(text(data))
    await world.clock.advance(10)
    expect(order).toEqual(['early', 'closed'])
  })

  it('is held no longer once a FIN has ended it that overtook the answer to the SYN', async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const world = simulate(seed)
      const [a, b] = twoHosts(world, { latencyMs: 20, reordering: 0.5 })
      const listener = await b.listenTcp({ address: B, port: 5060 })
      listener.onConnection = (connection) => connection.close()
      await world.clock.run(a.connectTcp(listener.local))
      await world.clock.advance(1_000)
      expect(world.open, `seed ${seed}`).toEqual([`b: tcp ${B}:5060`])
    }
  })

  it('is refused where nothing listens, and times out where nothing answers', async () => {
    const world = simulate(11)
    const [a] = twoHosts(world, { latencyMs: 10 })
    await expect(world.clock.run(a.connectTcp({ address: B, port: 9 }))).rejects.toThrow(
      `TCP ${B}:9 refused the connection: check the port and that the server runs`,
    )
    expect(world.clock.now()).toBe(20)
    const nobody = { address: '203.0.113.77', port: 9 }
    await expect(world.clock.run(a.connectTcp(nobody, { timeoutMs: 3_000 }))).rejects.toThrow(
      'TCP 203.0.113.77:9 did not answer within 3000 ms',
    )
    expect([world.clock.now(), world.open]).toEqual([3_020, []])
  })

  it('goes silent with a host that lost its power', async () => {
    const world = simulate(12)
    const [client, server] = await connect(world, {})
    const fates: string[] = []
    world.onPacket = (fate) => fates.push(fate)
    let closed = 0
    client.onClose = () => closed++
    server.onClose = () => closed++
    world.hosts[1]!.powerOff()
    client.write(bytes('are you there?'))
    await world.clock.advance(60_000)
    expect([fates, closed]).toEqual([['no route'], 0])
  })
})

describe('names and servers', () => {
  it('resolves what the world knows, and literals', async () => {
    const world = simulate(13)
    const [a] = twoHosts(world)
    world.setName('pbx.example', [B, '2001:db8::2'])
    expect(await a.resolve('PBX.example')).toEqual([B, '2001:db8::2'])
    expect(await a.resolve('[2001:db8::9]')).toEqual(['2001:db8::9'])
    await expect(a.resolve('none.example')).rejects.toThrow('could not resolve none.example (ENOTFOUND)')
  })

  it('answers STUN Binding requests with the address outside the NAT', async () => {
    const world = simulate(14)
    const home = world.nat('home', '203.0.113.9', { ...natKinds.portRestricted, ports: 'random' })
    const host = world.host('inside', home.inside.at('192.168.1.2'))
    const server = world.host('stun', world.internet.at(B))
    const stop = await serveStun(server, { address: B, port: 3478 })
    const socket = await host.openUdp({ address: '192.168.1.2', port: 4000 })
    const answer = new Promise<Uint8Array>((resolve) => {
      socket.onDatagram = resolve
    })
    const request = new MessageWriter('request', method.binding, host.random.bytes(12))
    socket.send(request.finish(), { address: B, port: 3478 })
    const response = decode(await world.clock.run(answer))
    if (typeof response === 'string') throw new Error(response)
    expect(readMappedAddress(response)?.address).toBe('203.0.113.9')
    expect(readMappedAddress(response)?.port).not.toBe(4000)
    stop()
    expect(world.open).toEqual(['inside: udp 192.168.1.2:4000'])
  })
})
