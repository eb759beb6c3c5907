// The client with the simulated relay (RFC 8656), over UDP, TCP and what stands for TLS: data both ways for an hour, whatever the
// server asks for meanwhile; and from one relay to another.
import { describe, expect, it } from 'vitest'
import type { TransportAddress } from '../../../src/runtime/address.ts'
import { CoreDriver } from '../../../src/runtime/core.ts'
import type { UdpSocket } from '../../../src/runtime/runtime.ts'
import type { VirtualHost } from '../../../src/sim/host.ts'
import { type Simulation, simulate } from '../../../src/sim/simulate.ts'
import { type RunningTurnServer, serveTurn, type TurnServerOptions } from '../../../src/sim/turn-server.ts'
import type { TurnServer } from '../../../src/turn/server.ts'
import { TurnClient, type TurnEvent } from '../../../src/turn/turn-client.ts'
import { Wires } from '../../../src/wire/wires.ts'

const relay = '203.0.113.10'
const relay6 = '2001:db8::10'
const link = { latencyMs: 5 }

class Scene {
  readonly world: Simulation = simulate(1)
  readonly server: VirtualHost

  constructor() {
    const { internet } = this.world
    this.server = this.world.host('relay', internet.at(relay, link), internet.at(relay6, link))
  }

  async serve(options: Partial<TurnServerOptions> = {}): Promise<RunningTurnServer> {
    return serveTurn(this.server, {
      listen: [
        { protocol: 'udp', address: relay, port: 3478 },
        { protocol: 'tcp', address: relay, port: 3478 },
        { protocol: 'tls', address: relay, port: 443 },
        { protocol: 'udp', address: relay6, port: 3478 },
      ],
      users: { alice: 'wonder' },
      ...options,
    })
  }

  async client(address: string, change: Partial<TurnServer> = {}): Promise<Running> {
    const { internet } = this.world
    const six = `2001:db8:${address.split('.').at(-1)}::2`
    const host = this.world.host(address, internet.at(address, link), internet.at(six, link))
    const server: TurnServer = {
      address: { address: relay, port: change.transport === 'tls' ? 443 : 3478 },
      transport: 'udp',
      host: relay,
      username: 'alice',
      password: 'wonder',
      ...change,
    }
    const wires = new Wires({ clock: host.clock, network: host.network })
    const local =
      server.transport === 'udp' ? await wires.openUdp({ address, port: 4000 }) : { address, port: 1 }
    return new Running(this.world, new TurnClient({ server, local, random: host.random }), wires)
  }

  /** What a host of the internet hears, and how it answers. */
  async peer(address: string): Promise<{ socket: UdpSocket; heard: [string, TransportAddress][] }> {
    const host = this.world.host(address, this.world.internet.at(address, link))
    const socket = await host.openUdp({ address, port: 5000 })
    const heard: [string, TransportAddress][] = []
    socket.onDatagram = (bytes, from) => {
      heard.push([text(bytes), from])
      socket.send(bytes, from)
    }
    return { socket, heard }
  }
}

class Running {
  readonly events: TurnEvent[] = []
  readonly heard: string[] = []
  private readonly driver: CoreDriver<TurnEvent>

  constructor(
    private readonly world: Simulation,
    readonly client: TurnClient,
    private readonly wires: Wires,
  ) {
    this.driver = new CoreDriver(
      client,
      world.clock,
      (datagram) => wires.transmit(datagram),
      (event) => {
        if (event.type === 'data') this.heard.push(text(event.data))
        else this.events.push(event)
      },
    )
    wires.onDatagram = (datagram) => this.driver.drive((now) => client.handleDatagram(now, datagram))
    wires.onClosed = ({ remote }, why) => this.driver.drive((now) => client.handleClosed(now, why, remote))
  }

  async allocate(): Promise<readonly TransportAddress[]> {
    this.driver.drive((now) => this.client.allocate(now))
    await this.world.clock.advance(200)
    const event = this.events.find(({ type }) => type === 'allocated')
    return event?.type === 'allocated' ? event.relayed : []
  }

  permit(peer: TransportAddress): void {
    this.driver.drive((now) => this.client.permit(now, peer))
  }

  send(what: string, to: TransportAddress): void {
    this.driver.drive((now) => this.client.send(now, bytes(what), to))
  }

  close(): void {
    this.driver.drive((now) => this.client.close(now))
    this.wires.close()
  }
}

const text = (data: Uint8Array): string => new TextDecoder().decode(data)
const bytes = (data: string): Uint8Array => new TextEncoder().encode(data)

const servers: [string, Partial<TurnServer>, Partial<TurnServerOptions>][] = [
  ['over UDP', {}, {}],
  ['over TCP', { transport: 'tcp' }, {}],
  ['over TLS on 443', { transport: 'tls' }, {}],
  ['with SHA-256 and a hidden user name', {}, { sha256: true }],
  ['with a nonce that lives for a minute', {}, { nonceLifetimeMs: 60_000 }],
  [
    'with SHA-256 and a nonce that lives for a minute, over TCP',
    { transport: 'tcp' },
    { sha256: true, nonceLifetimeMs: 60_000 },
  ],
  ['reached at its IPv6 address', { address: { address: relay6, port: 3478 } }, {}],
]

describe('an hour of media', () => {
  it.each(servers)('%s', async (_name, server, options) => {
    const scene = new Scene()
    const { world } = scene
    const running = await scene.serve(options)
    const { socket, heard } = await scene.peer('203.0.113.20')
    const place = server.address ? '2001:db8:7::2' : '198.51.100.2'
    const client = server.address ? await sixClient(scene, place, server) : await scene.client(place, server)
    const relayed = await client.allocate()
    expect(relayed.map(({ address }) => address)).toEqual([relay, relay6])
    let sent = 0
    for (let second = 0; second < 3_600; second += 10) {
      client.send(String(sent++), socket.local)
      await world.clock.advance(10_000)
    }
    // At most the first, which may overtake its permission.
    expect(heard.length).toBeGreaterThanOrEqual(sent - 1)
    expect(client.heard).toEqual(heard.map(([what]) => what))
    expect(new Set(heard.map(([, { port }]) => port))).toEqual(new Set([relayed[0]!.port]))
    expect(client.events.filter(({ type }) => type === 'failed')).toEqual([])
    // What gives the relay back is not repeated with another nonce: a request just before finds the one that counts.
    client.permit({ address: '203.0.113.21', port: 1 })
    await world.clock.advance(100)
    client.close()
    await world.clock.advance(100)
    expect(running.allocationCount).toBe(0)
    running.stop()
    await world.clock.advance(100)
    expect(world.open.filter((what) => !what.startsWith('203.0.113.20'))).toEqual([])
  })
})

async function sixClient(scene: Scene, address: string, change: Partial<TurnServer>): Promise<Running> {
  const host = scene.world.host('six', scene.world.internet.at(address, link))
  const wires = new Wires({ clock: host.clock, network: host.network })
  const local = await wires.openUdp({ address, port: 4000 })
  const server: TurnServer = {
    address: { address: relay6, port: 3478 },
    transport: 'udp',
    host: relay6,
    username: 'alice',
    password: 'wonder',
    ...change,
  }
  return new Running(scene.world, new TurnClient({ server, local, random: host.random }), wires)
}

it('from one relay to another, both ways', async () => {
  const scene = new Scene()
  await scene.serve()
  const [a, b] = [
    await scene.client('198.51.100.2'),
    await scene.client('198.51.100.3', { transport: 'tcp' }),
  ]
  const [[atA], [atB]] = [await a.allocate(), await b.allocate()]
  a.permit(atB!)
  b.permit(atA!)
  await scene.world.clock.advance(50)
  for (let n = 0; n < 5; n++) {
    a.send(`a${n}`, atB!)
    b.send(`b${n}`, atA!)
    await scene.world.clock.advance(50)
  }
  expect(b.heard).toEqual(['a0', 'a1', 'a2', 'a3', 'a4'])
  expect(a.heard).toEqual(['b0', 'b1', 'b2', 'b3', 'b4'])
})

it.each(['udp', 'tcp'] as const)(
  'is redirected over %s, and the first server may hang up',
  async (transport) => {
    const scene = new Scene()
    const { world } = scene
    const alternate = { address: '203.0.113.11', port: 3478 }
    const other = world.host('other', world.internet.at(alternate.address, link))
    await serveTurn(other, {
      listen: [
        { protocol: 'udp', ...alternate },
        { protocol: 'tcp', ...alternate },
      ],
      users: { alice: 'wonder' },
    })
    const first = await scene.serve({ alternate })
    const { socket, heard } = await scene.peer('203.0.113.20')
    const client = await scene.client('198.51.100.2', { transport })
    expect((await client.allocate())[0]?.address).toBe(alternate.address)
    first.stop()
    await world.clock.advance(100)
    client.permit(socket.local)
    await world.clock.advance(100)
    client.send('still here', socket.local)
    await world.clock.advance(100)
    expect(heard.map(([what]) => what)).toEqual(['still here'])
    expect(client.heard).toEqual(['still here'])
  },
)

it('a server that forgets everything is noticed at the next renewal', async () => {
  const scene = new Scene()
  const server = await scene.serve()
  const { socket } = await scene.peer('203.0.113.20')
  const client = await scene.client('198.51.100.2')
  await client.allocate()
  client.send('x', socket.local)
  server.dropAllocations()
  for (let second = 0; second < 300; second += 10) {
    client.send('x', socket.local)
    await scene.world.clock.advance(10_000)
  }
  expect(client.events.at(-1)).toMatchObject({ type: 'failed', code: 437 })
})
