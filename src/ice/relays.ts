// The allocations of an agent at TURN servers (RFC 8656): which are made, from which sockets, and what becomes of them. The
// protocol is turn/turn-client.ts. Over UDP a client uses the socket of its base, over TCP and TLS a connection of its own.
//
//   socket ── TurnClient ── server ── relayed address = a base of its own ── peer
import { addressFamily, sameAddress, type TransportAddress } from '../runtime/address.ts'
import type { Datagram, Deadline } from '../runtime/core.ts'
import type { Millis, Random } from '../runtime/runtime.ts'
import { peerRefusal } from '../turn/refusals.ts'
import type { TurnServer, TurnTransport } from '../turn/server.ts'
import { TurnClient, type TurnEvent } from '../turn/turn-client.ts'
import { canAsk } from './bases.ts'
import type { Base } from './candidate.ts'

/** Allocations cost the server a port each and every pair of them a check: of each family the best sockets of a component ask,
 *  the best one at so many servers, the next, which stands in where the first leads nowhere, at so many. */
const serversOfSocket = [4, 2]

const order: readonly TurnTransport[] = ['udp', 'tcp', 'tls']

interface Allocation {
  readonly server: TurnServer
  /** Where it was asked from. */
  readonly socket: Base
  readonly local: TransportAddress
  readonly client: TurnClient
  readonly since: Millis
  /** The bases that came of it; empty while the server is silent. */
  bases: Base[]
}

/** What an allocation has become. */
export type RelayEvent =
  | {
      type: 'allocated'
      socket: Base
      server: TurnServer
      afterMs: Millis
      mapped: TransportAddress
      relayed: readonly TransportAddress[]
      /** Takes the bases made of `relayed`, and returns how to send from them. */
      send: Base['send']
      keep(base: Base): void
    }
  /** There is no allocation, or none any more: `bases` have gone. */
  | {
      type: 'failed'
      socket: Base
      server: TurnServer
      afterMs: Millis
      code?: number
      detail: string
      bases: readonly Base[]
    }
  | { type: 'data'; base: Base; from: TransportAddress; data: Uint8Array }
  /** The server will not relay between `bases` and the IP address of a peer. */
  | { type: 'peer-refused'; bases: readonly Base[]; peer: TransportAddress; detail: string }

export class Relays {
  private allocations: Allocation[] = []
  /** Of clients that have been closed: what gives their allocations back. */
  private readonly farewells: Datagram[] = []
  private nextConnection = 1
  private readonly servers: readonly TurnServer[]

  constructor(
    servers: readonly TurnServer[],
    private readonly random: Random,
  ) {
    this.servers = [...servers].sort((a, b) => order.indexOf(a.transport) - order.indexOf(b.transport))
  }

  /** Whether a server may still give its first answer. */
  get pending(): boolean {
    return this.allocations.some(({ bases }) => bases.length === 0)
  }

  /** Asks the servers for relayed addresses, if the socket is one of the best of its component. */
  allocate(now: Millis, socket: Base): void {
    const { address } = socket.address
    const servers = this.servers.filter((server) => canAsk(address, server.address.address))
    const rank = this.rankOf(socket)
    for (const server of bestAndLast(servers, serversOfSocket[rank] ?? 0)) {
      const local = server.transport === 'udp' ? socket.address : { address, port: this.nextConnection++ }
      // A relay of the other family reaches peers that we do not.
      const client = new TurnClient({ server, local, random: this.random })
      this.allocations.push({ server, socket, local, client, since: now, bases: [] })
      client.allocate(now)
    }
  }

  /** The relays of a stream are to let packets of these peers through. */
  permit(now: Millis, stream: number, peers: readonly TransportAddress[]): void {
    for (const { socket, client, bases } of this.allocations) {
      if (socket.stream !== stream) continue
      const families = new Set(bases.map((base) => addressFamily(base.address.address)))
      for (const { address, port } of peers) {
        if (families.has(addressFamily(address))) client.permit(now, { address, port })
      }
    }
  }

  /** Returns whether the datagram was a server's. */
  handleDatagram(now: Millis, datagram: Datagram): boolean {
    if (datagram.over === 'tcp') return false
    // What a TURN server says about Binding was asked of it as a STUN server.
    if (!datagram.over && isBinding(datagram.data)) return false
    const allocation = this.allocations.find(({ client }) => client.claims(datagram))
    allocation?.client.handleDatagram(now, datagram)
    return allocation !== undefined
  }

  /** A connection to a server could not be opened, or has ended. */
  handleClosed(now: Millis, ends: Pick<Datagram, 'local' | 'remote' | 'over'>, reason: string): void {
    for (const { client, local } of this.allocations) {
      if (client.over === ends.over && sameAddress(local, ends.local))
        client.handleClosed(now, reason, ends.remote)
    }
  }

  handleTimeout(now: Millis): void {
    for (const { client } of this.allocations) client.handleTimeout(now)
  }

  nextTimeout(): Deadline | undefined {
    let next: Deadline | undefined
    for (const { client } of this.allocations) {
      const deadline = client.nextTimeout()
      if (deadline && (!next || deadline.at < next.at)) next = deadline
    }
    return next
  }

  pollTransmit(): Datagram | undefined {
    for (const { client } of this.allocations) {
      const datagram = client.pollTransmit()
      if (datagram) return datagram
    }
    return this.farewells.shift()
  }

  poll(now: Millis): RelayEvent | undefined {
    for (const allocation of this.allocations) {
      for (let event = allocation.client.pollEvent(); event; event = allocation.client.pollEvent()) {
        const told = this.interpret(now, allocation, event)
        if (told) return told
      }
    }
    return undefined
  }

  /** Gives back the allocations that were asked for from these sockets; returns their bases. */
  drop(now: Millis, which: (socket: Base) => boolean): Base[] {
    const dropped = this.allocations.filter(({ socket }) => which(socket))
    this.allocations = this.allocations.filter((allocation) => !dropped.includes(allocation))
    for (const { client } of dropped) {
      client.close(now)
      for (let d = client.pollTransmit(); d; d = client.pollTransmit()) this.farewells.push(d)
    }
    return dropped.flatMap(({ bases }) => bases)
  }

  /** Takes the allocations of another agent over, which has none then.
   *  @param copy its sockets and relayed addresses as this agent's own */
  takeOver(other: Relays, copy: (base: Base, send?: Base['send']) => Base): void {
    for (const allocation of other.allocations) {
      const { client, socket, bases } = allocation
      const send: Base['send'] = (now, data, to, departAt) => client.send(now, data, to, departAt)
      this.allocations.push({
        ...allocation,
        socket: copy(socket),
        bases: bases.map((base) => copy(base, send)),
      })
    }
    this.nextConnection = other.nextConnection
    other.allocations = []
  }

  private interpret(now: Millis, allocation: Allocation, event: TurnEvent): RelayEvent | undefined {
    const { socket, server, client, since } = allocation
    switch (event.type) {
      case 'allocated':
        return {
          ...event,
          socket,
          server,
          afterMs: now - since,
          send: (at, data, to, departAt) => client.send(at, data, to, departAt),
          keep: (base) => allocation.bases.push(base),
        }
      case 'failed': {
        this.allocations = this.allocations.filter((other) => other !== allocation)
        const { code, reason: detail } = event
        const { bases } = allocation
        const afterMs = now - since
        return { type: 'failed', socket, server, afterMs, ...(code !== undefined && { code }), detail, bases }
      }
      case 'data': {
        const base = allocation.bases.find(({ address }) => sameAddress(address, event.relayed))
        return base && { type: 'data', base, from: event.from, data: event.data }
      }
      case 'peer-refused': {
        const { peer, code } = event
        const bases = allocation.bases.filter(
          ({ address }) => addressFamily(address.address) === addressFamily(peer.address),
        )
        return { type: 'peer-refused', bases, peer, detail: peerRefusal(client.server, peer, code) }
      }
    }
  }

  /** How many sockets of the same component and family have been asked from already, this one apart. */
  private rankOf({ stream, component, address }: Base): number {
    const family = addressFamily(address.address)
    const earlier = this.allocations
      .map(({ socket }) => socket)
      .filter((other) => other.stream === stream && other.component === component)
      .filter((other) => addressFamily(other.address.address) === family)
    return new Set(earlier).size
  }
}

/** Success and error responses of RFC 8489 5. */
const isBinding = (data: Uint8Array): boolean =>
  data[1] === 0x01 ? data[0] === 0x01 : data[1] === 0x11 && data[0] === 0x01

/** Of too many the best ones and the last, which is the likeliest to get through: TLS, where there is any. */
const bestAndLast = (servers: readonly TurnServer[], count: number): readonly TurnServer[] =>
  servers.length <= count || count === 0
    ? servers.slice(0, count)
    : [...servers.slice(0, count - 1), servers[servers.length - 1]!]
